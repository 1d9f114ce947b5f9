using System.Collections.Immutable;
using System.Text;

namespace GrpoActors.Rewards.Rules;

/// <summary>The scripts that a language is written in. English and French share one: what a text of either says of the other is not seen.</summary>
internal static class Script
{
    /// <summary>First and last code point of the letters of each script: its main blocks of Unicode.</summary>
    private static readonly ImmutableSortedDictionary<string, (int First, int Last)[]> Ranges = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal,
        new Dictionary<string, (int, int)[]>(StringComparer.Ordinal)
        {
            ["arabic"] = [(0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)],
            ["cyrillic"] = [(0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)],
            ["devanagari"] = [(0x900, 0x97F), (0xA8E0, 0xA8FF)],
            ["greek"] = [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
            ["han"] = [(0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)],
            ["hangul"] = [(0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF)],
            ["hebrew"] = [(0x590, 0x5FF), (0xFB1D, 0xFB4F)],
            ["kana"] = [(0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)],
            ["latin"] = [(0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xBA, 0xBA), (0xC0, 0x24F), (0x250, 0x2AF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xFB00, 0xFB06)],
            ["thai"] = [(0xE00, 0xE7F)],
        });

    private static readonly ImmutableSortedDictionary<string, string[]> Languages = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal,
        new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["ar"] = ["arabic"],
            ["bg"] = ["cyrillic"],
            ["cs"] = ["latin"],
            ["da"] = ["latin"],
            ["de"] = ["latin"],
            ["el"] = ["greek"],
            ["en"] = ["latin"],
            ["es"] = ["latin"],
            ["fa"] = ["arabic"],
            ["fi"] = ["latin"],
            ["fr"] = ["latin"],
            ["he"] = ["hebrew"],
            ["hi"] = ["devanagari"],
            ["id"] = ["latin"],
            ["it"] = ["latin"],
            ["ja"] = ["han", "kana"],
            ["ko"] = ["hangul"],
            ["nl"] = ["latin"],
            ["no"] = ["latin"],
            ["pl"] = ["latin"],
            ["pt"] = ["latin"],
            ["ru"] = ["cyrillic"],
            ["sv"] = ["latin"],
            ["th"] = ["thai"],
            ["tr"] = ["latin"],
            ["uk"] = ["cyrillic"],
            ["vi"] = ["latin"],
            ["zh"] = ["han"],
        });

    /// <summary>Whether a letter belongs to the script or language that <paramref name="key"/> names; null where the key is absent or wrong.</summary>
    public static Func<Rune, bool>? From(RewardSettings settings, string key)
    {
        if (settings.Text(key) is not { } name)
        {
            return null;
        }

        if (!Ranges.ContainsKey(name) && !Languages.ContainsKey(name))
        {
            settings.Wrong(key, $"is \"{name}\", which is no language or script known here.", $"Choose a language of {string.Join(", ", Languages.Keys)} or a script of {string.Join(", ", Ranges.Keys)}.");
            return null;
        }

        (int First, int Last)[] ranges = [.. (Languages.TryGetValue(name, out string[]? scripts) ? scripts : [name]).SelectMany(script => Ranges[script])];
        return letter => Array.Exists(ranges, range => letter.Value >= range.First && letter.Value <= range.Last);
    }
}
