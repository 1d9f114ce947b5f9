using System.Collections.Immutable;

namespace GrpoActors.Core.Objectives;

/// <summary>What a micro-batch must know of the whole optimiser update, so that the gradient does not depend on how the update is cut.</summary>
/// <param name="Tokens">N: tokens that count.</param>
/// <param name="Rows">B: rows, the empty ones included.</param>
/// <param name="NonEmptyRows">Rows with at least one token that counts.</param>
public sealed record StepTotals(long Tokens, int Rows, int NonEmptyRows)
{
    /// <summary>Tokens that the entropy quantile lets through; <see cref="Tokens"/> without a quantile.</summary>
    public long EntropyTokens { get; init; } = Tokens;

    /// <summary>Entropy from which on a token teaches.</summary>
    public double EntropyThreshold { get; init; } = double.NegativeInfinity;

    /// <summary>Mean importance weight of the mismatch; 1 unless normalised over the batch.</summary>
    public double MismatchMean { get; init; } = 1;

    /// <summary>Tokens (key of the row, index in the row) that kl-cov or clip-cov chose.</summary>
    public ImmutableHashSet<(long Row, int Token)> Chosen { get; init; } = [];
}

/// <summary>Gathers <see cref="StepTotals"/> from the micro-batches of one update, in order, before any of them is evaluated.</summary>
/// <remarks>
/// <code>
/// var survey = new StepSurvey(plan);
/// foreach (var micro in update) survey.Add(micro);      // after a forward pass only if plan.NeedsWholeUpdate
/// var totals = survey.Totals();
/// var sums = new ObjectiveSums(plan);
/// foreach (var micro in update) { forward; Objective.Evaluate(plan, micro, totals, ..., sums); backward; }
/// </code>
/// </remarks>
public sealed class StepSurvey(ObjectivePlan plan)
{
    private readonly List<double> entropies = [];
    private readonly List<CovarianceToken> covariances = [];
    private long tokens;
    private int rows, nonEmptyRows;
    private double mismatchSum;
    private long mismatchCount;

    private readonly record struct CovarianceToken(long Row, int Token, double Advantage, double LogProb, bool Clipped);

    /// <summary>Adds the next rows of the update. Reads mask, old and sampling log-probs; current log-probs and entropies only if the plan needs the whole update.</summary>
    /// <exception cref="NonFiniteTokenException">A number under the mask is not finite.</exception>
    public void Add<T>(in ObjectiveBatch<T> batch) where T : System.Numerics.IFloatingPointIeee754<T>
    {
        batch.Check(plan, survey: true);
        var row = new RowBuffer(plan);
        for (int i = 0; i < batch.Rows; i++)
        {
            row.Load(batch, i, current: plan.NeedsWholeUpdate);
            tokens += row.Tokens;
            nonEmptyRows += row.Tokens > 0 ? 1 : 0;
            if (plan.Mismatch is { BatchNormalised: true } mismatch)
                AddMismatch(mismatch, row);
            if (plan.NeedsWholeUpdate)
                AddCurrent(row, batch.RowKeys.IsEmpty ? rows : batch.RowKeys[i]);
            rows++;
        }
    }

    private void AddMismatch(MismatchPart mismatch, RowBuffer row)
    {
        for (int t = 0; t < row.Length; t++)
        {
            if (!row.Mask[t])
                continue;
            mismatchSum += row.MismatchWeight[t];
            mismatchCount++;
            if (mismatch.WholeSequence)
                return; // one weight a row
        }
    }

    private void AddCurrent(RowBuffer row, long key)
    {
        bool covariance = plan.Surrogate is Surrogate.KlCov or Surrogate.ClipCov;
        for (int t = 0; t < row.Length; t++)
        {
            if (!row.Mask[t])
                continue;
            if (plan.Entropy.TopQuantile < 1)
                entropies.Add(row.Entropy[t]);
            if (covariance)
                covariances.Add(new(key, t, row.Advantage[t], row.LogProb[t], plan.Surrogate is Surrogate.ClipCov c && row.Clipped(t, c.Low, c.High)));
        }
    }

    /// <summary>The totals of all rows added so far.</summary>
    public StepTotals Totals()
    {
        double threshold = plan.Entropy.TopQuantile < 1 ? Quantile(entropies, 1 - plan.Entropy.TopQuantile) : double.NegativeInfinity;
        double mean = mismatchCount == 0 ? 1 : mismatchSum / (mismatchCount + (plan.Mismatch!.WholeSequence ? 0 : Objective.VerlEpsilon));
        return new(tokens, rows, nonEmptyRows)
        {
            EntropyTokens = plan.Entropy.TopQuantile < 1 ? entropies.LongCount(h => h >= threshold) : tokens,
            EntropyThreshold = threshold,
            MismatchMean = mean > 1e-8 ? mean : 1,
            Chosen = plan.Surrogate switch
            {
                Surrogate.KlCov x => Choose(Covariances().OrderByDescending(c => c.Value).ThenBy(c => c.Row).ThenBy(c => c.Token), x.Ratio),
                Surrogate.ClipCov x => Choose(Covariances().Where(c => c.Value > x.Min && c.Value < x.Max && !c.Clipped)
                    .OrderBy(c => Key(x.Seed, c.Row, c.Token)), x.Ratio),
                _ => [],
            },
        };
    }

    private ImmutableHashSet<(long Row, int Token)> Choose(IEnumerable<(long Row, int Token, double Value, bool Clipped)> ordered, double ratio) =>
        [.. ordered.Take(Math.Max(1, (int)(covariances.Count * ratio))).Select(c => (c.Row, c.Token))];

    private IEnumerable<(long Row, int Token, double Value, bool Clipped)> Covariances()
    {
        double n = covariances.Count + (plan.Surrogate is Surrogate.ClipCov ? Objective.VerlEpsilon : 0);
        double advantage = covariances.Sum(c => c.Advantage) / n, logProb = covariances.Sum(c => c.LogProb) / n;
        return covariances.Select(c => (c.Row, c.Token, (c.Advantage - advantage) * (c.LogProb - logProb), c.Clipped));
    }

    /// <summary>A draw that depends on nothing but the seed and the token: splitmix64 over both.</summary>
    private static ulong Key(ulong seed, long row, int token) => Mix(Mix(seed + 0x9E3779B97F4A7C15UL * ((ulong)row + 1)) + 0x9E3779B97F4A7C15UL * ((ulong)(uint)token + 1));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }

    /// <summary>torch.quantile: linear between the two nearest order statistics.</summary>
    private static double Quantile(List<double> values, double q)
    {
        if (values.Count == 0)
            return double.NegativeInfinity;
        double[] sorted = [.. values.Order()];
        double position = q * (sorted.Length - 1);
        int below = (int)position;
        double share = position - below;
        return below + 1 < sorted.Length ? sorted[below] + share * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
