namespace GrpoActors.Rewards;

/// <summary>Kind <c>length</c>: a penalty in [-1, 0] for completions that are too long, or not of a wanted length.</summary>
/// <remarks>
/// With <c>max_completion_length</c> M and <c>soft_punish_cache</c> C, tokens n: 0 for n &lt;= M - C, then (M - C - n) / C, and -1 for n &gt; M
/// (DAPO, arXiv:2503.14476, eq. 13; TRL: get_soft_overlong_punishment). With <c>target</c> T: max(-1, -|n - T| / T).
/// </remarks>
public sealed class CompletionLength : IReward
{
    public const string Kind = "length";

    private readonly Func<int, double> _penalty;

    private CompletionLength(Func<int, double> penalty) => _penalty = penalty;

    public string Name => Kind;

    public int Revision => 1;

    public static IReward? From(RewardSettings settings)
    {
        int? target = settings.Count("target", min: 1), max = settings.Count("max_completion_length", min: 1), cache = settings.Count("soft_punish_cache", min: 1);
        bool aims = settings.Has("target"), limits = settings.Has("max_completion_length") || settings.Has("soft_punish_cache");
        if (aims == limits)
        {
            settings.Wrong("target", aims ? "stands beside max_completion_length or soft_punish_cache." : "is missing, and so is max_completion_length.", "Give either target, or max_completion_length and soft_punish_cache.");
        }
        else if (limits && !(settings.Has("max_completion_length") && settings.Has("soft_punish_cache")))
        {
            settings.Wrong(settings.Has("max_completion_length") ? "soft_punish_cache" : "max_completion_length", "is missing.", "The soft penalty needs max_completion_length and soft_punish_cache.");
        }
        else if (cache > max)
        {
            settings.Wrong("soft_punish_cache", $"is {cache}, which exceeds max_completion_length ({max}).", $"Try at most {max}.");
        }

        return (target, max, cache) switch
        {
            ({ } wanted, _, _) => new CompletionLength(tokens => Math.Max(-1, -Math.Abs((double)tokens - wanted) / wanted)),
            (_, { } longest, { } soft) => new CompletionLength(tokens => SoftOverlong(tokens, longest, soft)),
            _ => null,
        };
    }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation) => ValueTask.FromResult<float?>((float)_penalty(input.Tokens));

    private static double SoftOverlong(int tokens, int longest, int soft) =>
        tokens <= longest - soft ? 0 : tokens <= longest ? (double)(longest - soft - tokens) / soft : -1;
}
