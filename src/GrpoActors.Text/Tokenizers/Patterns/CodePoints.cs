using System.Text;

namespace GrpoActors.Text;

/// <summary>Reads UTF-16 by code point. Every text comes through <see cref="WellFormed"/> first, so surrogates stand in pairs.</summary>
internal static class CodePoints
{
    /// <summary>The text with each lone surrogate replaced by U+FFFD; the same instance if there is none.</summary>
    public static string WellFormed(string text)
    {
        int lone = FirstLoneSurrogate(text, 0);
        if (lone < 0)
        {
            return text;
        }

        var units = text.ToCharArray();
        for (; lone >= 0; lone = FirstLoneSurrogate(text, lone + 1))
        {
            units[lone] = '\uFFFD';
        }

        return new string(units);
    }

    public static int At(ReadOnlySpan<char> text, int index, out int units)
    {
        char first = text[index];
        if (char.IsHighSurrogate(first) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            units = 2;
            return char.ConvertToUtf32(first, text[index + 1]);
        }

        units = 1;
        return first;
    }

    public static int Before(ReadOnlySpan<char> text, int index)
    {
        char last = text[index - 1];
        return char.IsLowSurrogate(last) && index >= 2 && char.IsHighSurrogate(text[index - 2])
            ? char.ConvertToUtf32(text[index - 2], last)
            : last;
    }

    public static void Append(StringBuilder builder, int codePoint)
    {
        if (codePoint < 0x10000)
        {
            builder.Append((char)codePoint);
        }
        else
        {
            builder.Append((char)(0xD800 + ((codePoint - 0x10000) >> 10))).Append((char)(0xDC00 + ((codePoint - 0x10000) & 0x3FF)));
        }
    }

    private static int FirstLoneSurrogate(string text, int from)
    {
        for (int i = from; i < text.Length; i++)
        {
            int next = text.AsSpan(i).IndexOfAnyInRange('\uD800', '\uDFFF');
            if (next < 0)
            {
                return -1;
            }

            i += next;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else
            {
                return i;
            }
        }

        return -1;
    }
}
