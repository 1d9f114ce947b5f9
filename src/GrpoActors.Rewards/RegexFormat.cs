using System.Text.RegularExpressions;

namespace GrpoActors.Rewards;

/// <summary>Kind <c>regex_format</c>: does the whole completion match a pattern?</summary>
/// <remarks>
/// Settings: <c>pattern</c> (required; .NET's syntax, <c>.</c> matches line breaks), <c>ignore_case</c> (false), <c>right</c> (1), <c>wrong</c> (0).
/// TRL's think_format_reward is the pattern <c>&lt;think&gt;(?!.*&lt;think&gt;).*?&lt;/think&gt;.*</c>.
/// </remarks>
public sealed class RegexFormat : IReward
{
    public const string Kind = "regex_format";

    private readonly Regex _pattern;
    private readonly float _right;
    private readonly float _wrong;

    private RegexFormat(Regex pattern, float right, float wrong) => (_pattern, _right, _wrong) = (pattern, right, wrong);

    public string Name => Kind;

    public int Revision => 1;

    public static IReward? From(RewardSettings settings)
    {
        Regex? pattern = settings.Pattern("pattern", whole: true);
        settings.Flag("ignore_case", false);
        float right = settings.Score("right", 1), wrong = settings.Score("wrong", 0);
        if (!settings.Has("pattern"))
        {
            settings.Wrong("pattern", "is missing.", "Give the regular expression that a whole completion must match.");
        }

        return pattern is null ? null : new RegexFormat(pattern, right, wrong);
    }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation) =>
        ValueTask.FromResult<float?>(_pattern.IsMatch(input.Completion) ? _right : _wrong);
}
