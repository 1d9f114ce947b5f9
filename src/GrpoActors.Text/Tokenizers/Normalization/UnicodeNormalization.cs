using System.Globalization;
using System.Text;

namespace GrpoActors.Text;

/// <summary>Unicode's four normalisation forms (UAX #15).</summary>
/// <remarks>Of our own, because with <c>InvariantGlobalization</c> .NET's <c>string.Normalize</c> returns its input unchanged. The tables are
/// those of the Unicode Character Database, in <c>decompositions.txt</c> beside this file.</remarks>
internal sealed class UnicodeNormalization
{
    // Hangul syllables compose by arithmetic (UAX #15, section 3.12 of the standard).
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, SyllableCount = LeadCount * VowelCount * TailCount;

    // Nothing below composes, decomposes canonically or moves when it stands among its like.
    private const char FirstThatMatters = '\u00C0';

    private static readonly Lazy<UnicodeNormalization> Loaded = new(() => new UnicodeNormalization());

    private readonly Dictionary<int, byte> _classes = [];
    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatible = [];
    private readonly Dictionary<(int, int), int> _compositions = [];
    private readonly HashSet<int> _unsettledInC = [];

    private UnicodeNormalization()
    {
        using var stream = typeof(UnicodeNormalization).Assembly.GetManifestResourceStream("decompositions.txt")
            ?? throw new InvalidOperationException("The resource decompositions.txt is missing from the assembly.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] != '#')
            {
                ReadLine(line);
            }
        }

        _unsettledInC.UnionWith(_classes.Keys);
        _unsettledInC.UnionWith(_canonical.Keys.Except(_compositions.Values));
        _unsettledInC.UnionWith(_compositions.Keys.Select(pair => pair.Item2));
        _unsettledInC.UnionWith(Enumerable.Range(VowelBase, VowelCount).Concat(Enumerable.Range(TailBase + 1, TailCount - 1)));
    }

    /// <param name="text">Without lone surrogates.</param>
    public static string Normalise(string text, NormalizationForm form)
    {
        char first = form is NormalizationForm.FormC ? '\u0300' : FirstThatMatters;
        char firstCompatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD ? '\u00A0' : first;
        int matters = text.AsSpan().IndexOfAnyInRange(firstCompatible, '\uFFFF');
        return matters < 0 || (form == NormalizationForm.FormC && Loaded.Value.IsSettledInC(text, matters)) ? text : Loaded.Value.Run(text, form);
    }

    private void ReadLine(string line)
    {
        int sign = line.AsSpan().IndexOfAny('=', '!', '~');
        var key = line[..sign].Split('-');
        int code = int.Parse(key[0], NumberStyles.AllowHexSpecifier);
        if (key.Length == 2)
        {
            byte combining = byte.Parse(line.AsSpan(sign + 1));
            for (int c = code; c <= int.Parse(key[1], NumberStyles.AllowHexSpecifier); c++)
            {
                _classes[c] = combining;
            }

            return;
        }

        int[] parts = [.. line[(sign + 1)..].Split(' ').Select(part => int.Parse(part, NumberStyles.AllowHexSpecifier))];
        (line[sign] == '~' ? _compatible : _canonical)[code] = parts;
        if (line[sign] == '=' && parts.Length == 2)
        {
            _compositions[(parts[0], parts[1])] = code;
        }
    }

    // Whether no code point is a mark, composes with one before it or must be replaced: then the text is in form C already.
    private bool IsSettledInC(string text, int from)
    {
        for (int i = from; i < text.Length;)
        {
            int c = CodePoints.At(text, i, out int units);
            if (c >= 0x0300 && _unsettledInC.Contains(c))
            {
                return false;
            }

            i += units;
        }

        return true;
    }

    private string Run(string text, NormalizationForm form)
    {
        bool compatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        var codes = new List<int>(text.Length);
        for (int i = 0; i < text.Length;)
        {
            Decompose(CodePoints.At(text, i, out int units), compatible, codes);
            i += units;
        }

        var ordered = InCanonicalOrder(codes);
        int count = form is NormalizationForm.FormC or NormalizationForm.FormKC ? Compose(ordered) : ordered.Length;
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < count; i++)
        {
            CodePoints.Append(result, ordered[i]);
        }

        return result.ToString();
    }

    private void Decompose(int code, bool compatible, List<int> into)
    {
        if (code < FirstThatMatters && !compatible)
        {
            into.Add(code);
        }
        else if ((uint)(code - SyllableBase) < SyllableCount)
        {
            int index = code - SyllableBase, tail = index % TailCount;
            into.Add(LeadBase + (index / (VowelCount * TailCount)));
            into.Add(VowelBase + (index % (VowelCount * TailCount) / TailCount));
            if (tail != 0)
            {
                into.Add(TailBase + tail);
            }
        }
        else if (_canonical.TryGetValue(code, out var parts) || (compatible && _compatible.TryGetValue(code, out parts)))
        {
            foreach (int part in parts)
            {
                Decompose(part, compatible, into);
            }
        }
        else
        {
            into.Add(code);
        }
    }

    // Marks between two starters stand by class, those of one class in the order they came.
    private int[] InCanonicalOrder(List<int> codes)
    {
        var ordered = codes.ToArray();
        for (int i = 0; i < ordered.Length; i++)
        {
            int from = i;
            while (i < ordered.Length && Class(ordered[i]) != 0)
            {
                i++;
            }

            if (i - from > 1)
            {
                ordered[from..i].OrderBy(Class).ToArray().CopyTo(ordered, from); // stable
            }
        }

        return ordered;
    }

    // In place; returns how many remain.
    private int Compose(int[] codes)
    {
        int count = 0, starter = -1;
        int lastClass = -1; // of what was kept last after the starter
        foreach (int code in codes)
        {
            int combining = Class(code);
            bool blocked = lastClass != -1 && lastClass >= combining;
            if (starter >= 0 && !blocked && Pair(codes[starter], code) is { } composed)
            {
                codes[starter] = composed;
                continue;
            }

            if (combining == 0)
            {
                starter = count;
                lastClass = -1;
            }
            else
            {
                lastClass = combining;
            }

            codes[count++] = code;
        }

        return count;
    }

    private int? Pair(int first, int second)
    {
        if ((uint)(first - LeadBase) < LeadCount && (uint)(second - VowelBase) < VowelCount)
        {
            return SyllableBase + ((((first - LeadBase) * VowelCount) + (second - VowelBase)) * TailCount);
        }

        if ((uint)(first - SyllableBase) < SyllableCount && (first - SyllableBase) % TailCount == 0 && (uint)(second - TailBase - 1) < TailCount - 1)
        {
            return first + (second - TailBase);
        }

        return _compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }

    private int Class(int code) => code < 0x0300 ? 0 : _classes.GetValueOrDefault(code);
}
