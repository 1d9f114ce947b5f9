namespace GrpoActors.Core.Objectives;

/// <summary>Sums over the rows of an update from which the metrics of either library follow.</summary>
internal sealed class MetricSums(ObjectivePlan plan)
{
    private readonly bool rowLevel = plan.Ratio.Level is RatioLevel.SequenceMean or RatioLevel.SequenceSum;
    private readonly RatioLevel level = plan.Ratio.Level;
    private double rows, nonEmptyRows, tokens, kl, entropy, low, high, region, verlClipped, verlLower, drift, phi;
    private double lowMin = double.NaN, highMax = double.NaN;
    private double ratioMin = double.PositiveInfinity, ratioMax = double.NegativeInfinity, driftAbsMax;
    private bool sampled, withEntropy;
    private Mismatch mismatch = new();

    public double Kl => kl;

    public double Entropy => entropy;

    public double Tokens => tokens;

    /// <summary>Sampler against trainer.</summary>
    private sealed class Mismatch
    {
        public double AbsSum, AbsMax, WeightSum, WeightSquares, Weights, K1, K3, Chi2Token, Chi2Sequence, TrainerPerplexity, SamplerPerplexity;
        public double WeightMin = double.PositiveInfinity, WeightMax = double.NegativeInfinity;
    }

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
        if (x.HasSampling && x.Tokens > 0)
            AddMismatch(x);
    }

    private void AddMismatch(RowBuffer x)
    {
        sampled = true;
        double logSum = 0, trainer = 0, sampler = 0;
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            double log = x.MismatchLog[t], rho = Transcendental.Exp(Math.Clamp(log, -20, 20)), w = x.MismatchWeight[t];
            mismatch.AbsSum += Math.Abs(log);
            mismatch.AbsMax = Math.Max(mismatch.AbsMax, Math.Abs(log));
            mismatch.K1 -= log;
            mismatch.K3 += rho - log - 1;
            mismatch.Chi2Token += rho * rho - 1;
            (logSum, trainer, sampler) = (logSum + log, trainer - x.Old[t], sampler - x.Sampling[t]);
            if (plan.Dialect != Dialect.Verl && plan.Mismatch is { WholeSequence: true } && t > 0)
                continue; // TRL counts one weight a row, verl repeats it at each token
            mismatch.WeightSum += w;
            mismatch.WeightSquares += w * w;
            mismatch.Weights++;
            (mismatch.WeightMin, mismatch.WeightMax) = (Math.Min(mismatch.WeightMin, w), Math.Max(mismatch.WeightMax, w));
        }
        double rho2 = Transcendental.Exp(2 * Math.Clamp(logSum, -20, 20)), n = x.Tokens + Objective.VerlEpsilon;
        mismatch.Chi2Sequence += rho2 - 1;
        mismatch.TrainerPerplexity += Transcendental.Exp(trainer / n);
        mismatch.SamplerPerplexity += Transcendental.Exp(sampler / n);
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
        if (!sampled || tokens == 0)
            return;
        m.Mean("sampling/sampling_logp_difference/mean", mismatch.AbsSum, tokens);
        m.Max("sampling/sampling_logp_difference/max", mismatch.AbsMax);
        if (plan.Mismatch is not null)
        {
            m.Mean("sampling/importance_sampling_ratio/mean", mismatch.WeightSum, mismatch.Weights);
            m.Min("sampling/importance_sampling_ratio/min", mismatch.WeightMin);
            m.Max("sampling/importance_sampling_ratio/max", mismatch.WeightMax);
        }
        MismatchDistances(m, "grpo.mismatch.");
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
        if (sampled && tokens > 0)
            MismatchDistances(m, "rollout_corr/");
    }

    /// <summary>verl's rollout_corr/*. Rows without tokens are left out of the means over rows, where verl counts each as identical policies.</summary>
    private void MismatchDistances(ObjectiveMetrics m, string prefix)
    {
        bool verl = plan.Dialect == Dialect.Verl;
        if (plan.Mismatch is not null && mismatch.Weights > 0)
        {
            m.Mean(prefix + "rollout_is_mean", mismatch.WeightSum, mismatch.Weights, verl);
            m.Mean(prefix + "rollout_is" + ObjectiveMetrics.SquareSuffix, mismatch.WeightSquares, mismatch.Weights, verl);
            m.Min(prefix + "rollout_is_min", mismatch.WeightMin);
            m.Max(prefix + "rollout_is_max", mismatch.WeightMax);
        }
        m.Mean(prefix + "kl", mismatch.K1, tokens, verl);
        m.Mean(prefix + "k3_kl", mismatch.K3, tokens, verl);
        m.Mean(prefix + "chi2_token", mismatch.Chi2Token, tokens, verl);
        m.Mean(prefix + "chi2_seq", mismatch.Chi2Sequence, nonEmptyRows);
        m.Mean(prefix + "training_ppl", mismatch.TrainerPerplexity, nonEmptyRows);
        m.Mean(prefix + "rollout_ppl", mismatch.SamplerPerplexity, nonEmptyRows);
    }
}
