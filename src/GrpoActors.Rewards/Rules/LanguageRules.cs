using System.Text;
using System.Text.RegularExpressions;

namespace GrpoActors.Rewards.Rules;

/// <summary>Rewards for how the text reads: repetition, script, words that must not occur.</summary>
internal static partial class LanguageRules
{
    public const string ConsistencyKind = "language_consistency";
    public const string FluencyKind = "fluency";
    public const string RepetitionKind = "repetition_penalty";
    public const string WordFilterKind = "word_filter";

    /// <summary>DeepSeek-R1's language consistency: the share of words in the wanted language; here, in its script. Abstains where there is no word.</summary>
    /// <remarks>A word is a run of letters; a command of LaTeX and a single Latin letter (a variable) are none. Where a script writes no blanks, a run counts as one.</remarks>
    public static IReward? Consistency(RewardSettings settings)
    {
        Func<Rune, bool>? expected = Script.From(settings, "language");
        if (!settings.Has("language"))
        {
            settings.Wrong("language", "is missing.", "Name the language: \"en\", \"zh\".");
        }

        string? tag = settings.Text("tag");
        TagLayout? tags = tag is null ? null : new TagLayout([tag], settings.Flag("opened", false));
        return expected is null ? null : new DelegateReward(ConsistencyKind, revision: 1, input =>
        {
            string text = tags is null ? input.Completion : tags.Inside(input.Completion, tag!) ?? "";
            int words = 0, inLanguage = 0;
            foreach (Match word in Word().Matches(text))
            {
                if (word.Value[0] == '\\' || (word.Length == 1 && char.IsAsciiLetter(word.Value[0])))
                {
                    continue;
                }

                words++;
                inLanguage += word.Value.EnumerateRunes().Where(Rune.IsLetter).All(expected) ? 1 : 0;
            }

            return words == 0 ? null : (float)inLanguage / words;
        });
    }

    /// <summary>The share of n-grams of words that are no repetition, times the share of letters in the expected script; 0 for a text without words.</summary>
    public static IReward Fluency(RewardSettings settings)
    {
        int size = settings.Count("ngram_size", min: 1) ?? 3;
        Func<Rune, bool>? expected = Script.From(settings, "language");
        return new DelegateReward(FluencyKind, revision: 1, input =>
        {
            Rune[] letters = [.. input.Completion.EnumerateRunes().Where(Rune.IsLetter)];
            double inScript = expected is null || letters.Length == 0 ? 1 : (double)letters.Count(expected) / letters.Length;
            return string.IsNullOrWhiteSpace(input.Completion) ? 0 : (float)((1 - Repeated(input.Completion, size)) * inScript);
        });
    }

    /// <summary>Open-R1 <c>get_repetition_penalty_reward</c> (arXiv:2502.03373, appendix C.2): <c>max_penalty</c> times the share of n-grams that are repetitions.</summary>
    public static IReward Repetition(RewardSettings settings)
    {
        int size = settings.Count("ngram_size", min: 1) ?? 3;
        float most = settings.Score("max_penalty", -1);
        if (most > 0)
        {
            settings.Wrong("max_penalty", $"is {most}, and a penalty is at most 0.", "Write -1.");
        }

        return new DelegateReward(RepetitionKind, revision: 1, input => (float)(Repeated(input.Completion, size) * most));
    }

    /// <summary><c>right</c> where none of <c>words</c> (whole words, in any case) and <c>patterns</c> occurs in the completion.</summary>
    public static IReward WordFilter(RewardSettings settings)
    {
        var words = settings.Texts("words");
        var patterns = settings.Texts("patterns");
        (float right, float wrong) = TagRules.Scores(settings);
        if (words.Length + patterns.Length == 0)
        {
            settings.Wrong("words", "is empty, and so is patterns.", "Name the words that must not occur.");
        }

        if (words.Any(string.IsNullOrWhiteSpace))
        {
            settings.Wrong("words", "holds an empty word, which every text has.", "Remove it.");
        }

        var forbidden = new List<Regex>();
        foreach (string pattern in (string[])[.. words.Select(word => $@"(?:^|[^\p{{L}}\p{{N}}_]){Regex.Escape(word)}(?:$|[^\p{{L}}\p{{N}}_])"), .. patterns])
        {
            try
            {
                forbidden.Add(new Regex(pattern, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, RewardSettings.BacktrackingMax));
            }
            catch (RegexParseException e)
            {
                settings.Wrong("patterns", $"holds \"{pattern}\", which is no regular expression: {PatternFault.Words(e)}.", "Mend it.");
            }
            catch (NotSupportedException)
            {
                settings.Wrong("patterns", $"holds \"{pattern}\", whose look-around, back-reference or atomic group may take any time to match.", "Write it without.");
            }
        }

        return new DelegateReward(WordFilterKind, revision: 1, input => forbidden.Exists(pattern => pattern.IsMatch(input.Completion)) ? wrong : right);
    }

    /// <summary>1 - distinct / all n-grams of lower-case words between blanks; 0 for a text of fewer words.</summary>
    private static double Repeated(string text, int size)
    {
        string[] words = text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        int all = words.Length - size + 1;
        return all < 1 ? 0 : 1 - (double)Enumerable.Range(0, all).Select(at => string.Join(' ', words.AsSpan(at, size))).Distinct(StringComparer.Ordinal).Count() / all;
    }

    [GeneratedRegex(@"\\?[\p{L}\p{M}]+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
