namespace GrpoActors.Core.Objectives;

/// <summary>Loss of a value function: half of the clipped squared error (PPO; verl <c>compute_value_loss</c>).</summary>
public static class ValueLoss
{
    /// <summary>1/2 agg(max((v - R)^2, (clamp(v, old - range, old + range) - R)^2)).</summary>
    /// <param name="clipRange">verl <c>cliprange_value</c>; &gt; 0.</param>
    /// <param name="rowStarts">Shape [R + 1].</param>
    /// <param name="mask">Shape [N].</param>
    /// <param name="values">Shape [N]: v, of the value function in training.</param>
    /// <param name="oldValues">Shape [N]: what it said when the advantages were estimated.</param>
    /// <param name="returns">Shape [N]: R.</param>
    /// <param name="dLossDValue">Shape [N]; written.</param>
    /// <returns>The loss, and the share of tokens whose clipped error is the larger one (verl <c>critic/vf_clipfrac</c>).</returns>
    public static (double Loss, double ClipFraction) Evaluate(AggregationPart aggregation, double clipRange, ReadOnlySpan<int> rowStarts, ReadOnlySpan<bool> mask,
        ReadOnlySpan<double> values, ReadOnlySpan<double> oldValues, ReadOnlySpan<double> returns, StepTotals totals, Span<double> dLossDValue)
    {
        double loss = 0;
        long clipped = 0, counted = 0;
        dLossDValue.Clear();
        for (int i = 0; i + 1 < rowStarts.Length; i++)
        {
            double w = 0.5 * aggregation.Weight(mask[rowStarts[i]..rowStarts[i + 1]].Count(true), totals);
            for (int t = rowStarts[i]; t < rowStarts[i + 1]; t++)
            {
                if (!mask[t])
                    continue;
                if (!double.IsFinite(values[t]) || !double.IsFinite(returns[t]))
                    throw new NonFiniteTokenException(i, t - rowStarts[i], "value or return", double.IsFinite(values[t]) ? returns[t] : values[t]);
                double near = Math.Clamp(values[t], oldValues[t] - clipRange, oldValues[t] + clipRange);
                double free = values[t] - returns[t], bound = near - returns[t];
                bool boundWins = bound * bound > free * free;
                loss += w * (boundWins ? bound * bound : free * free);
                dLossDValue[t] = boundWins && near != values[t] ? 0 : 2 * w * free;
                clipped += boundWins ? 1 : 0;
                counted++;
            }
        }
        return (loss, clipped / (counted + Objective.VerlEpsilon));
    }
}
