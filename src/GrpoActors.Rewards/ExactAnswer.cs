using System.Text.RegularExpressions;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards;

/// <summary>
/// Kind <c>exact_answer</c>: is the answer in the completion the row's answer? Both are trimmed and compared exactly, or as numbers.
/// </summary>
/// <remarks>
/// Settings: <c>tag</c> (the answer stands in its last <c>&lt;tag&gt;…&lt;/tag&gt;</c>; default <c>answer</c>) or <c>pattern</c> (a regular expression: the last match's
/// group <c>answer</c>, its group 1, or the whole match); <c>numeric</c> (false); <c>ignore_case</c> (false, of the pattern); <c>right</c> (1), <c>wrong</c> (0).
/// A completion without an answer is wrong; a row without one makes the reward abstain. With <c>numeric</c>, 1,000 = 1000.0 = +1000 whatever its length; a comma must
/// stand in front of three digits ("1,2" is a list), a typographic minus is a minus, and what is no decimal number is compared as text.
/// </remarks>
public sealed class ExactAnswer : IReward
{
    public const string Kind = "exact_answer";

    private readonly Func<string, string?> _extract;
    private readonly bool _numeric;
    private readonly float _right;
    private readonly float _wrong;

    private ExactAnswer(Func<string, string?> extract, bool numeric, float right, float wrong) =>
        (_extract, _numeric, _right, _wrong) = (extract, numeric, right, wrong);

    public string Name => Kind;

    /// <summary>Comparison as text, and so the identity of runs that use it, has never changed.</summary>
    public int Revision => _numeric ? 2 : 1;

    public bool NeedsAnswer => true;

    public static IReward? From(RewardSettings settings)
    {
        string? tag = settings.Text("tag");
        Regex? pattern = settings.Pattern("pattern", whole: false);
        settings.Flag("ignore_case", false);
        if (settings.Has("tag") && settings.Has("pattern"))
        {
            settings.Wrong("pattern", "stands beside tag, and only one of them can say where the answer is.", "Remove one.");
        }

        if (tag is "")
        {
            settings.Wrong("tag", "is empty.", "Remove it for <answer>…</answer>.");
        }

        Func<string, string?> extract = pattern is null ? text => InTag(text, tag ?? "answer") : text => Matched(text, pattern);
        return new ExactAnswer(extract, settings.Flag("numeric", false), settings.Score("right", 1), settings.Score("wrong", 0));
    }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation)
    {
        if (input.Answer is null)
        {
            return ValueTask.FromResult<float?>(null);
        }

        bool right = _extract(input.Completion) is { } given && Same(given.Trim(), input.Answer.Trim());
        return ValueTask.FromResult<float?>(right ? _right : _wrong);
    }

    private bool Same(string given, string answer) =>
        given == answer || (_numeric && Digits(given) is { } digits && digits == Digits(answer));

    /// <summary>A decimal number without what says nothing: a plus sign, thousands separators, zeros in front and at the end of its decimals. Null for anything else.</summary>
    private static string? Digits(string text)
    {
        string plain = Spelling.Normalised(text);
        bool negative = plain.StartsWith('-');
        ReadOnlySpan<char> rest = negative || plain.StartsWith('+') ? plain.AsSpan(1) : plain;
        int point = rest.IndexOf('.');
        ReadOnlySpan<char> whole = point < 0 ? rest : rest[..point], decimals = point < 0 ? default : rest[(point + 1)..];
        if (WithoutSeparators(whole) is not { } number || decimals.ContainsAnyExceptInRange('0', '9') || number.Length + decimals.Length == 0)
        {
            return null;
        }

        string digits = $"{number.TrimStart('0')}.{decimals.TrimEnd('0')}";
        return digits == "." ? "0" : (negative ? "-" : "") + digits;
    }

    private static string? WithoutSeparators(ReadOnlySpan<char> whole)
    {
        int groups = 0;
        bool valid = true;
        foreach (Range range in whole.Split(','))
        {
            ReadOnlySpan<char> group = whole[range];
            valid &= !group.ContainsAnyExceptInRange('0', '9') && (groups == 0 || group.Length == 3);
            groups++;
        }

        int first = whole.IndexOf(',');
        return valid && first is -1 or (>= 1 and <= 3) ? whole.ToString().Replace(",", "") : null;
    }

    private static string? InTag(string text, string tag)
    {
        string opening = $"<{tag}>", closing = $"</{tag}>";
        int end = text.LastIndexOf(closing, StringComparison.Ordinal);
        int start = end < 0 ? -1 : text.LastIndexOf(opening, end, StringComparison.Ordinal);
        return start < 0 || start + opening.Length > end ? null : text[(start + opening.Length)..end];
    }

    private static string? Matched(string text, Regex pattern)
    {
        Match? last = pattern.Matches(text).LastOrDefault();
        if (last is null)
        {
            return null;
        }

        Group answer = last.Groups["answer"];
        return answer.Success ? answer.Value : last.Groups.Count > 1 ? last.Groups[1].Value : last.Value;
    }
}
