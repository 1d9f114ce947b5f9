using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Plans;

/// <summary>The keys of a grpo phase that say what its loss is and how rewards become advantages: the second part of <see cref="RunSchema"/>.</summary>
internal static class ObjectiveSchema
{
    private const string ByObjective = "the objective's, in the dialect";

    private static readonly RealForm AtLeast0 = new(0), Above0 = new(0, aboveMin: true), From0To1 = new(0, 1), Share = new(0, 1, aboveMin: true);

    public static readonly Setting<string> Objective = new("objective", new ChoiceForm<string>([.. ObjectiveDefaults.Names.Select(name => (name, name))]),
        "What the loss is: TRL's loss_type or verl's loss_mode, and rloo, reinforce, r1. The dialect fills in its parts. Formulas: objectives.md.")
    { Synonym = "loss_type", DefaultByDialect = ("dapo", "vanilla", "grpo"), AlsoKnownAs = ["loss_mode", "policy_loss", "algorithm"] };

    // Ratio and clipping.

    public static readonly Setting<double> Epsilon = new("epsilon", AtLeast0, "The ratio is clipped below at 1 - epsilon.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Trl, AlsoKnownAs = ["clip_ratio", "clip_ratio_low", "cliprange", "eps_clip"] };

    public static readonly Setting<double> EpsilonHigh = new("epsilon_high", AtLeast0, "The ratio is clipped above at 1 + epsilon_high; cispo in dialect trl: the cap itself.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Trl, AlsoKnownAs = ["clip_ratio_high"] };

    public static readonly Setting<double> Delta = new("delta", Above0, "Upper bound of the ratio where it is not clipped; left out: none.") { DefaultInWords = "none", Origin = NameOrigin.Trl };

    public static readonly Setting<double> ClipRatioC = new("clip_ratio_c", new RealForm(1, aboveMin: true), "Dual clip: the loss of a negative advantage is at most this times its size. dppo: cap of the ratio.")
    { DefaultInWords = "3 in dialect verl, else none (dppo: 20)", Origin = NameOrigin.Verl };

    public static readonly Setting<RatioLevel> ImportanceSamplingLevel = new("importance_sampling_level",
        new ChoiceForm<RatioLevel>(("token", RatioLevel.Token), ("sequence", RatioLevel.SequenceMean), ("sequence_sum", RatioLevel.SequenceSum), ("sequence_held", RatioLevel.SequenceMeanHeld)),
        "What the ratio compares: a token, a completion by its mean (GSPO), by its sum (whole outputs), or by its mean with the gradient of the token (verl's GSPO).")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Trl };

    public static readonly Setting<AggregationForm> LossAggMode = new("loss_agg_mode",
        new ChoiceForm<AggregationForm>(
            ("token-mean", AggregationForm.TokenMean), ("token-sum", AggregationForm.TokenSum), ("seq-mean-token-mean", AggregationForm.SequenceMeanTokenMean),
            ("seq-mean-token-sum", AggregationForm.SequenceMeanTokenSum), ("seq-mean-token-sum-norm", AggregationForm.SequenceMeanTokenSumNorm)),
        "How token losses become one number, in every dialect.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Verl, AlsoKnownAs = ["aggregation", "loss_aggregation"] };

    public static readonly Setting<double> LossScaleFactor = new("loss_scale_factor", Above0, "What seq-mean-token-sum-norm (dr_grpo) divides a completion's sum by.")
    { DefaultInWords = "max_completion_length", Origin = NameOrigin.Verl };

    // Parameters of single objectives.

    public static readonly Setting<double> SapoTemperaturePos = new("sapo_temperature_pos", Above0, "sapo: steepness of the gate where the advantage is positive.")
    { DefaultInWords = "1", Origin = NameOrigin.Trl, Synonym = "tau_pos" };

    public static readonly Setting<double> SapoTemperatureNeg = new("sapo_temperature_neg", Above0, "sapo: the same where it is not.")
    { DefaultInWords = "1.05", Origin = NameOrigin.Trl, Synonym = "tau_neg" };

    public static readonly Setting<double> VespoKPos = new("vespo_k_pos", AtLeast0, "vespo: power of the weight where the advantage is not negative.") { DefaultInWords = "2", Origin = NameOrigin.Trl };

    public static readonly Setting<double> VespoLambdaPos = new("vespo_lambda_pos", AtLeast0, "vespo: decay of the weight there.") { DefaultInWords = "3", Origin = NameOrigin.Trl };

    public static readonly Setting<double> VespoKNeg = new("vespo_k_neg", AtLeast0, "vespo: power where the advantage is negative.") { DefaultInWords = "3", Origin = NameOrigin.Trl };

    public static readonly Setting<double> VespoLambdaNeg = new("vespo_lambda_neg", AtLeast0, "vespo: decay there.") { DefaultInWords = "2", Origin = NameOrigin.Trl };

    public static readonly Setting<double> DroBeta = new("dro_beta", Above0, "dro: weight of the squared log-ratio.") { DefaultInWords = "0.1", Origin = NameOrigin.Verl };

    public static readonly Setting<double> KlCovRatio = new("kl_cov_ratio", Share, "kl_cov: share of the update's tokens, those with the largest covariance, that are penalised.") { DefaultInWords = "0.0002", Origin = NameOrigin.Verl };

    public static readonly Setting<double> PpoKlCoef = new("ppo_kl_coef", AtLeast0, "kl_cov: coefficient of that penalty.") { DefaultInWords = "1", Origin = NameOrigin.Verl };

    public static readonly Setting<double> ClipCovRatio = new("clip_cov_ratio", Share, "clip_cov: share of the update's tokens, drawn from those of middling covariance, that teach nothing.") { DefaultInWords = "0.0002", Origin = NameOrigin.Verl };

    public static readonly Setting<double> ClipCovLb = new("clip_cov_lb", new RealForm(), "clip_cov: covariance above which a token may be drawn.") { DefaultInWords = "1", Origin = NameOrigin.Verl };

    public static readonly Setting<double> ClipCovUb = new("clip_cov_ub", new RealForm(), "clip_cov: and below which.") { DefaultInWords = "5", Origin = NameOrigin.Verl };

    // KL.

    public static readonly Setting<double> Beta = new("beta", AtLeast0, "Coefficient of the KL penalty in the loss, to the policy that the phase begins with; 0: none.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Trl, AlsoKnownAs = ["kl_loss_coef", "kl_coefficient", "init_kl_coef", "use_kl_loss"] };

    public static readonly Setting<string> KlLossType = new("kl_loss_type", Estimator(("k1+", "k1+"), ("abs+", "abs+"), ("k2+", "k2+"), ("k3+", "k3+")),
        "Estimator of the KL penalty in the loss; + takes its value with the gradient of k2.")
    { Default = "k3", Origin = NameOrigin.Verl, AlsoKnownAs = ["kl_estimator"] };

    public static readonly Setting<bool> UseBiasCorrectionKl = new("use_bias_correction_kl", new FlagForm(), "Multiply the KL estimate with the ratio, which makes its gradient unbiased (DeepSeek-V3.2, arXiv:2512.02556).")
    { DefaultByDialect = (true, false, false), Origin = NameOrigin.Trl };

    public static readonly Setting<double> KlInReward = new("kl_in_reward", AtLeast0,
        "Coefficient of a KL penalty that is taken off the rewards before advantages are estimated: off each token's in dialects verl and paper (verl: use_kl_in_reward, kl_ctrl.kl_coef), off the completion's in dialect trl (TRL's RLOO trainer: beta 0.05); 0: none.")
    { DefaultInWords = "0", AlsoKnownAs = ["use_kl_in_reward", "kl_coef", "kl_ctrl"] };

    public static readonly Setting<string> KlPenalty = new("kl_penalty", Estimator(), "Estimator of the KL penalty in the reward.") { Default = "k1", Origin = NameOrigin.Verl };

    public static readonly Setting<double> TargetKl = new("target_kl", Above0,
        "Moves the KL coefficient (of the reward where kl_in_reward is set, else beta) after each step towards this divergence, in nats a token: c (1 + clamp(kl / target_kl - 1, -0.2, 0.2) completions / horizon). Left out: it is fixed.")
    { DefaultInWords = "none", Origin = NameOrigin.Verl };

    public static readonly Setting<double> Horizon = new("horizon", Above0, "Completions over which an error of the adaptive KL coefficient is made up for.")
    { DefaultInWords = "10000", Origin = NameOrigin.Verl, AlsoKnownAs = ["kl_horizon"] };

    public static readonly Setting<bool> SyncRefModel = new("sync_ref_model", new FlagForm(), "Draw the reference policy to the current one now and then (TR-DPO, arXiv:2404.09656); false: it is frozen.")
    { Default = false, Origin = NameOrigin.Trl };

    public static readonly Setting<int> RefModelSyncSteps = new("ref_model_sync_steps", new WholeForm<int>(1, int.MaxValue), "Steps of the phase between two of these; TRL counts optimiser updates.")
    { DefaultInWords = "512", Origin = NameOrigin.Trl };

    public static readonly Setting<double> RefModelMixupAlpha = new("ref_model_mixup_alpha", Share, "Share of the current policy: reference = alpha current + (1 - alpha) reference; 1 copies.")
    { DefaultInWords = "0.6", Origin = NameOrigin.Trl };

    // Entropy.

    public static readonly Setting<double> EntropyCoef = new("entropy_coef", AtLeast0, "Coefficient of the entropy bonus; with use_adaptive_entropy, where it starts.")
    { DefaultInWords = "0", Origin = NameOrigin.Trl, Synonym = "entropy_coeff" };

    public static readonly Setting<bool> UseAdaptiveEntropy = new("use_adaptive_entropy", new FlagForm(),
        "Raise the coefficient after a step whose entropy was at or below entropy_target, else lower it; it applies only after such a step (Skywork-OR1, arXiv:2505.22312).")
    { Default = false, Origin = NameOrigin.Trl };

    public static readonly Setting<double> EntropyTarget = new("entropy_target", AtLeast0, "Entropy below which the adaptive bonus applies, nats a token.") { DefaultInWords = "0.2", Origin = NameOrigin.Trl };

    public static readonly Setting<double> EntropyCoefDelta = new("entropy_coef_delta", AtLeast0, "How far the adaptive coefficient moves in a step.") { DefaultInWords = "0.005", Origin = NameOrigin.Trl };

    public static readonly Setting<double> EntropyCoefMin = new("entropy_coef_min", AtLeast0, "Its lower bound.") { DefaultInWords = "0", Origin = NameOrigin.Trl };

    public static readonly Setting<double> EntropyCoefMax = new("entropy_coef_max", AtLeast0, "Its upper bound.") { DefaultInWords = "1", Origin = NameOrigin.Trl };

    public static readonly Setting<double> TopEntropyQuantile = new("top_entropy_quantile", Share, "Only this share of the update's tokens, those with the highest entropy, teaches (arXiv:2506.01939); denominators stay. Below 1 it costs a forward pass more.")
    { DefaultInWords = "1", Origin = NameOrigin.Trl };

    // Mismatch of sampler and learner, staleness.

    public static readonly Setting<string> ImportanceSamplingMode = new("vllm_importance_sampling_mode",
        new ChoiceForm<string>([.. new[] { "off", "token", "sequence", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask" }.Select(mode => (mode, mode))]),
        "Weights old / sampled, of a token or of a whole completion, truncated to the bounds (TIS) or 0 outside of them (IcePop, masked); token and sequence mask where a lower bound is given, else truncate. Costs a forward pass. In this engine sampler and learner agree to the last bit, so at lag 0 every weight is 1.")
    { DefaultInWords = "off; with use_decoupled_loss token", Origin = NameOrigin.Trl, Synonym = "rollout_is", AlsoKnownAs = ["vllm_importance_sampling_correction", "use_tis", "tis", "importance_sampling_mode"] };

    public static readonly Setting<double> ImportanceSamplingMax = new("vllm_importance_sampling_clip_max", Above0, "Upper bound of these weights; of proximal / behaviour with use_decoupled_loss.")
    { DefaultInWords = "3; in dialect verl 2", Origin = NameOrigin.Trl, Synonym = "rollout_is_threshold", AlsoKnownAs = ["vllm_importance_sampling_cap", "tis_clip"] };

    public static readonly Setting<double> ImportanceSamplingMin = new("vllm_importance_sampling_clip_min", AtLeast0, "Lower bound (verl: the first number of \"lo_hi\").")
    { DefaultInWords = "none", Origin = NameOrigin.Trl };

    public static readonly Setting<bool> ImportanceSamplingBatchNormalize = new("rollout_is_batch_normalize", new FlagForm(), "Divide the weights by their mean over the update.") { Default = false, Origin = NameOrigin.Verl };

    private const string Rule = "(token|seq_sum|seq_mean|seq_max)_k[123]", Bound = @"[0-9.]+(_[0-9.]+)?";

    public static readonly Setting<string> RolloutRs = new("rollout_rs", new TextForm("rules like \"token_k1,seq_mean_k3\": token, seq_sum, seq_mean or seq_max, then k1, k2 or k3", $@"\A{Rule}(\s*,\s*{Rule})*\z"),
        "Rejection: tokens or completions whose mismatch is outside the threshold leave the mask and the denominators.")
    { DefaultInWords = "none", Origin = NameOrigin.Verl };

    public static readonly Setting<string> RolloutRsThreshold = new("rollout_rs_threshold", new TextForm("a number above 0 for all rules, or one for each, \"2.0,0.01\"; lo_hi for k1, \"0.5_2.0\"", $@"\A{Bound}(\s*,\s*{Bound})*\z"),
        "Bounds of rollout_rs: of the ratio for k1, of the statistic else.")
    { DefaultInWords = "none", Origin = NameOrigin.Verl };

    public static readonly Setting<double> OffPolicyMaskThreshold = new("off_policy_mask_threshold", AtLeast0,
        "Completions with a negative advantage teach nothing once the mean of sampled - current log-prob exceeds this (DeepSeek-V3.2, arXiv:2512.02556).")
    { DefaultInWords = "none", Origin = NameOrigin.Trl };

    public static readonly Setting<bool> UseDecoupledLoss = new("use_decoupled_loss", new FlagForm(),
        "The ratio divides by the policy that the step starts from, and the weights are that one / the one that sampled, of each token unless vllm_importance_sampling_mode says otherwise (AReaL, arXiv:2505.24298). For lag above 0; costs a forward pass.")
    { Default = false, AlsoKnownAs = ["decoupled"] };

    // Advantages.

    public static readonly Setting<AdvantageEstimator> AdvEstimator = new("adv_estimator",
        new ChoiceForm<AdvantageEstimator>(("grpo", AdvantageEstimator.Grpo), ("rloo", AdvantageEstimator.LeaveOneOut), ("gpg", AdvantageEstimator.Gpg), ("grpo_passk", AdvantageEstimator.PassAtK),
            ("opo", AdvantageEstimator.Opo), ("gdpo", AdvantageEstimator.Gdpo), ("reinforce_plus_plus", AdvantageEstimator.ReinforcePlusPlus), ("reinforce_plus_plus_baseline", AdvantageEstimator.ReinforcePlusPlusBaseline),
            ("remax", AdvantageEstimator.ReMax), ("gae", AdvantageEstimator.Gae), ("process_supervision", AdvantageEstimator.ProcessSupervision)),
        "How rewards become advantages. grpo: less the group's mean, divided as scale_rewards says; rloo: less the mean of the others; gpg: less the mean, scaled by the share of rewards that are not 0; grpo_passk: only the best of a group; opo: less the mean weighted by length; gdpo: each reward function normalised by itself, then their sum over the batch; reinforce_plus_plus: whitened over the batch's tokens; reinforce_plus_plus_baseline: the same, less the group's mean. remax, gae and process_supervision are refused with the reason.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Verl, AlsoKnownAs = ["advantage_estimator", "advantage", "multi_objective_aggregation"] };

    public static readonly Setting<AdvantageScale> ScaleRewards = new("scale_rewards", new ChoiceForm<AdvantageScale>(("group", AdvantageScale.Group), ("batch", AdvantageScale.Batch), ("none", AdvantageScale.None)) { Flags = (AdvantageScale.Group, AdvantageScale.None) },
        "What advantages are divided by: the deviation of the group, of the batch, or nothing; true is group and false none, as in TRL.")
    { DefaultInWords = ByObjective, Origin = NameOrigin.Trl, AlsoKnownAs = ["norm_adv_by_std_in_grpo"] };

    public static readonly Setting<double> AdvantageEpsilon = new("advantage_epsilon", AtLeast0, "Added to a deviation before dividing by it; with 0, a group without spread gets 0.")
    { DefaultInWords = "1e-4; in dialect verl 1e-6, in paper 0", AlsoKnownAs = ["adv_eps", "std_eps"] };

    public static readonly Setting<bool> PopulationStd = new("population_std", new FlagForm(), "Deviations divide by n (TRL's asynchronous trainer, GRPO-Zero), not by n - 1.") { Default = false };

    public static readonly Setting<double> AdvantageClip = new("advantage_clip", Above0, "Advantages are cut to [-advantage_clip, advantage_clip] at the end.")
    { DefaultInWords = "none", AlsoKnownAs = ["clip_advantages", "adv_clip"] };

    public static readonly Setting<double> Gamma = new("gamma", From0To1, "reinforce_plus_plus: discount of a token.") { DefaultInWords = "1", Origin = NameOrigin.Verl };

    public static readonly Section All = new("objective of a grpo phase",
        "The loss of a phase of kind grpo, and how rewards become advantages. A setting that the objective, as it is set, has no use for is an error, unless a choice or a flag says what holds anyway.",
    [
        Objective, Epsilon, EpsilonHigh, Delta, ClipRatioC, ImportanceSamplingLevel, LossAggMode, LossScaleFactor,
        SapoTemperaturePos, SapoTemperatureNeg, VespoKPos, VespoLambdaPos, VespoKNeg, VespoLambdaNeg, DroBeta, KlCovRatio, PpoKlCoef, ClipCovRatio, ClipCovLb, ClipCovUb,
        AdvEstimator, ScaleRewards, AdvantageEpsilon, PopulationStd, AdvantageClip, Gamma,
        Beta, KlLossType, UseBiasCorrectionKl, KlInReward, KlPenalty, TargetKl, Horizon, SyncRefModel, RefModelSyncSteps, RefModelMixupAlpha,
        EntropyCoef, UseAdaptiveEntropy, EntropyTarget, EntropyCoefDelta, EntropyCoefMin, EntropyCoefMax, TopEntropyQuantile,
        ImportanceSamplingMode, ImportanceSamplingMax, ImportanceSamplingMin, ImportanceSamplingBatchNormalize, RolloutRs, RolloutRsThreshold, OffPolicyMaskThreshold, UseDecoupledLoss,
    ]);

    private static ChoiceForm<string> Estimator(params (string, string)[] more) => new([("k1", "k1"), ("abs", "abs"), ("k2", "k2"), ("k3", "k3"), .. more]);
}
