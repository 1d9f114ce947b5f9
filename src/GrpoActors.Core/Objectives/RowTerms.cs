namespace GrpoActors.Core.Objectives;

/// <summary>The loss of one row and its derivatives. Chain rule, for a token t of row i with aggregation weight w_i and token weight q_t:
/// dL/dp_t = w_i q_t (dl_t/dp_t + dl_t/dc dc/dp_t), where a ratio of the whole row sends its part through the row's log-ratio S, dS/dp_t = 1 / n or 1.</summary>
internal sealed class RowTerms(ObjectivePlan plan, StepTotals totals)
{
    // Buffers of one row, shape [T].
    private double[] value = [], dRatio = [], direct = [], ratio = [], ratioSlope = [], detachedRatio = [], weight = [];

    public double[] Gradient { get; private set; } = [];

    public double[] Kl { get; private set; } = [];

    public SurrogateFlags[] Flags { get; private set; } = [];

    public double PolicyLoss { get; private set; }

    public double KlLoss { get; private set; }

    public double EntropyBonus { get; private set; }

    public double Loss => PolicyLoss + KlLoss - EntropyBonus;

    /// <summary>VESPO's weight of the row.</summary>
    public double Phi { get; private set; }

    /// <summary>KL estimate of the whole output, where the plan asks for that one.</summary>
    public double RowKl { get; private set; }

    /// <summary>The ratio that the row as a whole has, at the row levels.</summary>
    public double RowRatio { get; private set; }

    public double[] Ratio => ratio;

    private bool rowLevel;
    private double rowRoute; // dS/dp_t of a ratio of the whole row
    private double rowLogInside; // 0 where the clamp of S took the gradient

    public void Compute(RowBuffer x, long key)
    {
        Grow(x.Length);
        double w = plan.Aggregation.Weight(x.Tokens, totals), wSide = plan.SideAggregation.Weight(x.Tokens, totals);
        Ratios(x);
        Weights(x);
        if (plan.Surrogate is Surrogate.GeometricMean geometric)
            GeometricMean(x, geometric);
        else
            Surrogates(x, key);

        PolicyLoss = KlLoss = EntropyBonus = 0;
        double throughRow = 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            PolicyLoss += weight[t] == 0 ? 0 : w * weight[t] * value[t]; // a masked token has no loss, even one whose ratio overflowed
            double viaRatio = w * weight[t] * dRatio[t];
            Gradient[t] = w * weight[t] * direct[t];
            if (viaRatio == 0)
                continue; // a clipped ratio has no gradient, even one that overflowed
            Gradient[t] += rowLevel ? 0 : viaRatio * ratioSlope[t];
            throughRow += rowLevel ? viaRatio * ratio[t] * rowLogInside : 0;
        }
        if (x.HasReference)
            throughRow += AddKl(x, wSide);
        if (rowLevel)
        {
            for (int t = 0; t < x.Length; t++)
                Gradient[t] += x.Mask[t] ? throughRow * rowRoute : 0;
        }
        for (int t = 0; x.HasEntropy && plan.Entropy.Coefficient != 0 && t < x.Length; t++)
            EntropyBonus += EntropyWeight(x, t) * x.Entropy[t];
    }

    /// <summary>What a token's entropy counts in the bonus, coefficient included.</summary>
    public double EntropyWeight(RowBuffer x, int t) =>
        !x.Mask[t] || x.Entropy[t] < totals.EntropyThreshold ? 0
        : plan.Entropy.Coefficient * (plan.EntropyAggregation is { } a ? a.Weight(x.Tokens, totals) : 1.0 / Math.Max(1, totals.EntropyTokens));

    private void Grow(int length)
    {
        if (value.Length >= length)
            return;
        value = new double[length];
        dRatio = new double[length];
        direct = new double[length];
        ratio = new double[length];
        ratioSlope = new double[length];
        detachedRatio = new double[length];
        weight = new double[length];
        Gradient = new double[length];
        Kl = new double[length];
        Flags = new SurrogateFlags[length];
    }

    private void Ratios(RowBuffer x)
    {
        var part = plan.Ratio;
        rowLevel = part.Level is RatioLevel.SequenceMean or RatioLevel.SequenceSum;
        rowRoute = part.Level == RatioLevel.SequenceSum ? 1 : 1.0 / Math.Max(1, x.Tokens);
        double current = 0, detached = 0;
        if (part.Level != RatioLevel.Token)
        {
            for (int t = 0; t < x.Length; t++)
            {
                current += x.Mask[t] ? x.LogProb[t] - x.Old[t] : 0;
                detached += x.Mask[t] ? x.Detached[t] - x.Old[t] : 0;
            }
            current *= rowRoute;
            detached *= rowRoute;
        }
        RowRatio = rowLevel ? Transcendental.Exp(Math.Clamp(current, part.LogMin, part.LogMax)) : 1;
        double rowDetached = rowLevel ? detached == current ? RowRatio : Transcendental.Exp(Math.Clamp(detached, part.LogMin, part.LogMax)) : 1;
        rowLogInside = current >= part.LogMin && current <= part.LogMax ? 1 : 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (rowLevel)
            {
                (ratio[t], detachedRatio[t]) = (RowRatio, rowDetached);
                continue;
            }
            double log = part.Level == RatioLevel.Token ? x.LogProb[t] - x.Old[t] : x.LogProb[t] - x.Detached[t] + detached;
            double detachedLog = part.Level == RatioLevel.Token ? x.Detached[t] - x.Old[t] : detached;
            ratio[t] = Transcendental.Exp(Math.Clamp(log, part.LogMin, part.LogMax));
            detachedRatio[t] = detachedLog == log ? ratio[t] : Transcendental.Exp(Math.Clamp(detachedLog, part.LogMin, part.LogMax));
            ratioSlope[t] = log >= part.LogMin && log <= part.LogMax ? ratio[t] : 0;
        }
    }

    private void Weights(RowBuffer x)
    {
        double keep = plan.OffPolicyMaskThreshold is { } threshold && MeanDrift(x) > threshold ? 0 : 1;
        for (int t = 0; t < x.Length; t++)
        {
            double q = x.Advantage[t] >= 0 ? 1 : keep;
            if (x.HasEntropy && x.Entropy[t] < totals.EntropyThreshold)
                q = 0;
            if (plan.Mismatch is not null && plan.Surrogate is not (Surrogate.Vespo or Surrogate.GeometricMean))
                q *= x.MismatchWeight[t] / totals.MismatchMean;
            weight[t] = q;
        }
    }

    /// <summary>Mean of sampling - current over the row: the drift that DeepSeek-V3.2's sequence mask looks at.</summary>
    private static double MeanDrift(RowBuffer x)
    {
        double sum = 0;
        for (int t = 0; t < x.Length; t++)
            sum += x.Mask[t] ? x.Sampling[t] - x.Detached[t] : 0;
        return sum / Math.Max(1, x.Tokens);
    }

    private void Surrogates(RowBuffer x, long key)
    {
        if (plan.Surrogate is Surrogate.Vespo vespo)
        {
            Vespo(x, vespo);
            return;
        }
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            double a = x.Advantage[t];
            bool chosen = totals.Chosen.Count > 0 && totals.Chosen.Contains((key, t));
            var point = new SurrogatePoint(ratio[t], detachedRatio[t], x.LogProb[t], x.Detached[t], x.Old[t], a, chosen);
            var slope = point.Of(plan.Surrogate);
            (value[t], dRatio[t], direct[t], Flags[t]) = (slope.Value, slope.PerRatio, slope.PerLogProb, slope.Flags);
        }
    }

    private void Vespo(RowBuffer x, Surrogate.Vespo part)
    {
        double low = Transcendental.Log(1e-8), s = 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            s += Math.Clamp(x.Detached[t] - x.Old[t], -20, 20);
            if (plan.Mismatch is { WholeSequence: false })
                s += LogWeight(x.MismatchWeight[t], low);
        }
        if (plan.Mismatch is { WholeSequence: true } && x.Length > 0)
            s += LogWeight(x.MismatchWeight[0], low);
        double log = Math.Clamp(s, low, 20), w = Transcendental.Exp(log);
        double Weight(double k, double lambda) => Transcendental.Exp(Math.Max(1e-4, lambda) + k * log - Math.Max(1e-4, lambda) * w);
        double positive = Weight(part.KPositive, part.LambdaPositive), negative = Weight(part.KNegative, part.LambdaNegative);
        Phi = 1; // of a row without tokens
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            double a = x.Advantage[t];
            Phi = a >= 0 ? positive : negative;
            (value[t], dRatio[t], direct[t], Flags[t]) = (-Phi * a * x.LogProb[t], 0, -Phi * a, SurrogateFlags.None);
        }
    }

    private static double LogWeight(double weight, double low) => weight > 0 ? Math.Clamp(Transcendental.Log(weight), low, 20) : low;

    private void GeometricMean(RowBuffer x, Surrogate.GeometricMean part)
    {
        double n = x.Tokens + Objective.VerlEpsilon, sum = 0, logWeight = 0, kept = 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            double a = x.Advantage[t], d = x.LogProb[t] - x.Old[t], cut = Math.Clamp(d, -part.Low, part.High);
            bool harmful = a > 0 ? d > part.High : a < 0 && d < -part.Low;
            sum += a == 0 ? 0 : harmful ? cut : d;
            direct[t] = a == 0 || harmful ? 0 : 1;
            Flags[t] = d == cut ? SurrogateFlags.None
                : (a > 0 ? SurrogateFlags.VerlClipped : a < 0 ? SurrogateFlags.VerlLower : 0)
                    | (harmful ? a > 0 ? SurrogateFlags.High : SurrogateFlags.Low : 0);
            logWeight += Transcendental.Log(x.MismatchWeight[t] / totals.MismatchMean + 1e-10);
            kept += weight[t];
        }
        // verl: mismatch weights enter by their geometric mean; a mask of ours by the share of tokens that it keeps.
        double rowWeight = kept / Math.Max(1, x.Tokens) * (plan.Mismatch is null ? 1 : Transcendental.Exp(logWeight / n));
        double loss = -x.Sum(x.Advantage) / n * Transcendental.Exp(sum / n) * rowWeight;
        for (int t = 0; t < x.Length; t++)
        {
            // The row's loss stands at each of its tokens, and each log-prob moves all of them.
            (value[t], dRatio[t], weight[t]) = (loss, 0, 1);
            direct[t] *= loss / n * x.Tokens;
        }
    }

    /// <summary>Adds the KL penalty and returns what of its derivative runs through the row's ratio.</summary>
    private double AddKl(RowBuffer x, double w)
    {
        var part = plan.Kl;
        double scale = w * part.Coefficient, throughRow = 0;
        RowKl = 0;
        if (part.WholeOutput)
        {
            double current = x.Sum(x.LogProb), reference = x.Sum(x.Reference);
            (RowKl, double slope) = KlEstimator.Of(part, current, x.Sum(x.Detached), reference);
            for (int t = 0; t < x.Length; t++)
            {
                Kl[t] = RowKl;
                KlLoss += x.Mask[t] ? scale * RowKl : 0;
                Gradient[t] += x.Mask[t] ? scale * x.Tokens * slope : 0;
            }
            return 0;
        }
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            var (kl, slope) = KlEstimator.Of(part, x.LogProb[t], x.Detached[t], x.Reference[t]);
            if (part.BiasCorrected)
            {
                throughRow += rowLevel ? scale * kl * ratio[t] * rowLogInside : 0;
                Gradient[t] += scale * (slope * ratio[t] + (rowLevel ? 0 : kl * ratioSlope[t]));
                kl *= ratio[t];
            }
            else
            {
                Gradient[t] += scale * slope;
            }
            Kl[t] = kl;
            KlLoss += scale * kl;
        }
        return throughRow;
    }
}
