using GrpoActors.Core.Advantages;

namespace GrpoActors.Core.Objectives;

/// <summary>Settings of an objective under TRL's or verl's names; null takes the default of the dialect and the objective.</summary>
public sealed record ObjectiveOptions
{
    /// <summary>TRL <c>beta</c>, verl <c>kl_loss_coef</c>; &gt;= 0.</summary>
    public double? Beta { get; init; }

    /// <summary>TRL <c>epsilon</c>, verl <c>clip_ratio_low</c> (and <c>clip_ratio</c>).</summary>
    public double? Epsilon { get; init; }

    /// <summary>TRL <c>epsilon_high</c>, verl <c>clip_ratio_high</c>; TRL's cispo: the cap itself.</summary>
    public double? EpsilonHigh { get; init; }

    /// <summary>TRL <c>delta</c>.</summary>
    public double? Delta { get; init; }

    /// <summary>verl <c>clip_ratio_c</c>; &gt; 1; infinity is off.</summary>
    public double? ClipRatioC { get; init; }

    /// <summary>TRL <c>importance_sampling_level</c>.</summary>
    public RatioLevel? ImportanceSamplingLevel { get; init; }

    /// <summary>TRL <c>scale_rewards</c>; verl <c>norm_adv_by_std_in_grpo</c>.</summary>
    public AdvantageScale? ScaleRewards { get; init; }

    /// <summary>verl <c>loss_agg_mode</c>; in every dialect, instead of the objective's own.</summary>
    public AggregationForm? LossAggMode { get; init; }

    /// <summary>verl <c>loss_scale_factor</c>.</summary>
    public double? LossScaleFactor { get; init; }

    /// <summary>TRL <c>max_completion_length</c>, verl <c>max_response_length</c>; 512.</summary>
    public int? MaxCompletionLength { get; init; }

    /// <summary>verl <c>kl_loss_type</c>: k1 (kl), abs, k2 (mse), k3 (low_var_kl), with or without "+".</summary>
    public string? KlLossType { get; init; }

    /// <summary>TRL <c>use_bias_correction_kl</c>; true by default since TRL 1.10.</summary>
    public bool? UseBiasCorrectionKl { get; init; }

    /// <summary>TRL <c>entropy_coef</c>, verl <c>entropy_coeff</c>.</summary>
    public double? EntropyCoef { get; init; }

    /// <summary>TRL <c>top_entropy_quantile</c>; (0, 1].</summary>
    public double? TopEntropyQuantile { get; init; }

    /// <summary>TRL <c>off_policy_mask_threshold</c>.</summary>
    public double? OffPolicyMaskThreshold { get; init; }

    /// <summary>TRL <c>vllm_importance_sampling_mode</c> (token_truncate, token_mask, sequence_truncate, sequence_mask) or verl <c>rollout_is</c> (token, sequence); off; by default off, with <see cref="Decoupled"/> token.</summary>
    public string? ImportanceSamplingMode { get; init; }

    /// <summary>TRL <c>vllm_importance_sampling_clip_max</c> (3.0), verl <c>rollout_is_threshold</c> (2.0).</summary>
    public double? ImportanceSamplingMax { get; init; }

    /// <summary>TRL <c>vllm_importance_sampling_clip_min</c>; in verl, the lower number of "lo_hi", which turns truncation into masking.</summary>
    public double? ImportanceSamplingMin { get; init; }

    /// <summary>verl <c>rollout_is_batch_normalize</c>.</summary>
    public bool? ImportanceSamplingBatchNormalize { get; init; }

    /// <summary>verl <c>rollout_rs</c>: comma separated {token, seq_sum, seq_mean, seq_max}_{k1, k2, k3}.</summary>
    public string? RolloutRs { get; init; }

    /// <summary>verl <c>rollout_rs_threshold</c>: one number, or one per rule; "lo_hi" for k1.</summary>
    public string? RolloutRsThreshold { get; init; }

    /// <summary>Decoupled objective: the ratio divides by the proximal policy (AReaL <c>use_decoupled_loss</c>), and proximal / behaviour weighs each token, cut at <see cref="ImportanceSamplingMax"/>, unless <see cref="ImportanceSamplingMode"/> says otherwise.</summary>
    /// <remarks>verl's decoupled mode has weights where <c>rollout_is</c> asks for them: none in its configuration files, sequence in its class, token and 2 in its preset <c>decoupled_token_is</c>, which is ours.</remarks>
    public bool? Decoupled { get; init; }

    /// <summary>TRL <c>sapo_temperature_pos</c> (1.0), verl <c>tau_pos</c> (1.0).</summary>
    public double? TauPos { get; init; }

    /// <summary>TRL <c>sapo_temperature_neg</c> (1.05), verl <c>tau_neg</c> (1.05).</summary>
    public double? TauNeg { get; init; }

    /// <summary>TRL <c>vespo_k_pos</c> 2, <c>vespo_lambda_pos</c> 3, <c>vespo_k_neg</c> 3, <c>vespo_lambda_neg</c> 2.</summary>
    public double? VespoKPos { get; init; }

    /// <inheritdoc cref="VespoKPos"/>
    public double? VespoLambdaPos { get; init; }

    /// <inheritdoc cref="VespoKPos"/>
    public double? VespoKNeg { get; init; }

    /// <inheritdoc cref="VespoKPos"/>
    public double? VespoLambdaNeg { get; init; }

    /// <summary>verl <c>dro_beta</c>; &gt; 0; 0.1.</summary>
    public double? DroBeta { get; init; }

    /// <summary>verl <c>kl_cov_ratio</c> or <c>clip_cov_ratio</c>; 0.0002.</summary>
    public double? CovRatio { get; init; }

    /// <summary>verl <c>ppo_kl_coef</c>; 1.</summary>
    public double? PpoKlCoef { get; init; }

    /// <summary>verl <c>clip_cov_lb</c>; 1.</summary>
    public double? ClipCovLb { get; init; }

    /// <summary>verl <c>clip_cov_ub</c>; 5.</summary>
    public double? ClipCovUb { get; init; }

    /// <summary>Keys clip-cov's draw; 0.</summary>
    public ulong? Seed { get; init; }

    /// <summary>verl <c>kl_ctrl.kl_coef</c> with <c>use_kl_in_reward</c>, TRL's RLOO <c>beta</c>: a penalty in the reward; null or 0 is none.</summary>
    public double? KlInReward { get; init; }

    /// <summary>verl <c>kl_penalty</c>; k1.</summary>
    public string? KlPenalty { get; init; }

    /// <summary>verl <c>kl_ctrl.target_kl</c>: makes the KL coefficient adaptive; 0.1.</summary>
    public double? TargetKl { get; init; }

    /// <summary>verl <c>kl_ctrl.horizon</c>; 10,000.</summary>
    public double? KlHorizon { get; init; }

    /// <summary>TRL <c>use_adaptive_entropy</c>.</summary>
    public bool? UseAdaptiveEntropy { get; init; }

    /// <summary>TRL <c>entropy_target</c> 0.2, <c>entropy_coef_delta</c> 0.005, <c>entropy_coef_min</c> 0, <c>entropy_coef_max</c> 1.</summary>
    public double? EntropyTarget { get; init; }

    /// <inheritdoc cref="EntropyTarget"/>
    public double? EntropyCoefDelta { get; init; }

    /// <inheritdoc cref="EntropyTarget"/>
    public double? EntropyCoefMin { get; init; }

    /// <inheritdoc cref="EntropyTarget"/>
    public double? EntropyCoefMax { get; init; }

    /// <summary>TRL <c>sync_ref_model</c>.</summary>
    public bool? SyncRefModel { get; init; }

    /// <summary>TRL <c>ref_model_mixup_alpha</c>; 0.6.</summary>
    public double? RefModelMixupAlpha { get; init; }

    /// <summary>TRL <c>ref_model_sync_steps</c>; 512.</summary>
    public int? RefModelSyncSteps { get; init; }

    /// <summary>Bound of the advantages, ours; none by default.</summary>
    public double? AdvantageClip { get; init; }

    /// <summary>verl <c>adv_estimator</c>.</summary>
    public AdvantageEstimator? AdvEstimator { get; init; }

    /// <summary>Added to a deviation before dividing; TRL 1e-4, verl 1e-6.</summary>
    public double? AdvantageEpsilon { get; init; }

    /// <summary>Deviations divide by n (TRL's asynchronous trainer) instead of n - 1; ours.</summary>
    public bool? PopulationStd { get; init; }

    /// <summary>verl <c>gamma</c>; 1.</summary>
    public double? Gamma { get; init; }

    /// <summary>verl <c>lam</c>; 1.</summary>
    public double? Lam { get; init; }
}
