namespace GrpoActors.Core.Objectives;

/// <summary>Whose defaults, clamps, counting rules and metric names an objective follows.</summary>
public enum Dialect
{
    /// <summary>Hugging Face TRL (1.16).</summary>
    Trl,

    /// <summary>verl (1dda039).</summary>
    Verl,

    /// <summary>The paper that introduced the objective; metric names as TRL.</summary>
    Paper,
}

/// <summary>What the probabilities of the current and the old policy are compared over.</summary>
public enum RatioLevel
{
    /// <summary>exp(d_t), d_t = current - old log-prob of token t. TRL <c>importance_sampling_level: token</c>.</summary>
    Token,

    /// <summary>exp(mean of d over the row), one number a row. TRL <c>importance_sampling_level: sequence</c>; GSPO, arXiv:2507.18071.</summary>
    SequenceMean,

    /// <summary>exp(sum of d over the row): the ratio of whole outputs (DeepSeek-R1 as printed, TRL's RLOO trainer).</summary>
    SequenceSum,

    /// <summary>The value of <see cref="SequenceMean"/>, the gradient of the token's own log-prob (verl's GSPO, GSPO-token).</summary>
    SequenceMeanHeld,
}

/// <summary>The probability ratio c.</summary>
/// <param name="LogMin">Lower clamp of the log-ratio; the gradient is 0 beyond it. verl -20, TRL none.</param>
/// <param name="LogMax">Upper clamp. verl 20 (GSPO 10), TRL none.</param>
public sealed record RatioPart(RatioLevel Level, double LogMin = double.NegativeInfinity, double LogMax = double.PositiveInfinity);

/// <summary>The loss of a token before weights: what ties ratio and advantage together. A is the advantage, c the ratio, p the log-prob, sg a stop-gradient.</summary>
public abstract record Surrogate
{
    private Surrogate() { }

    /// <summary>-min(min(c, Delta) A, clamp(c, 1 - Low, 1 + High) A); with DualClip and A &lt; 0 at most -DualClip A. PPO, arXiv:1707.06347; dual clip arXiv:1912.09729.</summary>
    /// <param name="Low">TRL <c>epsilon</c>, verl <c>clip_ratio_low</c>.</param>
    /// <param name="High">TRL <c>epsilon_high</c>, verl <c>clip_ratio_high</c>.</param>
    /// <param name="Delta">TRL <c>delta</c>: cap of the unclipped branch.</param>
    /// <param name="DualClip">verl <c>clip_ratio_c</c>; &gt; 1.</param>
    public sealed record Clip(double Low, double High, double? Delta, double? DualClip) : Surrogate;

    /// <summary>-sg(clamp(c, Min, Max)) A p. CISPO, arXiv:2506.13585; TRL has Max = <c>epsilon_high</c> and no Min, verl [1 - low, 1 + high].</summary>
    public sealed record Cispo(double Min, double Max) : Surrogate;

    /// <summary>-A sigmoid(tau (c - 1)) 4 / tau, tau by the sign of A. SAPO, arXiv:2511.20347; TRL <c>sapo_temperature_pos/neg</c>, verl <c>tau_pos/neg</c>.</summary>
    public sealed record Sapo(double TauPositive, double TauNegative) : Surrogate;

    /// <summary>-sg(phi) A p, phi = exp(lambda + k log w - lambda w), w the ratio of whole outputs, (k, lambda) by the sign of A. VESPO, arXiv:2602.10693; TRL <c>vespo_*</c>.</summary>
    public sealed record Vespo(double KPositive, double LambdaPositive, double KNegative, double LambdaNegative) : Surrogate;

    /// <summary>-mean(A) exp(mean of d, each clipped on its harmful side to [-Low, High]), one number a row. GMPO, arXiv:2507.20673; verl <c>geo_mean</c>.</summary>
    public sealed record GeometricMean(double Low, double High) : Surrogate;

    /// <summary>-A p: REINFORCE; GPG, arXiv:2504.02546.</summary>
    public sealed record LogProb : Surrogate;

    /// <summary>-c A: the policy gradient with an unclipped ratio.</summary>
    public sealed record Unclipped : Surrogate;

    /// <summary>-(p A - beta d^2 / 2). DRO, arXiv:2405.19107; verl <c>dro_beta</c>.</summary>
    public sealed record Dro(double Beta) : Surrogate;

    /// <summary>-sg(min(c, Cap)) A p where the probability moved by at most Low / High in the direction of A, else 0. DPPO, arXiv:2602.04879.</summary>
    /// <param name="Divergence">Total variation or KL of the two-way choice "this token or another".</param>
    public sealed record Dppo(BinaryDivergence Divergence, double Low, double High, double Cap) : Surrogate;

    /// <summary>-c A, plus Coefficient |d| on the share Ratio of tokens with the largest covariance of advantage and log-prob. arXiv:2505.22617; verl <c>kl_cov</c>.</summary>
    public sealed record KlCov(double Ratio, double Coefficient) : Surrogate;

    /// <summary>PPO's clip, and no gradient on a random share Ratio of the tokens whose covariance lies between Min and Max. arXiv:2505.22617; verl <c>clip_cov</c>.</summary>
    /// <param name="Seed">Keys the draw: the same tokens whatever the micro-batches. verl draws from a global generator.</param>
    public sealed record ClipCov(double Ratio, double Min, double Max, double Low, double High, ulong Seed) : Surrogate;
}

/// <summary>How DPPO measures how far a token's probability moved.</summary>
public enum BinaryDivergence
{
    TotalVariation,
    Kl,
}

/// <summary>Estimators of KL(current, reference) from one sample; d = p - reference. Schulman, http://joschu.net/blog/kl-approx.html.</summary>
public enum KlForm
{
    /// <summary>d. verl <c>k1</c>, <c>kl</c>.</summary>
    K1,

    /// <summary>|d|. verl <c>abs</c>.</summary>
    Abs,

    /// <summary>d^2 / 2. verl <c>k2</c>, <c>mse</c>.</summary>
    K2,

    /// <summary>exp(-d) + d - 1. verl <c>k3</c>, <c>low_var_kl</c>.</summary>
    K3,
}

/// <summary>The KL penalty to a reference policy, added to the loss.</summary>
/// <param name="Coefficient">TRL <c>beta</c>, verl <c>kl_loss_coef</c>; 0 switches the part off and no reference log-probs are needed.</param>
public sealed record KlPart(double Coefficient, KlForm Form)
{
    /// <summary>verl's suffix "+": the value of <see cref="Form"/> with the gradient of k2.</summary>
    public bool StraightThrough { get; init; }

    /// <summary>k3: -d is cut to [-InputClamp, InputClamp]. verl 20, TRL none.</summary>
    public double InputClamp { get; init; } = double.PositiveInfinity;

    /// <summary>k3: the estimate is cut to [-OutputClamp, OutputClamp]. verl 10, TRL none.</summary>
    public double OutputClamp { get; init; } = double.PositiveInfinity;

    /// <summary>Multiplies the estimate with the ratio c, gradient included, which makes the gradient unbiased. DeepSeek-V3.2, arXiv:2512.02556; TRL <c>use_bias_correction_kl</c>.</summary>
    public bool BiasCorrected { get; init; }

    /// <summary>One estimate a row from the log-probs of the whole output (DeepSeek-R1 as printed), instead of one a token.</summary>
    public bool WholeOutput { get; init; }
}

/// <summary>Entropy bonus, subtracted from the loss.</summary>
/// <param name="Coefficient">TRL <c>entropy_coef</c>, verl <c>entropy_coeff</c>; 0 is off.</param>
public sealed record EntropyPart(double Coefficient)
{
    /// <summary>TRL <c>top_entropy_quantile</c>: only the share of tokens with the highest entropy teaches (arXiv:2506.01939); 1 is off.
    /// The loss still divides by all tokens.</summary>
    public double TopQuantile { get; init; } = 1;
}

/// <summary>How weights for the mismatch between the sampler's policy and the trainer's are cut.</summary>
public enum MismatchCut
{
    /// <summary>Clamped into [Min, Max] (truncated importance sampling).</summary>
    Truncate,

    /// <summary>0 outside [Min, Max] (IcePop, masked importance sampling).</summary>
    Mask,
}

/// <summary>Importance weights w = old / sampling: what the trainer said of the tokens against what the sampler said. No gradient.</summary>
/// <param name="WholeSequence">One weight a row (product over its tokens) instead of one a token.</param>
/// <param name="Max">Upper bound. TRL <c>vllm_importance_sampling_clip_max</c> 3.0, verl <c>rollout_is_threshold</c> 2.0.</param>
public sealed record MismatchPart(bool WholeSequence, MismatchCut Cut, double Max)
{
    /// <summary>Lower bound; 0 is none.</summary>
    public double Min { get; init; }

    /// <summary>The log of a weight is cut to [-LogClamp, LogClamp] first. verl 20, TRL none.</summary>
    public double LogClamp { get; init; } = double.PositiveInfinity;

    /// <summary>Divides by the mean weight of the update. verl <c>rollout_is_batch_normalize</c>.</summary>
    public bool BatchNormalised { get; init; }
}

/// <summary>What a rejection rule measures of rho = old / sampling: k1 = -log rho, k2 = log^2 rho / 2, k3 = rho - 1 - log rho.</summary>
public enum RejectionStatistic
{
    K1,
    K2,
    K3,
}

/// <summary>What a rejection rule measures it over, and so what it rejects: a token, or a row by its sum, mean or maximum.</summary>
public enum RejectionLevel
{
    Token,
    SequenceSum,
    SequenceMean,
    SequenceMax,
}

/// <summary>Rejection of tokens or rows whose mismatch is too large: they leave the mask, and so the denominators. verl <c>rollout_rs</c>.</summary>
/// <param name="Max">Upper bound; of rho for k1 (compared as its log), of the statistic else.</param>
/// <param name="Min">k1 only: lower bound of rho; default 1 / Max.</param>
public sealed record RejectionPart(RejectionLevel Level, RejectionStatistic Statistic, double Max, double? Min = null);

/// <summary>What the loss of a row is divided by. n_i tokens in row i, N tokens and B rows in the whole optimiser update, L the longest completion allowed.</summary>
public enum AggregationForm
{
    /// <summary>1 / N. TRL <c>bnpo</c>, <c>dapo</c>; verl <c>token-mean</c>.</summary>
    /// <remarks>TRL's bnpo takes the mean of each micro-batch; here N is always the whole update's, so micro-batches change nothing.</remarks>
    TokenMean,

    /// <summary>1. verl <c>token-sum</c>.</summary>
    TokenSum,

    /// <summary>1 / (n_i B). TRL <c>grpo</c>, <c>sapo</c>; verl <c>seq-mean-token-mean</c>.</summary>
    SequenceMeanTokenMean,

    /// <summary>1 / B. TRL <c>luspo</c>; verl <c>seq-mean-token-sum</c>.</summary>
    SequenceMeanTokenSum,

    /// <summary>1 / (L B). TRL <c>dr_grpo</c>; verl <c>seq-mean-token-sum-norm</c>.</summary>
    SequenceMeanTokenSumNorm,
}

/// <summary>How token losses become one number; linear in them, so that micro-batches and workers add up.</summary>
public sealed record AggregationPart(AggregationForm Form)
{
    /// <summary>B counts rows with at least one token only (verl) instead of all (TRL).</summary>
    public bool NonEmptyRowsOnly { get; init; }

    /// <summary>Added to n_i: verl 1e-8; TRL 0.</summary>
    public double LengthEpsilon { get; init; }

    /// <summary>L: TRL <c>max_completion_length</c>; verl <c>loss_scale_factor</c>, by default its padded response length.</summary>
    public double Norm { get; init; } = 512;

    /// <summary>What each token loss of a row of <paramref name="tokens"/> tokens counts in the loss of the whole update.</summary>
    public double Weight(int tokens, StepTotals totals)
    {
        double rows = NonEmptyRowsOnly ? Math.Max(1, totals.NonEmptyRows) : Math.Max(1, totals.Rows);
        return tokens == 0 ? 0 : Form switch
        {
            AggregationForm.TokenMean => 1.0 / Math.Max(1, totals.Tokens),
            AggregationForm.TokenSum => 1,
            AggregationForm.SequenceMeanTokenMean => 1 / (tokens + LengthEpsilon) / rows,
            AggregationForm.SequenceMeanTokenSum => 1 / rows,
            _ => 1 / rows / Norm,
        };
    }
}
