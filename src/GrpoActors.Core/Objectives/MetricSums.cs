namespace GrpoActors.Core.Objectives;

/// <summary>Sums over the rows of an update from which the metrics of either library follow.</summary>
internal sealed class MetricSums(ObjectivePlan plan)
{
    private readonly bool rowLevel = plan.Ratio.Level is RatioLevel.SequenceMean or RatioLevel.SequenceSum;
    private readonly RatioLevel level = plan.Ratio.Level;
    private double rows, nonEmptyRows, tokens, kl, entropy, low, high, region, verlClipped, verlLower, drift, phi;
    private double lowMin = double.NaN, highMax = double.NaN;
    private double ratioMin = double.PositiveInfinity, ratioMax = double.NegativeInfinity, driftAbsMax;
    private readonly MismatchSums mismatch = new(plan.Dialect);
    private bool withEntropy;

    public double Kl => kl;

    public double Entropy => entropy;

    public double Tokens => tokens;

    public void Add(RowBuffer x, RowTerms terms)
    {
        rows++;
        nonEmptyRows += x.Tokens > 0 ? 1 : 0;
        tokens += x.Tokens;
        phi += terms.Phi;
        double rowLow = 0, rowHigh = 0, rowRegion = 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            kl += x.HasReference ? terms.Kl[t] : 0;
            entropy += x.Entropy[t];
            var flags = terms.Flags[t];
            rowLow += (flags & SurrogateFlags.Low) != 0 ? 1 : 0;
            rowHigh += (flags & SurrogateFlags.High) != 0 ? 1 : 0;
            rowRegion += (flags & (SurrogateFlags.Low | SurrogateFlags.High)) != 0 ? 1 : 0;
            verlClipped += (flags & SurrogateFlags.VerlClipped) != 0 ? 1 : 0;
            verlLower += (flags & SurrogateFlags.VerlLower) != 0 ? 1 : 0;
            double d = x.LogProb[t] - x.Old[t];
            drift += plan.Surrogate is Surrogate.KlCov ? Math.Abs(d)
                : level == RatioLevel.Token && plan.Surrogate is not Surrogate.GeometricMean ? -Math.Clamp(d, plan.Ratio.LogMin, plan.Ratio.LogMax) : -d;
            driftAbsMax = Math.Max(driftAbsMax, Math.Abs(d));
            (ratioMin, ratioMax) = (Math.Min(ratioMin, terms.Ratio[t]), Math.Max(ratioMax, terms.Ratio[t]));
        }
        withEntropy |= x.HasEntropy;
        // TRL: a ratio of rows is counted by row, the empty rows included; one of tokens by token, and an empty row has no minimum.
        double size = rowLevel ? 1 : x.Tokens, per = rowLevel && x.Tokens > 0 ? x.Tokens : 1;
        (low, high, region) = (low + rowLow / per, high + rowHigh / per, region + rowRegion / per);
        if (size > 0)
        {
            lowMin = double.IsNaN(lowMin) ? rowLow / per / size : Math.Min(lowMin, rowLow / per / size);
            highMax = double.IsNaN(highMax) ? rowHigh / per / size : Math.Max(highMax, rowHigh / per / size);
        }
        if (x.HasSampling)
            mismatch.Add(x, plan.Mismatch);
    }

    public ObjectiveMetrics Named(double policyLoss, double klLoss, double entropyBonus)
    {
        var m = new ObjectiveMetrics();
        if (tokens > 0)
        {
            m.Min("grpo.ratio.min", ratioMin);
            m.Max("grpo.ratio.max", ratioMax);
            m.Max("grpo.ratio.max_abs_log", driftAbsMax);
        }
        if (plan.Dialect == Dialect.Verl)
            NameVerl(m, policyLoss, klLoss, entropyBonus);
        else
            NameTrl(m, policyLoss);
        return m;
    }

    private void NameTrl(ObjectiveMetrics m, double policyLoss)
    {
        m.Sum("policy_loss", policyLoss);
        if (plan.Kl.Coefficient != 0)
            m.Mean("kl", kl, tokens);
        if (withEntropy)
            m.Mean("entropy", entropy, tokens);
        if (plan.Entropy.Coefficient != 0 || plan.AdaptiveEntropy is not null)
            m.Max("entropy_coef", plan.Entropy.Coefficient);
        double count = rowLevel ? rows : tokens;
        switch (plan.Surrogate)
        {
            case Surrogate.Cispo:
                m.Mean("cispo_clip_ratio", high, count);
                break;
            case Surrogate.Vespo:
                m.Mean("vespo/phi_seq_mean", phi, rows);
                break;
            case Surrogate.Clip or Surrogate.GeometricMean or Surrogate.Dppo or Surrogate.ClipCov:
                m.Mean("clip_ratio/low_mean", low, count);
                m.Mean("clip_ratio/high_mean", high, count);
                m.Mean("clip_ratio/region_mean", region, count);
                if (!double.IsNaN(lowMin))
                {
                    m.Min("clip_ratio/low_min", lowMin);
                    m.Max("clip_ratio/high_max", highMax);
                }
                break;
        }
        mismatch.NameTrl(m, weighted: plan.Mismatch is not null);
        mismatch.Name(m);
    }

    private void NameVerl(ObjectiveMetrics m, double policyLoss, double klLoss, double entropyBonus)
    {
        m.Sum("actor/pg_loss", policyLoss);
        if (plan.Kl.Coefficient != 0)
        {
            m.Sum("actor/kl_loss", klLoss / plan.Kl.Coefficient);
            m.Max("actor/kl_coef", plan.Kl.Coefficient);
        }
        if (plan.Entropy.Coefficient != 0)
            m.Sum("actor/entropy", entropyBonus / plan.Entropy.Coefficient);
        else if (withEntropy)
            m.Mean("actor/entropy", entropy, tokens);
        if (plan.Surrogate is not Surrogate.LogProb)
            m.Mean("actor/ppo_kl", drift, tokens, verl: true);
        if (plan.Surrogate is not (Surrogate.LogProb or Surrogate.Dro or Surrogate.KlCov))
            m.Mean("actor/pg_clipfrac", verlClipped, tokens, verl: true);
        if (plan.Surrogate is not (Surrogate.LogProb or Surrogate.Dro or Surrogate.KlCov or Surrogate.ClipCov))
            m.Mean("actor/pg_clipfrac_lower", verlLower, tokens, verl: true);
        mismatch.Name(m);
    }
}
