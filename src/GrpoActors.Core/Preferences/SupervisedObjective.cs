using System.Numerics;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Preferences;

/// <summary>Supervised learning: the mean negative log-prob of the tokens that count.</summary>
public static class SupervisedObjective
{
    /// <param name="rowStarts">Shape [R + 1].</param>
    /// <param name="logProbs">Shape [N].</param>
    /// <param name="mask">Shape [N], or empty when all count.</param>
    /// <param name="totals">Of the whole update.</param>
    /// <param name="dLossDLogProb">Shape [N]; written: -1 / tokens of the update where the mask is true.</param>
    /// <returns>This micro-batch's share of the loss.</returns>
    /// <exception cref="NonFiniteTokenException">A log-prob under the mask is not finite.</exception>
    public static double Evaluate<T>(ReadOnlySpan<int> rowStarts, ReadOnlySpan<T> logProbs, ReadOnlySpan<bool> mask, StepTotals totals, Span<T> dLossDLogProb)
        where T : IFloatingPointIeee754<T>
    {
        double loss = 0, w = 1.0 / Math.Max(1, totals.Tokens);
        for (int row = 0; row + 1 < rowStarts.Length; row++)
        {
            for (int t = rowStarts[row]; t < rowStarts[row + 1]; t++)
            {
                bool counts = mask.IsEmpty || mask[t];
                dLossDLogProb[t] = counts ? T.CreateTruncating(-w) : T.Zero;
                if (!counts)
                    continue;
                double p = double.CreateTruncating(logProbs[t]);
                if (!double.IsFinite(p))
                    throw new NonFiniteTokenException(row, t - rowStarts[row], "log-prob", p);
                loss -= w * p;
            }
        }
        return loss;
    }
}
