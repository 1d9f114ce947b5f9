using System.Globalization;
using System.Numerics;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>Strings as Python sees them: white space, code points, quoting, numbers as text. Half a surrogate pair is one code point.</summary>
internal static class PythonText
{
    /// <summary><c>str.isspace</c>: .NET's white space and the four separators U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    public static bool IsBlank(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!IsSpace(c))
            {
                return false;
            }
        }
        return true;
    }

    public static string RightStrip(string text) => Strip(text, null, left: false, right: true);

    /// <param name="text">What to strip.</param>
    /// <param name="set">The characters that go; null for white space.</param>
    public static string Strip(string text, string? set, bool left, bool right)
    {
        if (set is not null && (HasSurrogates(set) || HasSurrogates(text)))
        {
            return StripCodePoints(text, set, left, right);
        }
        int start = 0, end = text.Length;
        while (left && start < end && Goes(text[start]))
        {
            start++;
        }
        while (right && end > start && Goes(text[end - 1]))
        {
            end--;
        }
        return text[start..end];

        bool Goes(char c) => set is null ? IsSpace(c) : set.Contains(c);
    }

    private static string StripCodePoints(string text, string set, bool left, bool right)
    {
        var goes = CodePoints(set).ToHashSet();
        var points = CodePoints(text).ToList();
        int start = 0, end = points.Count;
        while (left && start < end && goes.Contains(points[start]))
        {
            start++;
        }
        while (right && end > start && goes.Contains(points[end - 1]))
        {
            end--;
        }
        return string.Concat(points.GetRange(start, end - start));
    }

    public static bool HasSurrogates(string text) => text.AsSpan().ContainsAnyInRange('\ud800', '\udfff');

    /// <summary>Each code point as a string of one or two UTF-16 units.</summary>
    public static IEnumerable<string> CodePoints(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            int width = WidthAt(text, i);
            yield return text.Substring(i, width);
            i += width;
        }
    }

    private static int WidthAt(string text, int i) =>
        char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;

    /// <summary>Python's <c>len</c>.</summary>
    public static int Length(string text)
    {
        if (!HasSurrogates(text))
        {
            return text.Length;
        }
        int count = 0;
        for (int i = 0; i < text.Length; i += WidthAt(text, i))
        {
            count++;
        }
        return count;
    }

    /// <summary>The number of code points before the UTF-16 offset <paramref name="at"/>.</summary>
    public static int CodePointOf(string text, int at) => Length(text[..at]);

    /// <summary>The UTF-16 offset of code point <paramref name="index"/>; the length of the text for an index behind it.</summary>
    public static int OffsetOf(string text, int index)
    {
        if (!HasSurrogates(text))
        {
            return Math.Min(index, text.Length);
        }
        int at = 0;
        for (; index > 0 && at < text.Length; index--)
        {
            at += WidthAt(text, at);
        }
        return at;
    }

    public static string Upper(string text)
    {
        string simple = text.ToUpperInvariant();
        if (System.Text.Ascii.IsValid(text))
        {
            return simple;
        }
        var result = new StringBuilder();
        for (int i = 0; i < simple.Length; i++)
        {
            result.Append(SpecialUpper(text[i]) ?? simple[i].ToString());
        }
        return result.ToString();
    }

    public static string Lower(string text)
    {
        string simple = text.ToLowerInvariant();
        if (System.Text.Ascii.IsValid(text))
        {
            return simple;
        }
        var result = new StringBuilder(simple.Length);
        for (int i = 0; i < text.Length; i++)
        {
            result.Append(text[i] switch
            {
                '\u0130' => "i\u0307",
                '\u03a3' when EndsWord(text, i) => "\u03c2", // capital sigma at the end of a word
                _ => simple[i].ToString(),
            });
        }
        return result.ToString();
    }

    private static bool EndsWord(string text, int i) =>
        i > 0 && char.IsLetter(text[i - 1]) && (i + 1 == text.Length || !char.IsLetter(text[i + 1]));

    /// <summary><c>str.capitalize</c>: the first character in title case, the others in lower case.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0)
        {
            return text;
        }
        int width = WidthAt(text, 0);
        return Title(text[..width]) + Lower(text)[Lower(text[..width]).Length..];
    }

    private static string Title(string first)
    {
        string upper = Upper(first);
        // A character that becomes several is capital only in its first: "ß" gives "Ss".
        return first.Length == 1 && upper.Length > 1 ? upper[..1] + Lower(upper[1..]) : upper;
    }

    /// <summary><c>str.title</c>: each run of letters capitalised.</summary>
    public static string TitleWords(string text)
    {
        var result = new StringBuilder();
        bool inWord = false;
        foreach (string point in CodePoints(text))
        {
            bool cased = char.IsLetter(point, 0);
            result.Append(!cased ? point : inWord ? Lower(point) : Title(point));
            inWord = cased;
        }
        return result.ToString();
    }

    /// <summary>Unicode's SpecialCasing for characters whose upper case is several; .NET maps one to one only.</summary>
    private static string? SpecialUpper(char c) => c switch
    {
        '\u00df' => "SS",
        '\u0149' => "\u02bcN",
        '\u01f0' => "J\u030c",
        '\u0390' or '\u1fd3' => "\u0399\u0308\u0301",
        '\u03b0' or '\u1fe3' => "\u03a5\u0308\u0301",
        '\u0587' => "\u0535\u0552",
        '\u1e96' => "H\u0331",
        '\u1e97' => "T\u0308",
        '\u1e98' => "W\u030a",
        '\u1e99' => "Y\u030a",
        '\u1e9a' => "A\u02be",
        '\ufb00' => "FF",
        '\ufb01' => "FI",
        '\ufb02' => "FL",
        '\ufb03' => "FFI",
        '\ufb04' => "FFL",
        '\ufb05' or '\ufb06' => "ST",
        _ => null,
    };

    /// <summary>Python's <c>repr</c> of a string.</summary>
    public static string Repr(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var result = new StringBuilder().Append(quote);
        foreach (string point in CodePoints(text))
        {
            AppendQuoted(result, point, quote);
        }
        return result.Append(quote).ToString();
    }

    private static void AppendQuoted(StringBuilder result, string point, char quote)
    {
        char c = point[0];
        if (c == quote || c == '\\')
        {
            result.Append('\\').Append(c);
        }
        else if (c is '\n' or '\r' or '\t')
        {
            result.Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        }
        else if (c is >= ' ' and < '\x7f' || (c >= '\x7f' && IsPrintable(point)))
        {
            result.Append(point);
        }
        else
        {
            int code = point.Length == 2 ? char.ConvertToUtf32(point, 0) : c;
            string digits = code.ToString("x8", CultureInfo.InvariantCulture);
            result.Append(code < 0x100 ? "\\x" + digits[6..] : code < 0x10000 ? "\\u" + digits[4..] : "\\U" + digits);
        }
    }

    public static bool IsPrintable(string point)
    {
        if (point == " ")
        {
            return true;
        }
        var category = point.Length == 2
            ? CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(point, 0))
            : CharUnicodeInfo.GetUnicodeCategory(point[0]);
        return category is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.SpaceSeparator);
    }

    /// <summary>Python's <c>repr</c> of a float: the shortest digits that give it back; <c>1.0</c>, <c>1e+16</c>, <c>1e-05</c>, <c>inf</c>.</summary>
    public static string Float(double number)
    {
        if (!double.IsFinite(number))
        {
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        }
        string scientific = number.ToString("E16", CultureInfo.InvariantCulture);
        string shortest = number.ToString("R", CultureInfo.InvariantCulture);
        var (digits, exponent) = Decompose(shortest);
        string sign = scientific[0] == '-' ? "-" : "";
        if (number == 0)
        {
            return sign + "0.0";
        }
        if (exponent is < -4 or >= 16)
        {
            string mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>Significant digits without zeros at the ends, and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Decompose(string number)
    {
        string text = number.TrimStart('-');
        int exponent = 0;
        int e = text.IndexOf('E');
        if (e >= 0)
        {
            exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            text = text[..e];
        }
        int point = text.IndexOf('.');
        string whole = point < 0 ? text : text[..point];
        string all = whole + (point < 0 ? "" : text[(point + 1)..]);
        int zeros = all.Length - all.TrimStart('0').Length;
        string digits = all.Trim('0');
        return (digits, exponent + whole.Length - 1 - zeros);
    }

    /// <summary>Python's <c>'%.{places}f'</c>: exact digits, halves to the even neighbour.</summary>
    public static string Fixed(double number, int places)
    {
        string more = number.ToString("F" + (places + 1), CultureInfo.InvariantCulture);
        bool isHalf = more[^1] == '5' && double.Parse(more, CultureInfo.InvariantCulture) == number && IsExact(more, number);
        if (!isHalf)
        {
            return number.ToString("F" + places, CultureInfo.InvariantCulture);
        }
        string down = more[..^1].TrimEnd('.');
        if ((down[^1] - '0') % 2 == 0)
        {
            return down;
        }
        // Away from zero by one unit in the last place.
        return number.ToString("F" + places, CultureInfo.InvariantCulture) is var up && up != down ? up : down;
    }

    /// <summary>Whether the decimal text is the double itself and not merely the nearest of so many digits.</summary>
    private static bool IsExact(string text, double number) =>
        number.ToString("F" + Math.Min(1_000, text.Length + 60), CultureInfo.InvariantCulture).TrimEnd('0') == text.TrimEnd('0');

    public static string Integer(BigInteger number) => number.ToString(CultureInfo.InvariantCulture);
}
