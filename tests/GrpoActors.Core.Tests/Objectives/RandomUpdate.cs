using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Tests.Objectives;

/// <summary>A small random update: a few rows of a few tokens, one of them empty, some tokens not counted.</summary>
/// <remarks>
/// Kinks are avoided by construction: every log-ratio that a surrogate clips (a token's, a row's mean, or a row's sum) lies in
/// [0.02, 0.15] or [0.3, 0.6] in magnitude, and every clip of the pieces below at a log-ratio between 0.16 and 0.29.
/// </remarks>
internal sealed class RandomUpdate
{
    public required int[] RowStarts { get; init; }
    public required double[] LogProbs { get; set; }
    public required double[] Old { get; init; }
    public required double[] Sampling { get; init; }
    public required double[] Proximal { get; init; }
    public required double[] Reference { get; init; }
    public required double[] Entropies { get; set; }
    public required bool[] Mask { get; init; }

    /// <summary>Of rows; of tokens with <see cref="PerToken"/>.</summary>
    public required double[] Advantages { get; init; }

    public bool PerToken { get; init; }

    public required long[] RowKeys { get; init; }

    public int Rows => RowStarts.Length - 1;

    public static RandomUpdate Draw(int seed, ObjectivePlan plan, int rows = 4, int lengthMax = 4, double spread = 1)
    {
        var random = new SplitMix((ulong)seed);
        var update = Shape(random, rows, lengthMax, perToken: !plan.Advantages.FollowsFromRewards);
        int n = update.RowStarts[^1];
        for (int row = 0; row < rows; row++)
        {
            int start = update.RowStarts[row], end = update.RowStarts[row + 1];
            int counted = Enumerable.Range(start, end - start).Count(t => update.Mask[t]);
            double ofRow = LogRatio(random) * (plan.Ratio.Level == RatioLevel.Token ? 1 : spread), jitter = 0;
            int left = counted;
            for (int t = start; t < end; t++)
            {
                double p = -3 * random.Next() - 0.1, d;
                if (plan.Ratio.Level == RatioLevel.Token)
                {
                    d = LogRatio(random) * spread;
                }
                else
                {
                    double own = update.Mask[t] ? --left == 0 ? -jitter : random.Next() - 0.5 : 0;
                    jitter += update.Mask[t] ? own : 0;
                    d = ofRow / (plan.Ratio.Level == RatioLevel.SequenceSum ? Math.Max(1, counted) : 1) + own;
                }
                update.LogProbs[t] = p;
                (plan.Decoupled ? update.Proximal : update.Old)[t] = p - d;
                double denominator = p - d;
                (plan.Decoupled ? update.Old : update.Sampling)[t] = denominator + 0.3 * (random.Next() - 0.5);
                update.Reference[t] = p + Signed(random, 0.02, 0.9);
                update.Entropies[t] = 2 * random.Next();
                if (update.PerToken)
                    update.Advantages[t] = Signed(random, 0.1, 2);
            }
            if (!update.PerToken)
                update.Advantages[row] = Signed(random, 0.1, 2);
        }
        return update;
    }

    private static RandomUpdate Shape(SplitMix random, int rows, int lengthMax, bool perToken)
    {
        int[] starts = new int[rows + 1];
        int empty = (int)(random.Next() * rows);
        for (int i = 0; i < rows; i++)
            starts[i + 1] = starts[i] + (i == empty ? 0 : 1 + (int)(random.Next() * lengthMax));
        int n = starts[^1];
        var update = new RandomUpdate
        {
            RowStarts = starts,
            LogProbs = new double[n],
            Old = new double[n],
            Sampling = new double[n],
            Proximal = new double[n],
            Reference = new double[n],
            Entropies = new double[n],
            Mask = new bool[n],
            Advantages = new double[perToken ? n : rows],
            PerToken = perToken,
            RowKeys = [.. Enumerable.Range(0, rows).Select(i => 1000L + 7 * i)],
        };
        for (int t = 0; t < n; t++)
            update.Mask[t] = random.Next() > 0.15;
        return update;
    }

    private static double LogRatio(SplitMix random) => random.Next() < 0.5 ? Signed(random, 0.02, 0.15) : Signed(random, 0.3, 0.6);

    private static double Signed(SplitMix random, double low, double high) => (random.Next() < 0.5 ? -1 : 1) * (low + (high - low) * random.Next());

    public ObjectiveBatch<double> Batch(ObjectivePlan plan, ReadOnlySpan<double> held = default) => new()
    {
        RowStarts = RowStarts,
        LogProbs = LogProbs,
        DetachedLogProbs = held,
        Old = Old,
        Sampling = Sampling,
        Proximal = plan.Decoupled ? Proximal : [],
        Reference = plan.NeedsReference ? Reference : [],
        Entropies = Entropies,
        Mask = Mask,
        Advantages = Advantages,
        PerToken = PerToken,
        RowKeys = RowKeys,
    };

    public StepTotals Totals(ObjectivePlan plan)
    {
        var survey = new StepSurvey(plan);
        survey.Add(Batch(plan));
        return survey.Totals();
    }

    /// <summary>The rows <paramref name="order"/>, in that order.</summary>
    public RandomUpdate Select(params int[] order)
    {
        int[] tokens = [.. order.SelectMany(i => Enumerable.Range(RowStarts[i], RowStarts[i + 1] - RowStarts[i]))];
        T[] Pick<T>(T[] from) => [.. tokens.Select(t => from[t])];
        var starts = new List<int> { 0 };
        foreach (int i in order)
            starts.Add(starts[^1] + RowStarts[i + 1] - RowStarts[i]);
        return new()
        {
            RowStarts = [.. starts],
            LogProbs = Pick(LogProbs),
            Old = Pick(Old),
            Sampling = Pick(Sampling),
            Proximal = Pick(Proximal),
            Reference = Pick(Reference),
            Entropies = Pick(Entropies),
            Mask = Pick(Mask),
            Advantages = PerToken ? Pick(Advantages) : [.. order.Select(i => Advantages[i])],
            PerToken = PerToken,
            RowKeys = [.. order.Select(i => RowKeys[i])],
        };
    }
}

/// <summary>splitmix64: a seed is all there is to a test's randomness.</summary>
internal sealed class SplitMix(ulong seed)
{
    private ulong state = seed * 0x9E3779B97F4A7C15UL + 1;

    /// <summary>Uniform on [0, 1).</summary>
    public double Next()
    {
        ulong z = state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}

/// <summary>Every piece that has a gradient, under a name that a failure can be read from.</summary>
internal static class Pieces
{
    private static readonly ObjectiveOptions None = new() { MaxCompletionLength = 8 };

    public static readonly IReadOnlyList<(string Name, ObjectivePlan Plan)> All = [.. List()];

    public static ObjectivePlan Plan(string name) => All.Single(x => x.Name == name).Plan;

    private static IEnumerable<(string, ObjectivePlan)> List()
    {
        ObjectivePlan Of(Dialect dialect, string name, ObjectiveOptions? o = null) => ObjectivePlan.For(dialect, name, (o ?? None) with { MaxCompletionLength = 8 });
        foreach (string name in new[] { "grpo", "bnpo", "dr_grpo", "dapo", "luspo", "sapo", "vespo", "rloo", "reinforce" })
            yield return ($"trl {name}", Of(Dialect.Trl, name));
        foreach (string name in new[] { "vanilla", "sapo", "geo_mean", "gpg", "dro", "dppo_tv", "dppo_kl", "cispo", "dr_grpo", "rloo" })
            yield return ($"verl {name}", Of(Dialect.Verl, name));
        foreach (string name in new[] { "grpo", "dapo", "ppo", "dr_grpo", "geo_mean" })
            yield return ($"paper {name}", Of(Dialect.Paper, name, name == "geo_mean" ? None with { Epsilon = 0.2 } : None));
        yield return ("paper r1", Of(Dialect.Paper, "r1", None with { Epsilon = 0.2, Beta = 0.04 }));
        yield return ("trl gspo", Of(Dialect.Trl, "gspo", None with { Epsilon = 0.2 }));
        yield return ("verl gspo", Of(Dialect.Verl, "gspo"));
        yield return ("trl cispo", Of(Dialect.Trl, "cispo", None with { EpsilonHigh = 1.25 }));
        yield return ("delta", Of(Dialect.Trl, "grpo", None with { Delta = 1.25 }));
        yield return ("dual clip", Of(Dialect.Verl, "vanilla", None with { ClipRatioC = 1.25 }));
        yield return ("asymmetric clip", Of(Dialect.Trl, "dapo", None with { EpsilonHigh = 0.28 }));
        yield return ("kl_cov", Of(Dialect.Verl, "kl_cov", None with { CovRatio = 0.3 }));
        yield return ("clip_cov", Of(Dialect.Verl, "clip_cov", None with { CovRatio = 0.3, ClipCovLb = -10, ClipCovUb = 10, Seed = 5 }));
        foreach (string kl in new[] { "k1", "abs", "k2", "k3", "k1+", "abs+", "k3+" })
            yield return ($"verl KL {kl}", Of(Dialect.Verl, "vanilla", None with { Beta = 0.3, KlLossType = kl }));
        yield return ("trl KL", Of(Dialect.Trl, "grpo", None with { Beta = 0.3, UseBiasCorrectionKl = false }));
        yield return ("trl KL, bias-corrected", Of(Dialect.Trl, "grpo", None with { Beta = 0.3 }));
        yield return ("trl KL, bias-corrected, sequence ratio", Of(Dialect.Trl, "grpo", None with { Beta = 0.3, ImportanceSamplingLevel = RatioLevel.SequenceMean }));
        yield return ("luspo with KL", Of(Dialect.Trl, "luspo", None with { Beta = 0.3 }));
        yield return ("verl gspo with KL", Of(Dialect.Verl, "gspo", None with { Beta = 0.3 }));
        yield return ("token truncation", Of(Dialect.Trl, "dapo", None with { ImportanceSamplingMode = "token_truncate", ImportanceSamplingMax = 1.05 }));
        yield return ("token mask", Of(Dialect.Trl, "grpo", None with { ImportanceSamplingMode = "token_mask", ImportanceSamplingMax = 1.1, ImportanceSamplingMin = 0.9 }));
        yield return ("sequence truncation", Of(Dialect.Verl, "vanilla", None with { ImportanceSamplingMode = "sequence", ImportanceSamplingMax = 1.05 }));
        yield return ("sequence mask", Of(Dialect.Trl, "dapo", None with { ImportanceSamplingMode = "sequence_mask", ImportanceSamplingMax = 1.1 }));
        yield return ("truncation, batch-normalised", Of(Dialect.Verl, "vanilla", None with { ImportanceSamplingMode = "token", ImportanceSamplingMax = 1.05, ImportanceSamplingBatchNormalize = true }));
        yield return ("geo_mean with truncation", Of(Dialect.Verl, "geo_mean", None with { ImportanceSamplingMode = "token", ImportanceSamplingMax = 1.05 }));
        yield return ("vespo with truncation", Of(Dialect.Trl, "vespo", None with { ImportanceSamplingMode = "token_truncate", ImportanceSamplingMax = 1.05 }));
        yield return ("rejection of tokens", Of(Dialect.Verl, "vanilla", None with { RolloutRs = "token_k1", RolloutRsThreshold = "0.9_1.1" }));
        yield return ("rejection of rows", Of(Dialect.Verl, "vanilla", None with { RolloutRs = "seq_mean_k3,seq_max_k2", RolloutRsThreshold = "0.004,0.009" }));
        yield return ("off-policy mask", Of(Dialect.Trl, "grpo", None with { OffPolicyMaskThreshold = 0.1 }));
        yield return ("decoupled", Of(Dialect.Verl, "vanilla", None with { Decoupled = true, ImportanceSamplingMode = "token", ImportanceSamplingMax = 5 }));
        var ofTokens = None with { AdvEstimator = AdvantageEstimator.ReinforcePlusPlus, Gamma = 0.9 };
        foreach (string name in new[] { "grpo", "luspo", "sapo", "vespo" })
            yield return ($"advantages of tokens, trl {name}", Of(Dialect.Trl, name, ofTokens));
        yield return ("advantages of tokens, trl cispo", Of(Dialect.Trl, "cispo", ofTokens with { EpsilonHigh = 1.25 }));
        foreach (string name in new[] { "vanilla", "geo_mean", "gspo", "gpg", "dro", "dppo_tv" })
            yield return ($"advantages of tokens, verl {name}", Of(Dialect.Verl, name, ofTokens));
        yield return ("advantages of tokens, kl_cov", Of(Dialect.Verl, "kl_cov", ofTokens with { CovRatio = 0.3 }));
        yield return ("advantages of tokens, clip_cov", Of(Dialect.Verl, "clip_cov", ofTokens with { CovRatio = 0.3, ClipCovLb = -10, ClipCovUb = 10, Seed = 5 }));
        yield return ("advantages of tokens, off-policy mask", Of(Dialect.Trl, "grpo", ofTokens with { OffPolicyMaskThreshold = 0.1 }));
        yield return ("top-entropy quantile", Of(Dialect.Trl, "dapo", None with { TopEntropyQuantile = 0.617 }));
        yield return ("entropy bonus, trl grpo", Of(Dialect.Trl, "grpo", None with { EntropyCoef = 0.2, TopEntropyQuantile = 0.617 }));
        yield return ("entropy bonus, trl dapo", Of(Dialect.Trl, "dapo", None with { EntropyCoef = 0.2 }));
        yield return ("entropy bonus, verl", Of(Dialect.Verl, "vanilla", None with { EntropyCoef = 0.2, LossAggMode = AggregationForm.SequenceMeanTokenMean }));
        foreach (var form in Enum.GetValues<AggregationForm>())
            yield return ($"verl aggregation {form}", Of(Dialect.Verl, "vanilla", None with { LossAggMode = form }));
    }
}
