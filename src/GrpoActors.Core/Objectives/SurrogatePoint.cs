namespace GrpoActors.Core.Objectives;

/// <summary>What a clip did to a token, in the counting of either library.</summary>
[Flags]
internal enum SurrogateFlags
{
    None = 0,

    /// <summary>TRL <c>clip_ratio/low</c>: below the range, with a negative advantage.</summary>
    Low = 1,

    /// <summary>TRL <c>clip_ratio/high</c> and <c>cispo_clip_ratio</c>: above the range, with a positive advantage.</summary>
    High = 2,

    /// <summary>verl <c>actor/pg_clipfrac</c>.</summary>
    VerlClipped = 4,

    /// <summary>verl <c>actor/pg_clipfrac_lower</c>.</summary>
    VerlLower = 8,
}

/// <summary>The loss of a token before weights, its derivatives along the ratio and along the log-prob itself, and what was clipped.</summary>
internal readonly record struct SurrogateSlope(double Value, double PerRatio, double PerLogProb, SurrogateFlags Flags);

/// <summary>Where a surrogate is evaluated: ratio, ratio under the stop-gradient, log-prob, log-prob under the stop-gradient, old log-prob, advantage.</summary>
internal readonly record struct SurrogatePoint(double Ratio, double DetachedRatio, double LogProb, double Detached, double Old, double Advantage, bool Chosen)
{
    public SurrogateSlope Of(Surrogate surrogate) => surrogate switch
    {
        Surrogate.Clip x => Clip(x),
        Surrogate.Cispo x => Cispo(x),
        Surrogate.Sapo x => Sapo(x),
        Surrogate.LogProb => new(-Advantage * LogProb, 0, -Advantage, SurrogateFlags.None),
        Surrogate.Unclipped => new(Free(Ratio), -Advantage, 0, SurrogateFlags.None),
        Surrogate.Dro x => Dro(x),
        Surrogate.Dppo x => Dppo(x),
        Surrogate.KlCov x => KlCov(x),
        Surrogate.ClipCov x => ClipCov(x),
        _ => throw new InvalidOperationException($"{surrogate.GetType().Name} is a surrogate of rows, not of tokens."),
    };

    /// <summary>-c A; 0 without an advantage, also where the ratio overflowed (0 times infinity is no number).</summary>
    private double Free(double ratio) => Advantage == 0 ? 0 : -ratio * Advantage;

    private SurrogateSlope Clip(Surrogate.Clip x)
    {
        double c = Ratio, a = Advantage, low = 1 - x.Low, high = 1 + x.High;
        double capped = Math.Min(c, x.Delta ?? double.PositiveInfinity), inRange = Math.Clamp(c, low, high);
        double free = Free(capped), bound = -inRange * a, worst = Math.Max(free, bound);
        // At a tie both branches pass half of the gradient, as in PyTorch: inside the range that is all of it.
        double perFree = capped == c ? -a : 0, perBound = inRange == c ? -a : 0;
        double slope = free > bound ? perFree : free < bound ? perBound : 0.5 * (perFree + perBound);
        var flags = Band(c < low, capped > high) | (bound > Free(c) ? SurrogateFlags.VerlClipped : 0);
        if (x.DualClip is { } dual && a < 0 && worst > -a * dual)
            return new(-a * dual, 0, 0, flags | SurrogateFlags.VerlLower);
        return new(worst, slope, 0, flags);
    }

    private SurrogateFlags Band(bool below, bool above) =>
        (below && Advantage < 0 ? SurrogateFlags.Low : 0) | (above && Advantage > 0 ? SurrogateFlags.High : 0);

    private SurrogateSlope Cispo(Surrogate.Cispo x)
    {
        double w = Math.Clamp(DetachedRatio, x.Min, x.Max);
        return new(-w * Advantage * LogProb, 0, -w * Advantage,
            Band(DetachedRatio < x.Min, DetachedRatio > x.Max) | (w != DetachedRatio ? SurrogateFlags.VerlClipped : 0));
    }

    private SurrogateSlope Sapo(Surrogate.Sapo x)
    {
        double tau = Advantage > 0 ? x.TauPositive : x.TauNegative, gate = Transcendental.Sigmoid(tau * (Ratio - 1));
        return new(-gate * 4 / tau * Advantage, -4 * gate * (1 - gate) * Advantage, 0, SurrogateFlags.None);
    }

    private SurrogateSlope Dro(Surrogate.Dro x)
    {
        double d = LogProb - Old;
        return new(-(LogProb * Advantage - 0.5 * x.Beta * d * d), 0, -(Advantage - x.Beta * d), SurrogateFlags.None);
    }

    private SurrogateSlope Dppo(Surrogate.Dppo x)
    {
        double probability = Transcendental.Exp(Detached), old = Transcendental.Exp(Old), moved = probability - old;
        bool valid;
        if (x.Divergence == BinaryDivergence.TotalVariation)
        {
            valid = Advantage > 0 ? moved <= x.High : moved >= -x.Low;
        }
        else
        {
            // 1e-8 keeps a probability of 1 from dividing by zero, as in verl.
            double kl = old * (Old - Detached) + (1 - old) * Transcendental.Log((1 - old + 1e-8) / (1 - probability + 1e-8));
            valid = Advantage > 0 ? kl <= x.High || moved <= 0 : kl <= x.Low || moved >= 0;
        }
        if (!valid)
            return new(0, 0, 0, SurrogateFlags.VerlClipped | Band(moved < 0, moved > 0));
        double w = Math.Min(DetachedRatio, x.Cap);
        return new(-Advantage * w * LogProb, 0, -Advantage * w, DetachedRatio > x.Cap ? SurrogateFlags.VerlLower : SurrogateFlags.None);
    }

    private SurrogateSlope KlCov(Surrogate.KlCov x)
    {
        double d = LogProb - Old;
        return Chosen
            ? new(Free(Ratio) + x.Coefficient * Math.Abs(d), -Advantage, x.Coefficient * Math.Sign(d), SurrogateFlags.VerlClipped)
            : new(Free(Ratio), -Advantage, 0, SurrogateFlags.None);
    }

    private SurrogateSlope ClipCov(Surrogate.ClipCov x)
    {
        if (Chosen)
            return new(0, 0, 0, SurrogateFlags.VerlClipped);
        var clipped = Clip(new(x.Low, x.High, null, null));
        return clipped with { Flags = clipped.Flags & ~SurrogateFlags.VerlClipped }; // verl counts the drawn tokens only
    }
}
