using System.Numerics;

namespace GrpoActors.Core.Objectives;

/// <summary>What a micro-batch adds to the update.</summary>
/// <param name="Loss">Its share of the loss: policy + KL - entropy bonus. Shares of all micro-batches add up to the loss of the update.</param>
/// <param name="KlLoss">Coefficient included.</param>
/// <param name="EntropyBonus">Coefficient included; subtracted in <paramref name="Loss"/>.</param>
public sealed record ObjectiveEvaluation(double Loss, double PolicyLoss, double KlLoss, double EntropyBonus, ObjectiveMetrics Metrics);

/// <summary>Log-probs in, coefficients out: the loss of a micro-batch and its derivative with respect to each token's log-prob and entropy.</summary>
/// <remarks>
/// The gradient of the loss is sum_t dLossDLogProb[t] * grad log pi(token t) + dLossDEntropy[t] * grad H(t): the gradient coefficient GC of
/// DeepSeekMath's unified paradigm is -dLossDLogProb. Buffers hold float or double; everything between is double, because a coefficient
/// costs so little beside a forward pass that there is nothing to win. Pure; any thread.
/// </remarks>
public static class Objective
{
    /// <summary>What verl adds to the denominator of a masked mean.</summary>
    internal const double VerlEpsilon = 1e-8;

    /// <param name="totals">Of the whole optimiser update: <see cref="StepSurvey"/>.</param>
    /// <param name="dLossDLogProb">Shape [N]; written, 0 where the mask is false.</param>
    /// <param name="dLossDEntropy">Shape [N], written; or empty when the plan has no entropy bonus.</param>
    /// <exception cref="NonFiniteTokenException">A number under the mask is not finite, or a coefficient or a row's loss would not be.</exception>
    /// <exception cref="ArgumentException">An input that the plan needs is missing or has the wrong length.</exception>
    public static ObjectiveEvaluation Evaluate<T>(ObjectivePlan plan, in ObjectiveBatch<T> batch, StepTotals totals, Span<T> dLossDLogProb, Span<T> dLossDEntropy)
        where T : IFloatingPointIeee754<T>
    {
        var sums = new ObjectiveSums(plan);
        Evaluate(plan, batch, totals, dLossDLogProb, dLossDEntropy, sums);
        return new(sums.Loss, sums.PolicyLoss, sums.KlLoss, sums.EntropyBonus, sums.Metrics());
    }

    /// <summary>The same for one micro-batch after the other: losses and metrics go on in <paramref name="sums"/>, row by row, so they do not depend on the cut.</summary>
    public static void Evaluate<T>(ObjectivePlan plan, in ObjectiveBatch<T> batch, StepTotals totals, Span<T> dLossDLogProb, Span<T> dLossDEntropy, ObjectiveSums sums)
        where T : IFloatingPointIeee754<T>
    {
        batch.Check(plan, survey: false);
        int n = batch.RowStarts[^1];
        bool bonus = plan.Entropy.Coefficient != 0;
        if (dLossDLogProb.Length != n || (dLossDEntropy.Length != n && (bonus || !dLossDEntropy.IsEmpty)))
            throw new ArgumentException($"Room for {dLossDLogProb.Length} log-prob and {dLossDEntropy.Length} entropy coefficients came with {n} tokens.");
        dLossDEntropy.Clear();

        var row = new RowBuffer(plan);
        var terms = new RowTerms(plan, totals);
        for (int i = 0; i < batch.Rows; i++)
        {
            row.Load(batch, i, current: true);
            terms.Compute(row, batch.Key(i));
            for (int t = 0, at = batch.RowStarts[i]; t < row.Length; t++, at++)
            {
                double coefficient = row.Mask[t] ? terms.Gradient[t] : 0;
                dLossDLogProb[at] = T.CreateTruncating(coefficient);
                if (!T.IsFinite(dLossDLogProb[at]))
                    throw new NonFiniteTokenException(i, t, "gradient coefficient", coefficient);
                if (bonus)
                    dLossDEntropy[at] = T.CreateTruncating(-terms.EntropyWeight(row, t));
            }
            // A value may overflow where its gradient does not: k3 with the gradient of k2, say.
            if (!double.IsFinite(terms.Loss))
                throw new NonFiniteTokenException(i, -1, "loss", terms.Loss);
            sums.Add(row, terms);
        }
    }
}
