namespace GrpoActors.Core.Objectives;

/// <summary>How far what the trainer says of tokens lies from what the sampler said of them, summed over the rows of an update: verl's <c>rollout_corr/*</c>.</summary>
/// <remarks>
/// rho = trainer / sampler of a token. KL(sampler, trainer) is estimated by k1 = -log rho and k3 = rho - 1 - log rho, chi-square by rho^2 - 1 of a token and of a row's product;
/// the effective sample size, a share in (0, 1], is mean(w)^2 / mean(w^2) of the weights w: those that the objective applies, or rho itself where it applies none (verl has no such metric then).
/// Logs are cut to [-20, 20] before they are raised, as in verl. Rows without tokens are left out of the means over rows, where verl counts each as identical policies.
/// </remarks>
public sealed class MismatchSums(Dialect dialect)
{
    private readonly bool verl = dialect == Dialect.Verl;
    private long tokens, rows;
    private double absSum, absMax, k1, k3, chi2Token, chi2Sequence, trainerPerplexity, samplerPerplexity;
    private double weights, weightSum, weightSquares, weightMin = double.PositiveInfinity, weightMax = double.NegativeInfinity;

    /// <summary>Adds a row of an objective that applies no weights.</summary>
    /// <param name="trainer">Shape [T]: log-probs under the policy that the update starts from.</param>
    /// <param name="sampler">Shape [T]: log-probs that the sampler recorded.</param>
    public void Add(ReadOnlySpan<float> trainer, ReadOnlySpan<float> sampler)
    {
        var row = new Row();
        for (int t = 0; t < trainer.Length; t++)
            AddWeight(AddToken(ref row, trainer[t], sampler[t]));
        Close(row);
    }

    internal void Add(RowBuffer x, MismatchPart? part)
    {
        var row = new Row();
        for (int t = 0; t < x.Length; t++)
        {
            if (!x.Mask[t])
                continue;
            double rho = AddToken(ref row, x.Old[t], x.Sampling[t]);
            if (verl || part is not { WholeSequence: true } || t == 0)
                AddWeight(part is null ? rho : x.MismatchWeight[t]); // TRL counts one weight a row, verl repeats it at each token
        }
        Close(row);
    }

    private struct Row
    {
        public int Tokens;
        public double Log, Trainer, Sampler;
    }

    private double AddToken(ref Row row, double trainer, double sampler)
    {
        double log = trainer - sampler, rho = Transcendental.Exp(Math.Clamp(log, -20, 20));
        absSum += Math.Abs(log);
        absMax = Math.Max(absMax, Math.Abs(log));
        k1 -= log;
        k3 += rho - log - 1;
        chi2Token += rho * rho - 1;
        (row.Tokens, row.Log, row.Trainer, row.Sampler) = (row.Tokens + 1, row.Log + log, row.Trainer - trainer, row.Sampler - sampler);
        return rho;
    }

    private void AddWeight(double weight)
    {
        weights++;
        weightSum += weight;
        weightSquares += weight * weight;
        (weightMin, weightMax) = (Math.Min(weightMin, weight), Math.Max(weightMax, weight));
    }

    private void Close(Row row)
    {
        if (row.Tokens == 0)
            return;
        (tokens, rows) = (tokens + row.Tokens, rows + 1);
        double n = row.Tokens + Objective.VerlEpsilon;
        chi2Sequence += Transcendental.Exp(2 * Math.Clamp(row.Log, -20, 20)) - 1;
        trainerPerplexity += Transcendental.Exp(row.Trainer / n);
        samplerPerplexity += Transcendental.Exp(row.Sampler / n);
    }

    /// <summary>The metrics, under the names of the dialect: <c>rollout_corr/</c> in verl, else <c>grpo.mismatch.</c>; none before a token was added.</summary>
    public ObjectiveMetrics Metrics()
    {
        var m = new ObjectiveMetrics();
        Name(m);
        return m;
    }

    internal void Name(ObjectiveMetrics m)
    {
        if (tokens == 0)
            return;
        string prefix = verl ? "rollout_corr/" : "grpo.mismatch.";
        if (weights > 0)
        {
            m.Mean(prefix + "rollout_is_mean", weightSum, weights, verl);
            m.Mean(prefix + "rollout_is" + ObjectiveMetrics.SquareSuffix, weightSquares, weights, verl);
            m.Min(prefix + "rollout_is_min", weightMin);
            m.Max(prefix + "rollout_is_max", weightMax);
        }
        m.Mean(prefix + "kl", k1, tokens, verl);
        m.Mean(prefix + "k3_kl", k3, tokens, verl);
        m.Mean(prefix + "chi2_token", chi2Token, tokens, verl);
        m.Mean(prefix + "chi2_seq", chi2Sequence, rows);
        m.Mean(prefix + "training_ppl", trainerPerplexity, rows);
        m.Mean(prefix + "rollout_ppl", samplerPerplexity, rows);
    }

    /// <summary>TRL's names for the same: of the differences, and of the weights where there are any.</summary>
    internal void NameTrl(ObjectiveMetrics m, bool weighted)
    {
        if (tokens == 0)
            return;
        m.Mean("sampling/sampling_logp_difference/mean", absSum, tokens);
        m.Max("sampling/sampling_logp_difference/max", absMax);
        if (weighted && weights > 0)
        {
            m.Mean("sampling/importance_sampling_ratio/mean", weightSum, weights);
            m.Min("sampling/importance_sampling_ratio/min", weightMin);
            m.Max("sampling/importance_sampling_ratio/max", weightMax);
        }
    }
}
