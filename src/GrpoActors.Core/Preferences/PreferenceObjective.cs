using System.Numerics;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Preferences;

/// <summary>Pairs of completions, packed: rows 0 .. P - 1 are the chosen ones, rows P .. 2P - 1 the rejected ones, in the same order.</summary>
/// <typeparam name="T">float or double; all arithmetic is done in double.</typeparam>
public readonly ref struct PreferenceBatch<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Shape [2P + 1]; tokens of row i are RowStarts[i] .. RowStarts[i + 1].</summary>
    public required ReadOnlySpan<int> RowStarts { get; init; }

    /// <summary>Shape [N]: log-probs under the policy in training.</summary>
    public required ReadOnlySpan<T> LogProbs { get; init; }

    /// <summary>Shape [N]: log-probs under the reference policy.</summary>
    public required ReadOnlySpan<T> Reference { get; init; }

    /// <summary>Shape [N]: false where a token does not count; empty when all count.</summary>
    public ReadOnlySpan<bool> Mask { get; init; }

    internal int Pairs => (RowStarts.Length - 1) / 2;

    internal void Check()
    {
        if (RowStarts.Length % 2 != 1)
            throw new ArgumentException($"{RowStarts.Length - 1} rows are no pairs: an even number was expected, the chosen ones first.");
        int n = RowStarts[^1];
        if (LogProbs.Length != n || Reference.Length != n || (!Mask.IsEmpty && Mask.Length != n))
            throw new ArgumentException($"{LogProbs.Length} log-probs, {Reference.Length} reference log-probs and {Mask.Length} mask entries came with {n} tokens.");
    }
}

/// <summary>What a micro-batch must know of the whole update.</summary>
/// <param name="Pairs">Pairs of the update.</param>
/// <param name="ChosenTokens">Tokens that count in its chosen completions; what <see cref="PreferenceLoss.Sft"/> divides by.</param>
public sealed record PreferenceTotals(int Pairs, long ChosenTokens)
{
    /// <summary>The totals of a batch that is the whole update.</summary>
    public static PreferenceTotals Of<T>(in PreferenceBatch<T> batch) where T : IFloatingPointIeee754<T>
    {
        int tokens = batch.RowStarts[batch.Pairs];
        return new(batch.Pairs, batch.Mask.IsEmpty ? tokens : batch.Mask[..tokens].Count(true));
    }
}

/// <summary>What a micro-batch of pairs adds.</summary>
/// <param name="Loss">Its share of the loss of the update.</param>
/// <param name="ChosenReward">Sum over its pairs of beta times the chosen log-ratio (TRL's metric <c>rewards/chosen</c>, times the pairs).</param>
/// <param name="Correct">Pairs whose chosen reward is the larger one (TRL's <c>rewards/accuracies</c>, times the pairs).</param>
public sealed record PreferenceEvaluation(double Loss, double ChosenReward, double RejectedReward, int Correct);

/// <summary>DPO and its relatives: log-probs of pairs in, coefficients out.</summary>
public static class PreferenceObjective
{
    /// <param name="dLossDLogProb">Shape [N]; written.</param>
    /// <exception cref="NonFiniteTokenException">A number under the mask is not finite.</exception>
    /// <exception cref="ArgumentException">Lengths do not agree, or a loss over the whole batch got a part of it.</exception>
    public static PreferenceEvaluation Evaluate<T>(PreferencePlan plan, in PreferenceBatch<T> batch, PreferenceTotals totals, Span<T> dLossDLogProb)
        where T : IFloatingPointIeee754<T>
    {
        batch.Check();
        int pairs = batch.Pairs;
        if (plan.NeedsWholeUpdate && pairs != totals.Pairs)
            throw new ArgumentException($"aot sorts all pairs of an update: {pairs} of {totals.Pairs} were given.");
        var rows = PairRows.Read(plan, batch);
        double[] perSum = new double[2 * pairs]; // derivative with respect to the weighted sum of a row's log-probs
        double loss = 0, sftWeight = 0, chosenReward = 0, rejectedReward = 0;
        int correct = 0;
        foreach (var (kind, weight) in plan.Losses)
        {
            double scale = weight / totals.Pairs;
            switch (kind)
            {
                case PreferenceLoss.Sft:
                    sftWeight += weight / Math.Max(1, totals.ChosenTokens);
                    loss -= weight / Math.Max(1, totals.ChosenTokens) * rows.PlainChosenSum;
                    break;
                case PreferenceLoss.Aot:
                    loss += Sorted(plan, scale, Differences(rows.Sums, pairs), Differences(rows.ReferenceSums, pairs), (i, g) => (perSum[i], perSum[i + pairs]) = (perSum[i] + g, perSum[i + pairs] - g), null);
                    break;
                case PreferenceLoss.AotUnpaired:
                    loss += Sorted(plan, scale, rows.Ratios[..pairs], rows.Ratios[pairs..], (i, g) => perSum[i] += g, (i, g) => perSum[i + pairs] += g);
                    break;
                default:
                    for (int i = 0; i < pairs; i++)
                    {
                        var slope = rows.Pair(i).Of(kind, plan);
                        loss += scale * slope.Value;
                        perSum[i] += scale * (slope.ScoreW * rows.ScoreSlopes[i] + slope.RatioW);
                        perSum[i + pairs] += scale * (slope.ScoreL * rows.ScoreSlopes[i + pairs] + slope.RatioL);
                    }
                    break;
            }
        }
        for (int i = 0; i < pairs; i++)
        {
            chosenReward += plan.Beta * rows.Ratios[i];
            rejectedReward += plan.Beta * rows.Ratios[i + pairs];
            correct += rows.Ratios[i] > rows.Ratios[i + pairs] ? 1 : 0;
        }
        for (int row = 0; row < 2 * pairs; row++)
        {
            for (int t = batch.RowStarts[row]; t < batch.RowStarts[row + 1]; t++)
            {
                bool counts = batch.Mask.IsEmpty || batch.Mask[t];
                dLossDLogProb[t] = counts ? T.CreateTruncating(perSum[row] * rows.TokenWeights[t] - (row < pairs ? sftWeight : 0)) : T.Zero;
                if (!T.IsFinite(dLossDLogProb[t]))
                    throw new NonFiniteTokenException(row, t - batch.RowStarts[row], "gradient coefficient", double.CreateTruncating(dLossDLogProb[t]));
            }
        }
        return new(loss, chosenReward, rejectedReward, correct);
    }

    private static double[] Differences(double[] sums, int pairs)
    {
        var differences = new double[pairs];
        for (int i = 0; i < pairs; i++)
            differences[i] = sums[i] - sums[i + pairs];
        return differences;
    }

    /// <summary>Smoothed DPO on the differences of two sorted lists; equal numbers keep their order, as in a stable sort.</summary>
    private static double Sorted(PreferencePlan plan, double scale, double[] upper, double[] lower, Action<int, double> addUpper, Action<int, double>? addLower)
    {
        int[] upperOrder = [.. Enumerable.Range(0, upper.Length).OrderBy(i => upper[i])], lowerOrder = [.. Enumerable.Range(0, lower.Length).OrderBy(i => lower[i])];
        double loss = 0;
        for (int i = 0; i < upper.Length; i++)
        {
            var (value, slope) = PairPoint.Smoothed(upper[upperOrder[i]] - lower[lowerOrder[i]], plan);
            loss += scale * value;
            addUpper(upperOrder[i], scale * slope);
            addLower?.Invoke(lowerOrder[i], -scale * slope);
        }
        return loss;
    }
}

/// <summary>Sums, log-ratios and scores of the rows of a batch of pairs.</summary>
internal sealed class PairRows
{
    public required double[] Sums { get; init; }

    public required double[] ReferenceSums { get; init; }

    public required double[] Ratios { get; init; }

    public required double[] Scores { get; init; }

    /// <summary>Derivative of a row's score with respect to its log-ratio.</summary>
    public required double[] ScoreSlopes { get; init; }

    public required int[] Tokens { get; init; }

    /// <summary>Shape [N]: what a token counts in its row's sum.</summary>
    public required double[] TokenWeights { get; init; }

    /// <summary>Sum of the chosen rows' log-probs without token weights.</summary>
    public double PlainChosenSum { get; private set; }

    public PairPoint Pair(int i)
    {
        int pairs = Sums.Length / 2;
        return new(Scores[i], Scores[i + pairs], Ratios[i], Ratios[i + pairs], Tokens[i], Tokens[i + pairs]);
    }

    public static PairRows Read<T>(PreferencePlan plan, in PreferenceBatch<T> batch) where T : IFloatingPointIeee754<T>
    {
        int pairs = batch.Pairs, n = 2 * pairs;
        var rows = new PairRows
        {
            Sums = new double[n],
            ReferenceSums = new double[n],
            Ratios = new double[n],
            Scores = new double[n],
            ScoreSlopes = new double[n],
            Tokens = new int[n],
            TokenWeights = new double[batch.RowStarts[^1]],
        };
        for (int row = 0; row < n; row++)
        {
            for (int t = batch.RowStarts[row]; t < batch.RowStarts[row + 1]; t++)
                rows.Tokens[row] += batch.Mask.IsEmpty || batch.Mask[t] ? 1 : 0;
        }
        for (int row = 0; row < n; row++)
        {
            int shared = Math.Min(rows.Tokens[row], rows.Tokens[(row + pairs) % n]), position = 0;
            for (int t = batch.RowStarts[row]; t < batch.RowStarts[row + 1]; t++)
            {
                if (!batch.Mask.IsEmpty && !batch.Mask[t])
                    continue;
                double p = double.CreateTruncating(batch.LogProbs[t]), reference = double.CreateTruncating(batch.Reference[t]);
                if (!double.IsFinite(p) || !double.IsFinite(reference))
                    throw new NonFiniteTokenException(row, t - batch.RowStarts[row], double.IsFinite(p) ? "reference log-prob" : "log-prob", double.IsFinite(p) ? reference : p);
                double weight = ++position > shared ? plan.LdAlpha ?? 1 : 1;
                rows.TokenWeights[t] = weight;
                rows.Sums[row] += weight * p;
                rows.ReferenceSums[row] += weight * reference;
                rows.PlainChosenSum += row < pairs ? p : 0;
            }
            rows.Ratios[row] = rows.Sums[row] - rows.ReferenceSums[row];
            (rows.Scores[row], rows.ScoreSlopes[row]) = Score(plan, rows.Ratios[row]);
        }
        return rows;
    }

    private static (double Score, double Slope) Score(PreferencePlan plan, double r)
    {
        switch (plan.Divergence)
        {
            case FDivergence.ForwardKl:
                double e = Transcendental.Exp(-r);
                return (-e, e);
            case FDivergence.JsDivergence:
                return (Transcendental.LogSigmoid(r), Transcendental.Sigmoid(-r));
            case FDivergence.AlphaDivergence when Math.Abs(plan.AlphaDivergenceCoef - 1) >= 1e-6:
                // TRL's cap: exp stays representable in float32.
                double a = plan.AlphaDivergenceCoef - 1, power = Transcendental.Exp(Math.Min(a * r, 80));
                return (power / a, a * r <= 80 ? power : 0);
            default:
                return (r, 1);
        }
    }
}
