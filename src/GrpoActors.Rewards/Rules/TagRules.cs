using System.Text.RegularExpressions;

namespace GrpoActors.Rewards.Rules;

/// <summary>Rewards for the tags that a completion writes.</summary>
internal static class TagRules
{
    public const string ThinkFormatKind = "think_format";
    public const string FormatKind = "format";
    public const string TagCountKind = "tag_count";
    public const string CompletenessKind = "completeness";

    /// <summary>TRL <c>think_format_reward</c>: the completion begins with the only opening of the tag and closes it; what follows is free.</summary>
    public static IReward ThinkFormat(RewardSettings settings)
    {
        var tags = new TagLayout([settings.Text("tag") ?? "think"], settings.Flag("opened", false));
        (float right, float wrong) = Scores(settings);
        string opening = $"<{tags.Names[0]}>", closing = $"</{tags.Names[0]}>";
        return new DelegateReward(ThinkFormatKind, revision: 1, input =>
        {
            string text = tags.Text(input.Completion, lines: false);
            bool holds = text.StartsWith(opening, StringComparison.Ordinal) && TagLayout.Count(text, opening) == 1 && text.Contains(closing, StringComparison.Ordinal);
            return holds ? right : wrong;
        });
    }

    /// <summary>The format of DeepSeek-R1-Zero (arXiv:2501.12948): the tags in order around all that is written; with <c>lines</c> Open-R1's <c>format_reward</c>, each tag on a line of its own.</summary>
    /// <remarks>Open-R1's pattern also accepts any lines behind the last tag; here only white space.</remarks>
    public static IReward Format(RewardSettings settings)
    {
        var tags = TagLayout.From(settings);
        bool lines = settings.Flag("lines", false);
        (float right, float wrong) = Scores(settings);
        Regex whole = tags.Whole(lines);
        return new DelegateReward(FormatKind, revision: 1, input => whole.IsMatch(tags.Text(input.Completion, lines)) ? right : wrong);
    }

    /// <summary>Open-R1 <c>tag_count_reward</c>: the share of tags that stand there exactly once; with <c>lines</c> (its way) as lines of their own.</summary>
    public static IReward TagCount(RewardSettings settings)
    {
        var tags = TagLayout.From(settings);
        bool lines = settings.Flag("lines", true);
        string[] wanted = [.. tags.Names.SelectMany((name, i) => lines
            ? new[] { $"{(i == 0 ? "" : "\n")}<{name}>\n", $"\n</{name}>{(i == tags.Names.Length - 1 ? "" : "\n")}" }
            : [$"<{name}>", $"</{name}>"])];
        return new DelegateReward(TagCountKind, revision: 1, input =>
        {
            string text = tags.Text(input.Completion, lines);
            return (float)wanted.Count(tag => TagLayout.Count(text, tag) == 1) / wanted.Length;
        });
    }

    /// <summary>Every tag opened and closed once, in order, nothing outside.</summary>
    public static IReward Completeness(RewardSettings settings)
    {
        var tags = TagLayout.From(settings);
        (float right, float wrong) = Scores(settings);
        return new DelegateReward(CompletenessKind, revision: 1, input => tags.IsComplete(input.Completion) ? right : wrong);
    }

    internal static (float Right, float Wrong) Scores(RewardSettings settings) => (settings.Score("right", 1), settings.Score("wrong", 0));
}
