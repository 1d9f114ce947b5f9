using System.Collections.Immutable;
using System.Numerics;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Preferences;

/// <summary>Group Robust Preference Optimization (arXiv:2405.20304): pairs carry a group, and the worst group counts most.</summary>
public sealed record GroupRobustPlan
{
    /// <summary>True: IPO's loss (h - 1 / (2 beta))^2 on summed log-probs; false: DPO's.</summary>
    public bool Ipo { get; init; }

    /// <summary>&gt; 0.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>DPO only: the chance that a label is wrong.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Step size of the group weights; the authors' default 0.01. 0 keeps them (importance sampling with q ~ 1 / N_g, or plain DPO with equal weights).</summary>
    public double Eta { get; init; } = 0.01;

    /// <summary>N_g: pairs of each group in the training set.</summary>
    public required ImmutableArray<double> GroupSizes { get; init; }

    /// <summary>The authors' <c>divide_by_totalcount</c>, their default: l_g = N * (sum of the group's losses in the batch) / N_g; false: the mean of the group in the batch.</summary>
    public bool DivideByTotalCount { get; init; } = true;

    /// <summary>Added to the losses that drive the weights: adjustment / sqrt(N_g).</summary>
    public double Adjustment { get; init; }

    /// <summary>Scales the losses that drive the weights to sum 1.</summary>
    public bool NormaliseLosses { get; init; }
}

/// <summary>A step of group-robust learning.</summary>
/// <param name="Weights">q after the step; the state of the next one.</param>
/// <param name="GroupLoss">l_g, 0 where a group is absent.</param>
/// <param name="GroupAccuracy">Share of the group's pairs with h &gt; 0; NaN where it is absent.</param>
public sealed record GroupRobustEvaluation(double Loss, ImmutableArray<double> Weights, ImmutableArray<double> GroupLoss, ImmutableArray<double> GroupAccuracy)
{
    /// <summary>The largest group loss: what the method is to bring down.</summary>
    public double WorstLoss => GroupLoss.Max();

    /// <summary>The smallest accuracy of the groups present.</summary>
    public double WorstAccuracy => GroupAccuracy.Where(x => !double.IsNaN(x)).DefaultIfEmpty(0).Min();
}

/// <summary>Group Robust DPO and IPO.</summary>
public static class GroupRobust
{
    /// <summary>The weights to start from: 1 / K each.</summary>
    public static ImmutableArray<double> Start(GroupRobustPlan plan) => [.. plan.GroupSizes.Select(_ => 1.0 / plan.GroupSizes.Length)];

    /// <summary>The baseline's fixed weights, proportional to 1 / N_g; use with <see cref="GroupRobustPlan.Eta"/> 0.</summary>
    public static ImmutableArray<double> ImportanceSampling(GroupRobustPlan plan)
    {
        double sum = plan.GroupSizes.Sum(n => 1 / n);
        return [.. plan.GroupSizes.Select(n => 1 / n / sum)];
    }

    /// <summary>Loss sum_g q_g l_g with q updated first, and its coefficients; q is under a stop-gradient. The batch is the whole update.</summary>
    /// <param name="groups">Shape [P]: the group of each pair.</param>
    /// <param name="weights">Shape [K]: q before the step.</param>
    /// <param name="dLossDLogProb">Shape [N]; written.</param>
    public static GroupRobustEvaluation Evaluate<T>(GroupRobustPlan plan, in PreferenceBatch<T> batch, ReadOnlySpan<int> groups, ImmutableArray<double> weights, Span<T> dLossDLogProb)
        where T : IFloatingPointIeee754<T>
    {
        batch.Check();
        int pairs = batch.Pairs, k = plan.GroupSizes.Length;
        var rows = PairRows.Read(new(), batch);
        double[] sum = new double[k], slope = new double[pairs], count = new double[k], correct = new double[k];
        for (int i = 0; i < pairs; i++)
        {
            double h = rows.Ratios[i] - rows.Ratios[i + pairs];
            (double value, slope[i]) = PairLoss(plan, h);
            sum[groups[i]] += value;
            count[groups[i]]++;
            correct[groups[i]] += h > 0 ? 1 : 0;
        }
        double total = plan.GroupSizes.Sum();
        double[] scale = [.. Enumerable.Range(0, k).Select(g => count[g] == 0 ? 0 : plan.DivideByTotalCount ? total / plan.GroupSizes[g] : 1 / count[g])];
        double[] groupLoss = [.. sum.Select((s, g) => s * scale[g])];
        var next = Reweighted(plan, weights, groupLoss);
        double loss = 0;
        for (int g = 0; g < k; g++)
            loss += next[g] * groupLoss[g];
        for (int row = 0; row < 2 * pairs; row++)
        {
            int pair = row % pairs, g = groups[pair];
            double coefficient = next[g] * scale[g] * slope[pair] * (row < pairs ? 1 : -1);
            for (int t = batch.RowStarts[row]; t < batch.RowStarts[row + 1]; t++)
                dLossDLogProb[t] = T.CreateTruncating(coefficient * rows.TokenWeights[t]);
        }
        return new(loss, next, [.. groupLoss], [.. correct.Select((c, g) => count[g] == 0 ? double.NaN : c / count[g])]);
    }

    /// <summary>q_g exp(eta l_g), normalised to sum 1; the largest exponent is taken off first, so nothing overflows.</summary>
    public static ImmutableArray<double> Reweighted(GroupRobustPlan plan, ImmutableArray<double> weights, ReadOnlySpan<double> groupLoss)
    {
        double[] drive = groupLoss.ToArray();
        for (int g = 0; g < drive.Length; g++)
            drive[g] += plan.Adjustment / Math.Sqrt(plan.GroupSizes[g]);
        double sum = drive.Sum();
        if (plan.NormaliseLosses && sum > 0)
            drive = [.. drive.Select(x => x / sum)];
        double largest = drive.Max();
        double[] q = [.. weights.Select((w, g) => w * Transcendental.Exp(plan.Eta * (drive[g] - largest)))];
        double norm = q.Sum();
        return [.. q.Select(x => x / norm)];
    }

    private static (double Value, double Slope) PairLoss(GroupRobustPlan plan, double h)
    {
        if (plan.Ipo)
        {
            double gap = h - 1 / (2 * plan.Beta);
            return (gap * gap, 2 * gap);
        }
        return PairPoint.Smoothed(h, new() { Beta = plan.Beta, LabelSmoothing = plan.LabelSmoothing });
    }
}
