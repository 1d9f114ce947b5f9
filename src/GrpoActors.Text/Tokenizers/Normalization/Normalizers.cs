using System.Text;

namespace GrpoActors.Text;

/// <summary>Rewrites text before it is cut. Without state: any number of threads may use one instance.</summary>
internal delegate string Normalizer(string text);

/// <summary>Reads a <c>normalizer</c>.</summary>
internal static class Normalizers
{
    private static readonly string[] Supported =
        ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Replace", "Prepend", "Strip", "StripAccents", "ByteLevel", "Sequence"];

    /// <summary>Null where the file has none.</summary>
    public static Normalizer? Read(TokenizerJson normalizer)
    {
        if (normalizer.IsNull)
        {
            return null;
        }

        string type = normalizer.Type();
        switch (type)
        {
            case "NFC":
                return text => UnicodeNormalization.Normalise(text, NormalizationForm.FormC);
            case "NFD":
                return text => UnicodeNormalization.Normalise(text, NormalizationForm.FormD);
            case "NFKC":
                return text => UnicodeNormalization.Normalise(text, NormalizationForm.FormKC);
            case "NFKD":
                return text => UnicodeNormalization.Normalise(text, NormalizationForm.FormKD);
            case "Lowercase":
                return Lowercase;
            case "StripAccents":
                return StripAccents;
            case "ByteLevel":
                return ByteAlphabet.Spell;
            case "Replace":
                var replace = TextReplacement.Read(normalizer);
                return replace.Apply;
            case "Prepend":
                string prefix = normalizer["prepend"].String();
                return text => text.Length == 0 ? text : prefix + text;
            case "Strip":
                bool left = normalizer["strip_left"].Bool(absent: false), right = normalizer["strip_right"].Bool(absent: false);
                return text => Strip(text, left, right);
            case "Sequence":
                var parts = normalizer["normalizers"].Items().Select(part => Read(part)).OfType<Normalizer>().ToArray();
                return parts.Length == 0 ? null : text => parts.Aggregate(text, (result, part) => part(result));
            default:
                throw normalizer.Unsupported(type, "normalizer", Supported);
        }
    }

    // The one full mapping of lower case that differs from the simple one whatever its surroundings: İ becomes i and a dot above.
    private static string Lowercase(string text)
    {
        var lower = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == 0x130)
            {
                lower.Append("i\u0307");
            }
            else
            {
                CodePoints.Append(lower, Rune.ToLowerInvariant(rune).Value);
            }
        }

        return lower.ToString();
    }

    private static string StripAccents(string text)
    {
        var marks = UnicodeProperty.Find("M")!;
        var kept = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (!marks.Contains(rune.Value))
            {
                CodePoints.Append(kept, rune.Value);
            }
        }

        return kept.ToString();
    }

    private static string Strip(string text, bool left, bool right) =>
        left ? right ? text.Trim() : text.TrimStart() : right ? text.TrimEnd() : text;
}
