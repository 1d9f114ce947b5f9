namespace GrpoActors.Core.Advantages;

/// <summary>All that an estimator may look at. Rows are packed: the tokens of row i are <c>RowStarts[i] .. RowStarts[i + 1]</c>.</summary>
public sealed record AdvantageInputs
{
    /// <summary>Shape [R + 1]; first 0, last N; not descending.</summary>
    public required int[] RowStarts { get; init; }

    /// <summary>Shape [N]: false for tokens that the policy did not choose (tool output); empty when all count.</summary>
    public bool[] Mask { get; init; } = [];

    /// <summary>Shape [R]: which group a row belongs to.</summary>
    public required int[] Groups { get; init; }

    /// <summary>Shape [R]: weighted sum of the rewards; used by every estimator that <see cref="TokenRewards"/> or <see cref="RewardColumns"/> do not feed.</summary>
    public double[] Rewards { get; init; } = [];

    /// <summary>Shape [R], or empty when all are scorable.</summary>
    public bool[] Scorable { get; init; } = [];

    /// <summary>Gdpo: shape [K][R], one column a reward function; NaN where that function did not apply.</summary>
    public double[][] RewardColumns { get; init; } = [];

    /// <summary>Gdpo: shape [K]; empty means 1 each.</summary>
    public double[] RewardWeights { get; init; } = [];

    /// <summary>Shape [N]: reward given at a token; empty puts <see cref="Rewards"/> on the last token that counts.</summary>
    public double[] TokenRewards { get; init; } = [];

    /// <summary>Gae: shape [N], the value function before each token.</summary>
    public double[] Values { get; init; } = [];

    /// <summary>ReMax: shape [R], reward of the greedy completion of the row's prompt.</summary>
    public double[] Baselines { get; init; } = [];

    /// <summary>ProcessSupervision: per row, the reward of each step and the index (within the row) of its last token, ascending.</summary>
    public (int LastToken, double Reward)[][] Steps { get; init; } = [];

    internal int Rows => RowStarts.Length - 1;

    internal bool Counts(int token) => Mask.Length == 0 || Mask[token];
}

/// <summary>Advantages of a batch.</summary>
/// <param name="Advantages">Shape [R], or [N] when <paramref name="PerToken"/>.</param>
/// <param name="Returns">Gae, ReMax, ReinforcePlusPlus: shape [N], what the value function should have said; else empty.</param>
public sealed record AdvantageResult(double[] Advantages, bool PerToken, double[] Returns);

/// <summary>Every estimator, the token-level ones included.</summary>
public static class AdvantageEstimation
{
    private const double WhitenEpsilon = 1e-8; // verl masked_mean and masked_whiten

    /// <exception cref="ArgumentException">An input that the estimator needs is missing or has the wrong length.</exception>
    public static AdvantageResult Estimate(AdvantagePlan plan, AdvantageInputs x)
    {
        var result = plan.Estimator switch
        {
            AdvantageEstimator.Opo => PerRow(LengthWeighted(plan, x)),
            AdvantageEstimator.ReMax => ReMax(x),
            AdvantageEstimator.Gdpo => Gdpo(plan, x),
            AdvantageEstimator.ReinforcePlusPlus => ReinforcePlusPlus(plan, x),
            AdvantageEstimator.ReinforcePlusPlusBaseline => ReinforcePlusPlusBaseline(plan, x),
            AdvantageEstimator.Gae => Gae(plan, x),
            AdvantageEstimator.ProcessSupervision => ProcessSupervision(plan, x),
            _ => PerRow(FromRewards(plan, x)),
        };
        GroupAdvantages.Clip(plan.ClipAt, result.Advantages);
        return result;
    }

    /// <summary>Token rewards with the KL penalty taken off: r_t - coefficient * kl_t (verl <c>use_kl_in_reward</c>).</summary>
    /// <param name="kl">Shape [N]: any estimator of KlEstimator on the behaviour policy's log-probs.</param>
    public static double[] WithKlInReward(AdvantageInputs x, ReadOnlySpan<double> kl, double coefficient)
    {
        double[] rewards = TokenRewards(x);
        for (int t = 0; t < rewards.Length; t++)
            rewards[t] -= x.Counts(t) ? coefficient * kl[t] : 0;
        return rewards;
    }

    /// <summary>Row rewards with the KL penalty taken off: r_i - coefficient * sum_t kl_t (TRL's RLOO trainer, with k1).</summary>
    public static double[] WithKlInRowReward(AdvantageInputs x, ReadOnlySpan<double> kl, double coefficient)
    {
        double[] rewards = [.. x.Rewards];
        for (int row = 0; row < x.Rows; row++)
        {
            double sum = 0;
            for (int t = x.RowStarts[row]; t < x.RowStarts[row + 1]; t++)
                sum += x.Counts(t) ? kl[t] : 0;
            rewards[row] -= coefficient * sum;
        }
        return rewards;
    }

    private static AdvantageResult PerRow(double[] advantages) => new(advantages, false, []);

    private static double[] FromRewards(AdvantagePlan plan, AdvantageInputs x)
    {
        var advantages = new double[x.Rows];
        GroupAdvantages.Estimate(plan, x.Rewards, x.Scorable, x.Groups, advantages);
        return advantages;
    }

    private static double[] LengthWeighted(AdvantagePlan plan, AdvantageInputs x)
    {
        var sums = new Dictionary<int, (double Reward, double Tokens, int Count)>();
        var lengths = Lengths(x);
        for (int row = 0; row < x.Rows; row++)
        {
            if (!GroupAdvantages.Scorable(x.Scorable, row))
                continue;
            var sum = sums.GetValueOrDefault(x.Groups[row]);
            sums[x.Groups[row]] = (sum.Reward + lengths[row] * x.Rewards[row], sum.Tokens + lengths[row], sum.Count + 1);
        }
        var advantages = new double[x.Rows];
        for (int row = 0; row < x.Rows; row++)
        {
            if (!GroupAdvantages.Scorable(x.Scorable, row))
                continue;
            var (reward, tokens, count) = sums[x.Groups[row]];
            advantages[row] = count == 1 ? (plan.Singleton == SingletonRule.Score ? x.Rewards[row] : 0)
                : x.Rewards[row] - (tokens > 0 ? reward / tokens : 0);
        }
        return advantages;
    }

    private static AdvantageResult ReMax(AdvantageInputs x)
    {
        Need(x.Baselines.Length == x.Rows, "ReMax", "Baselines", x.Rows, x.Baselines.Length);
        double[] rewards = TokenRewards(x), advantages = new double[rewards.Length];
        for (int row = 0; row < x.Rows; row++)
        {
            double toCome = 0;
            for (int t = x.RowStarts[row + 1] - 1; t >= x.RowStarts[row]; t--)
            {
                bool counts = x.Counts(t);
                toCome += counts ? rewards[t] : 0;
                rewards[t] = toCome;
                advantages[t] = toCome - (counts ? x.Baselines[row] : 0);
            }
        }
        return new(advantages, true, rewards);
    }

    private static AdvantageResult Gdpo(AdvantagePlan plan, AdvantageInputs x)
    {
        var sum = new double[x.Rows];
        var judged = new bool[x.Rows];
        var perReward = plan with { Estimator = AdvantageEstimator.Grpo, Scale = AdvantageScale.Group, ClipAt = null };
        for (int k = 0; k < x.RewardColumns.Length; k++)
        {
            double[] column = x.RewardColumns[k];
            bool[] applies = [.. column.Select(r => !double.IsNaN(r))];
            var normalised = new double[x.Rows];
            if (plan.WhitenOverTokens)
                NormaliseInSingle(perReward, column, applies, x.Groups, normalised);
            else
                GroupAdvantages.Estimate(perReward, column, applies, x.Groups, normalised);
            double weight = x.RewardWeights.Length == 0 ? 1 : x.RewardWeights[k];
            for (int row = 0; row < x.Rows; row++)
            {
                sum[row] += weight * normalised[row];
                judged[row] |= applies[row];
            }
        }
        if (plan.WhitenOverTokens)
            return new(Whiten(x, Broadcast(x, sum)), true, []);
        var batch = GroupStatistics.OfBatch(sum, judged);
        double deviation = batch.Deviation(plan.PopulationDeviation);
        for (int row = 0; row < x.Rows; row++)
            sum[row] = judged[row] ? GroupAdvantages.Divide(sum[row] - batch.Mean, deviation, plan.Epsilon) : 0;
        return PerRow(sum);
    }

    /// <summary>verl holds the parts of a GDPO reward in float32 up to here; in double the result would differ from verl's by 4e-8.</summary>
    private static void NormaliseInSingle(AdvantagePlan plan, double[] rewards, bool[] scorable, int[] groups, double[] normalised)
    {
        var statistics = GroupStatistics.Of(rewards, scorable, groups);
        for (int row = 0; row < rewards.Length; row++)
        {
            var group = statistics[groups[row]];
            (float mean, float deviation) = group.Count == 1 ? (0f, 1f) : ((float)group.Mean, (float)group.Deviation(plan.PopulationDeviation));
            if (scorable[row])
                normalised[row] = ((float)rewards[row] - mean) / (deviation + (float)plan.Epsilon);
        }
    }

    private static AdvantageResult ReinforcePlusPlus(AdvantagePlan plan, AdvantageInputs x)
    {
        double[] returns = TokenRewards(x);
        for (int row = 0; row < x.Rows; row++)
        {
            double toCome = 0;
            for (int t = x.RowStarts[row + 1] - 1; t >= x.RowStarts[row]; t--)
            {
                // Rewards pass over tokens that the policy did not choose, without a discount.
                if (x.Counts(t))
                    returns[t] = toCome = returns[t] + plan.Gamma * toCome;
                else
                    returns[t] = 0;
            }
        }
        return new(Whiten(x, returns), true, returns);
    }

    private static AdvantageResult ReinforcePlusPlusBaseline(AdvantagePlan plan, AdvantageInputs x) =>
        new(Whiten(x, Broadcast(x, FromRewards(plan with { Estimator = AdvantageEstimator.Grpo, Scale = AdvantageScale.None, ClipAt = null }, x))), true, []);

    private static AdvantageResult Gae(AdvantagePlan plan, AdvantageInputs x)
    {
        double[] rewards = TokenRewards(x);
        Need(x.Values.Length == rewards.Length, "Gae", "Values", rewards.Length, x.Values.Length);
        double[] advantages = new double[rewards.Length], returns = new double[rewards.Length];
        for (int row = 0; row < x.Rows; row++)
        {
            double nextValue = 0, last = 0;
            for (int t = x.RowStarts[row + 1] - 1; t >= x.RowStarts[row]; t--)
            {
                if (x.Counts(t))
                {
                    last = rewards[t] + plan.Gamma * nextValue - x.Values[t] + plan.Gamma * plan.Lambda * last;
                    nextValue = x.Values[t];
                }
                advantages[t] = last;
                returns[t] = last + x.Values[t];
            }
        }
        return new(Whiten(x, advantages), true, returns);
    }

    private static AdvantageResult ProcessSupervision(AdvantagePlan plan, AdvantageInputs x)
    {
        Need(x.Steps.Length == x.Rows, "ProcessSupervision", "Steps", x.Rows, x.Steps.Length);
        // The mean and deviation are those of all step rewards of the group's completions together.
        var flatRewards = x.Steps.SelectMany(row => row.Select(step => step.Reward)).ToArray();
        var flatGroups = x.Steps.SelectMany((row, i) => row.Select(_ => x.Groups[i])).ToArray();
        var normalised = new double[flatRewards.Length];
        GroupAdvantages.Estimate(plan with { Estimator = AdvantageEstimator.Grpo, ClipAt = null }, flatRewards, [], flatGroups, normalised);
        var advantages = new double[x.RowStarts[^1]];
        int first = 0;
        for (int row = 0; row < x.Rows; row++)
        {
            var steps = x.Steps[row];
            double toCome = 0;
            int step = steps.Length - 1;
            for (int t = x.RowStarts[row + 1] - 1; t >= x.RowStarts[row]; t--)
            {
                for (; step >= 0 && steps[step].LastToken >= t - x.RowStarts[row]; step--)
                    toCome += normalised[first + step];
                advantages[t] = x.Counts(t) ? toCome : 0;
            }
            first += steps.Length;
        }
        return new(advantages, true, []);
    }

    /// <summary>(x - mean) / sqrt(variance + 1e-8) over the tokens that count, 0 elsewhere; mean and variance divide by n + 1e-8, the variance times n / (n - 1) (verl <c>masked_whiten</c>).</summary>
    /// <remarks>verl refuses a batch of fewer than two tokens; here it gets 0.</remarks>
    public static double[] Whiten(AdvantageInputs x, ReadOnlySpan<double> values)
    {
        double sum = 0, squares = 0;
        int n = 0;
        for (int t = 0; t < values.Length; t++)
            if (x.Counts(t))
                (sum, n) = (sum + values[t], n + 1);
        var whitened = new double[values.Length];
        if (n < 2)
            return whitened;
        double mean = sum / (n + WhitenEpsilon);
        for (int t = 0; t < values.Length; t++)
            squares += x.Counts(t) ? (values[t] - mean) * (values[t] - mean) : 0;
        double scale = 1 / Math.Sqrt(squares / (n + WhitenEpsilon) * n / (n - 1) + WhitenEpsilon);
        for (int t = 0; t < values.Length; t++)
            whitened[t] = x.Counts(t) ? (values[t] - mean) * scale : 0;
        return whitened;
    }

    /// <summary>The rewards at their tokens; a row's only reward goes to its last token that counts (nowhere in a row without one).</summary>
    internal static double[] TokenRewards(AdvantageInputs x)
    {
        if (x.TokenRewards.Length > 0)
            return [.. x.TokenRewards];
        Need(x.Rewards.Length == x.Rows, "A token-level estimator", "Rewards", x.Rows, x.Rewards.Length);
        var rewards = new double[x.RowStarts[^1]];
        for (int row = 0; row < x.Rows; row++)
        {
            int t = x.RowStarts[row + 1] - 1;
            while (t >= x.RowStarts[row] && !x.Counts(t))
                t--;
            if (t >= x.RowStarts[row] && GroupAdvantages.Scorable(x.Scorable, row))
                rewards[t] = x.Rewards[row];
        }
        return rewards;
    }

    private static double[] Broadcast(AdvantageInputs x, double[] rows)
    {
        var tokens = new double[x.RowStarts[^1]];
        for (int row = 0; row < x.Rows; row++)
            tokens.AsSpan(x.RowStarts[row]..x.RowStarts[row + 1]).Fill(rows[row]);
        return tokens;
    }

    private static int[] Lengths(AdvantageInputs x)
    {
        var lengths = new int[x.Rows];
        for (int row = 0; row < x.Rows; row++)
            for (int t = x.RowStarts[row]; t < x.RowStarts[row + 1]; t++)
                lengths[row] += x.Counts(t) ? 1 : 0;
        return lengths;
    }

    private static void Need(bool holds, string who, string what, int expected, int found)
    {
        if (!holds)
            throw new ArgumentException($"{who} needs {what} of length {expected}, found {found}.");
    }
}
