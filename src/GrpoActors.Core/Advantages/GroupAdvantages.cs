namespace GrpoActors.Core.Advantages;

/// <summary>Advantages that need rewards and groups only: one number a completion, known before the policy is run again.</summary>
/// <remarks>
/// Rows of one group need not lie together; any numbering of the groups will do. An unscorable completion (no reward function could
/// judge it) is left out of every mean and deviation and gets advantage 0, as in TRL. Rewards must be finite where scorable.
/// </remarks>
public static class GroupAdvantages
{
    /// <summary>Writes the advantage of each completion by <see cref="AdvantageEstimator.Grpo"/>, <see cref="AdvantageEstimator.LeaveOneOut"/>,
    /// <see cref="AdvantageEstimator.Gpg"/> or <see cref="AdvantageEstimator.PassAtK"/>.</summary>
    /// <param name="rewards">Shape [R]: weighted sum of the reward functions.</param>
    /// <param name="scorable">Shape [R], or empty when all are.</param>
    /// <param name="groups">Shape [R]: which group a row belongs to.</param>
    /// <param name="advantages">Shape [R]; written; may be the same memory as <paramref name="rewards"/>.</param>
    public static void Estimate(AdvantagePlan plan, ReadOnlySpan<double> rewards, ReadOnlySpan<bool> scorable, ReadOnlySpan<int> groups, Span<double> advantages)
    {
        var statistics = GroupStatistics.Of(rewards, scorable, groups);
        var batch = plan.Scale == AdvantageScale.Batch ? GroupStatistics.OfBatch(rewards, scorable) : default;
        double gpgScale = plan.Estimator == AdvantageEstimator.Gpg ? (double)rewards.Length / Math.Max(1, NonZero(rewards)) : 1;
        if (plan.Estimator == AdvantageEstimator.PassAtK)
        {
            PassAtK(plan, rewards.ToArray(), scorable, groups, statistics, advantages);
        }
        else
        {
            for (int row = 0; row < rewards.Length; row++)
            {
                var group = statistics[groups[row]];
                advantages[row] = !Scorable(scorable, row) ? 0
                    : group.Count == 1 ? (plan.Singleton == SingletonRule.Score ? Singleton(plan, rewards[row]) : 0)
                    : plan.Estimator switch
                    {
                        AdvantageEstimator.Grpo when plan.Scale == AdvantageScale.None => rewards[row] - group.Mean,
                        AdvantageEstimator.Grpo => Divide(rewards[row] - group.Mean,
                            (plan.Scale == AdvantageScale.Batch ? batch : group).Deviation(plan.PopulationDeviation), plan.Epsilon),
                        AdvantageEstimator.LeaveOneOut => (rewards[row] - group.Mean) * group.Count / (group.Count - 1),
                        AdvantageEstimator.Gpg => gpgScale * (rewards[row] - group.Mean),
                        _ => throw new ArgumentException($"{plan.Estimator} needs more than rewards and groups: use {nameof(AdvantageEstimation)}."),
                    };
            }
        }
        Clip(plan.ClipAt, advantages);
    }

    private static double Singleton(AdvantagePlan plan, double reward) =>
        plan is { Estimator: AdvantageEstimator.Grpo, Scale: not AdvantageScale.None } ? reward / (1 + plan.Epsilon) : reward;

    private static void PassAtK(AdvantagePlan plan, double[] rewards, ReadOnlySpan<bool> scorable, ReadOnlySpan<int> groups,
        Dictionary<int, GroupStatistics> statistics, Span<double> advantages)
    {
        var best = new Dictionary<int, (int Row, double Second)>();
        for (int row = 0; row < rewards.Length; row++)
        {
            if (!Scorable(scorable, row))
                continue;
            if (!best.TryGetValue(groups[row], out var top))
                best[groups[row]] = (row, double.NegativeInfinity);
            else if (rewards[row] > rewards[top.Row])
                best[groups[row]] = (row, rewards[top.Row]);
            else if (rewards[row] > top.Second)
                best[groups[row]] = (top.Row, rewards[row]);
        }
        advantages.Clear();
        foreach (var (group, top) in best)
        {
            if (statistics[group].Count < 2)
                continue; // nothing to be better than; verl refuses such a group
            double lead = rewards[top.Row] - top.Second;
            advantages[top.Row] = plan.Scale == AdvantageScale.None ? lead
                : Divide(lead, statistics[group].Deviation(plan.PopulationDeviation), plan.Epsilon);
        }
    }

    /// <summary>Share of completions whose deviation (the group's, or the batch's if that is what scales) is 0 to within 1e-8; TRL's metric <c>frac_reward_zero_std</c>.</summary>
    public static double FractionWithoutSpread(AdvantagePlan plan, ReadOnlySpan<double> rewards, ReadOnlySpan<bool> scorable, ReadOnlySpan<int> groups)
    {
        var statistics = GroupStatistics.Of(rewards, scorable, groups);
        var batch = GroupStatistics.OfBatch(rewards, scorable);
        int flat = 0;
        for (int row = 0; row < rewards.Length; row++)
        {
            // torch.isclose(NaN, 0) is false: a group with fewer than two scorable completions has no deviation at all, unless its size is 1.
            var x = plan.Scale == AdvantageScale.Batch ? batch : statistics[groups[row]];
            if (x.Count >= 2 ? x.Deviation(plan.PopulationDeviation) <= 1e-8 : x.Size == 1)
                flat++;
        }
        return rewards.Length == 0 ? 0 : (double)flat / rewards.Length;
    }

    /// <summary>(x) / (deviation + epsilon); 0 / 0 is 0.</summary>
    internal static double Divide(double difference, double deviation, double epsilon) =>
        deviation + epsilon > 0 ? difference / (deviation + epsilon) : 0;

    internal static bool Scorable(ReadOnlySpan<bool> scorable, int row) => scorable.IsEmpty || scorable[row];

    internal static void Clip(double? bound, Span<double> values)
    {
        if (bound is not { } b)
            return;
        foreach (ref double x in values)
            x = Math.Clamp(x, -b, b);
    }

    private static int NonZero(ReadOnlySpan<double> rewards)
    {
        int count = 0;
        foreach (double r in rewards)
            count += r != 0 ? 1 : 0;
        return count;
    }
}

/// <summary>Mean and spread of the scorable rewards of a group (or of a batch).</summary>
/// <param name="Size">Rows, scorable or not.</param>
/// <param name="Count">Scorable rows.</param>
/// <param name="SquareSum">Sum of squared differences to the mean.</param>
public readonly record struct GroupStatistics(int Size, int Count, double Mean, double SquareSum)
{
    /// <summary>sqrt(squares / (n - 1)), or / n; 0 with fewer than two (one).</summary>
    public double Deviation(bool population) => Count < (population ? 1 : 2) ? 0 : Math.Sqrt(SquareSum / (population ? Count : Count - 1));

    internal static Dictionary<int, GroupStatistics> Of(ReadOnlySpan<double> rewards, ReadOnlySpan<bool> scorable, ReadOnlySpan<int> groups)
    {
        if (groups.Length != rewards.Length || (!scorable.IsEmpty && scorable.Length != rewards.Length))
            throw new ArgumentException($"{rewards.Length} rewards came with {groups.Length} group numbers and {scorable.Length} marks of scorability; one each was expected.");
        var sums = new Dictionary<int, GroupStatistics>();
        for (int row = 0; row < rewards.Length; row++)
        {
            bool counts = GroupAdvantages.Scorable(scorable, row);
            if (counts && !double.IsFinite(rewards[row]))
                throw new ArgumentException($"The reward of row {row} (group {groups[row]}) is {rewards[row]}; a completion without a reward must be marked unscorable.");
            var x = sums.GetValueOrDefault(groups[row]);
            sums[groups[row]] = new(x.Size + 1, x.Count + (counts ? 1 : 0), x.Mean + (counts ? rewards[row] : 0), 0);
        }
        foreach (var (group, x) in sums)
            sums[group] = x with { Mean = x.Count == 0 ? 0 : x.Mean / x.Count };
        for (int row = 0; row < rewards.Length; row++)
        {
            if (!GroupAdvantages.Scorable(scorable, row))
                continue;
            var x = sums[groups[row]];
            double difference = rewards[row] - x.Mean;
            sums[groups[row]] = x with { SquareSum = x.SquareSum + difference * difference };
        }
        return sums;
    }

    internal static GroupStatistics OfBatch(ReadOnlySpan<double> rewards, ReadOnlySpan<bool> scorable) =>
        rewards.IsEmpty ? default : Of(rewards, scorable, new int[rewards.Length])[0];
}
