using System.Text.RegularExpressions;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Rules;

/// <summary>Rewards for what the reasoning says: whether the answer follows from it, and how it is laid out.</summary>
internal static partial class ReasoningRules
{
    public const string ConsistencyKind = "consistency";
    public const string CoherenceKind = "coherence";
    public const string StepsKind = "reasoning_steps";

    /// <summary>What may stand behind the answer at the reasoning's end.</summary>
    private const string Closing = " \t\r\n.!*_$)]}\"'`";

    /// <summary>The answer is, letter for letter, what the reasoning ends with. It need not be right: that is for another reward.</summary>
    public static IReward Consistency(RewardSettings settings) => OfReasoning(settings, ConsistencyKind, EndsWith);

    /// <summary>The last number of the reasoning and the answer are the same as mathematics: 1,000 = 1000.0. It need not be right.</summary>
    public static IReward Coherence(RewardSettings settings) =>
        OfReasoning(settings, CoherenceKind, (reasoning, answer) => LastNumber(reasoning) is { } number && AnswerEquality.Equal(number, answer));

    /// <summary>Open-R1 <c>reasoning_steps_reward</c>: marks of steps (Step 1:, 1., a bullet, First, Next, ...), three or more for the whole score.</summary>
    public static IReward Steps(RewardSettings settings)
    {
        int wanted = settings.Count("steps", min: 1) ?? 3;
        return new DelegateReward(StepsKind, revision: 1, input => Math.Min(1, (float)StepMark().Count(input.Completion) / wanted));
    }

    private static DelegateReward OfReasoning(RewardSettings settings, string kind, Func<string, string, bool> holds)
    {
        var tags = TagLayout.From(settings, min: 2);
        (float right, float wrong) = TagRules.Scores(settings);
        return new DelegateReward(kind, revision: 1, input =>
            tags.Inside(input.Completion, tags.Names[0]) is { } reasoning && tags.Inside(input.Completion, tags.Names[^1])?.Trim() is { Length: > 0 } answer && holds(reasoning, answer) ? right : wrong);
    }

    /// <summary>A whole word or number at the end: 277 is not what 1277, 1.277 or -277 ends with.</summary>
    private static bool EndsWith(string reasoning, string answer)
    {
        ReadOnlySpan<char> text = reasoning.AsSpan().TrimEnd(Closing), end = answer.AsSpan().TrimEnd(Closing);
        if (end.IsEmpty || !text.EndsWith(end, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> before = text[..^end.Length];
        bool joins = !before.IsEmpty && char.IsLetterOrDigit(end[0])
            && (char.IsLetterOrDigit(before[^1]) || (before[^1] is '.' or ',' or '/' && before.Length > 1 && char.IsDigit(before[^2])) || IsSign(before));
        return !joins;
    }

    private static string? LastNumber(string text)
    {
        Match? last = Number().Matches(text).LastOrDefault();
        return last is null ? null : (IsSign(text.AsSpan(0, last.Index)) ? "-" : "") + last.Value;
    }

    /// <summary>The text ends with a minus that has no number or bracket before it to be taken from.</summary>
    private static bool IsSign(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[^1] is not ('-' or '\u2212'))
        {
            return false;
        }

        ReadOnlySpan<char> before = text[..^1].TrimEnd();
        return before.IsEmpty || !(char.IsLetterOrDigit(before[^1]) || before[^1] is ')' or ']' or '}') || (before.Length < text.Length - 1 && char.IsLetter(before[^1]));
    }

    [GeneratedRegex(@"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:/[0-9]+)?%?", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    [GeneratedRegex(@"Step [0-9]+:|^[0-9]+\.|\n-|\n\*|First,|Second,|Next,|Finally,", RegexOptions.CultureInvariant)]
    private static partial Regex StepMark();
}
