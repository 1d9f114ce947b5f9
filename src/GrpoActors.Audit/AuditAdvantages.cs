using GrpoActors.Core.Advantages;

namespace GrpoActors.Audit;

/// <summary>Advantages of a batch from its rewards, written from the formulas a second time. The order of the sums is part of the formula: the digest covers bits.</summary>
internal static class AuditAdvantages
{
    /// <summary>Estimators that need rewards and groups only.</summary>
    public static bool Knows(AdvantagePlan plan) =>
        plan.Estimator is AdvantageEstimator.Grpo or AdvantageEstimator.LeaveOneOut or AdvantageEstimator.Gpg or AdvantageEstimator.PassAtK;

    /// <param name="groups">The rewards of each group's completions; null: unscorable, gets 0 and counts in no mean.</param>
    /// <returns>One for each completion, group after group.</returns>
    public static double[] Of(AdvantagePlan plan, IReadOnlyList<double?[]> groups)
    {
        var advantages = new List<double>();
        double?[] all = [.. groups.SelectMany(group => group)];
        foreach (double?[] group in groups)
        {
            advantages.AddRange(plan.Estimator == AdvantageEstimator.PassAtK ? BestOnly(plan, group) : group.Select(reward => One(plan, reward, group, all)));
        }

        return [.. advantages.Select(a => plan.ClipAt is { } bound ? Math.Clamp(a, -bound, bound) : a)];
    }

    private static double One(AdvantagePlan plan, double? reward, double?[] group, double?[] all)
    {
        if (reward is not { } r)
        {
            return 0;
        }

        (int n, double mean, double squares) = Moments(group);
        if (n == 1)
        {
            bool scaled = plan.Estimator == AdvantageEstimator.Grpo && plan.Scale != AdvantageScale.None;
            return plan.Singleton == SingletonRule.Zero ? 0 : scaled ? r / (1 + plan.Epsilon) : r;
        }

        switch (plan.Estimator)
        {
            case AdvantageEstimator.LeaveOneOut:
                return (r - mean) * n / (n - 1);
            case AdvantageEstimator.Gpg:
                // Unscorable rows are no zeros: only a reward of exactly 0 is.
                return (double)all.Length / Math.Max(1, all.Count(x => x is not 0.0)) * (r - mean);
            default:
                if (plan.Scale == AdvantageScale.None)
                {
                    return r - mean;
                }

                if (plan.Scale == AdvantageScale.Batch)
                {
                    (n, _, squares) = Moments(all);
                }

                return Ratio(r - mean, Deviation(plan, n, squares), plan.Epsilon);
        }
    }

    private static double[] BestOnly(AdvantagePlan plan, double?[] group)
    {
        var advantages = new double[group.Length];
        (int n, _, double squares) = Moments(group);
        if (n < 2)
        {
            return advantages;
        }

        int best = -1;
        for (int i = 0; i < group.Length; i++)
        {
            best = group[i] is { } r && (best < 0 || r > group[best]) ? i : best;
        }

        double second = group.Where((r, i) => r is not null && i != best).Max()!.Value;
        double lead = group[best]!.Value - second;
        advantages[best] = plan.Scale == AdvantageScale.None ? lead : Ratio(lead, Deviation(plan, n, squares), plan.Epsilon);
        return advantages;
    }

    /// <summary>Count, mean and sum of squared differences to it, summed in order.</summary>
    private static (int N, double Mean, double Squares) Moments(double?[] rewards)
    {
        int n = 0;
        double sum = 0, squares = 0;
        foreach (double? reward in rewards)
        {
            if (reward is { } r)
            {
                sum += r;
                n++;
            }
        }

        double mean = n == 0 ? 0 : sum / n;
        foreach (double? reward in rewards)
        {
            if (reward is { } r)
            {
                squares += (r - mean) * (r - mean);
            }
        }

        return (n, mean, squares);
    }

    private static double Deviation(AdvantagePlan plan, int n, double squares)
    {
        int divisor = plan.PopulationDeviation ? n : n - 1;
        return divisor < 1 ? 0 : Math.Sqrt(squares / divisor);
    }

    private static double Ratio(double difference, double deviation, double epsilon) => deviation + epsilon > 0 ? difference / (deviation + epsilon) : 0;
}
