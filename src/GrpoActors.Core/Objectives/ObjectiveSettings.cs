using System.Text.Json;
using GrpoActors.Core.Advantages;

namespace GrpoActors.Core.Objectives;

/// <summary>The settings of an objective under the names that TRL and verl give them, as JSON values.</summary>
public static class ObjectiveSettings
{
    private static readonly Dictionary<string, Func<ObjectiveOptions, JsonElement, ObjectiveOptions>> ByName = new(StringComparer.Ordinal)
    {
        ["beta"] = (o, v) => o with { Beta = v.GetDouble() },
        ["kl_loss_coef"] = (o, v) => o with { Beta = v.GetDouble() },
        ["kl_loss_type"] = (o, v) => o with { KlLossType = v.GetString() },
        ["use_bias_correction_kl"] = (o, v) => o with { UseBiasCorrectionKl = v.GetBoolean() },
        ["epsilon"] = (o, v) => o with { Epsilon = v.GetDouble() },
        ["epsilon_high"] = (o, v) => o with { EpsilonHigh = v.GetDouble() },
        ["clip_ratio"] = (o, v) => o with { Epsilon = o.Epsilon ?? v.GetDouble(), EpsilonHigh = o.EpsilonHigh ?? v.GetDouble() },
        ["clip_ratio_low"] = (o, v) => o with { Epsilon = v.GetDouble() },
        ["clip_ratio_high"] = (o, v) => o with { EpsilonHigh = v.GetDouble() },
        ["clip_ratio_c"] = (o, v) => o with { ClipRatioC = v.GetDouble() },
        ["delta"] = (o, v) => o with { Delta = v.GetDouble() },
        ["importance_sampling_level"] = (o, v) => o with { ImportanceSamplingLevel = Level(v.GetString()!) },
        ["scale_rewards"] = (o, v) => o with { ScaleRewards = Scale(v.GetString()!) },
        ["norm_adv_by_std_in_grpo"] = (o, v) => o with { ScaleRewards = v.GetBoolean() ? AdvantageScale.Group : AdvantageScale.None },
        ["top_entropy_quantile"] = (o, v) => o with { TopEntropyQuantile = v.GetDouble() },
        ["entropy_coef"] = (o, v) => o with { EntropyCoef = v.GetDouble() },
        ["entropy_coeff"] = (o, v) => o with { EntropyCoef = v.GetDouble() },
        ["off_policy_mask_threshold"] = (o, v) => o with { OffPolicyMaskThreshold = v.GetDouble() },
        ["loss_agg_mode"] = (o, v) => o with { LossAggMode = Aggregation(v.GetString()!) },
        ["loss_scale_factor"] = (o, v) => o with { LossScaleFactor = v.GetDouble() },
        ["max_completion_length"] = (o, v) => o with { MaxCompletionLength = v.GetInt32() },
        ["vllm_importance_sampling_mode"] = (o, v) => o with { ImportanceSamplingMode = v.GetString() },
        ["vllm_importance_sampling_clip_max"] = (o, v) => o with { ImportanceSamplingMax = v.GetDouble() },
        ["vllm_importance_sampling_cap"] = (o, v) => o with { ImportanceSamplingMax = v.GetDouble() },
        ["vllm_importance_sampling_clip_min"] = (o, v) => o with { ImportanceSamplingMin = v.GetDouble() },
        ["rollout_is"] = (o, v) => o with { ImportanceSamplingMode = v.GetString() },
        ["rollout_is_threshold"] = Threshold,
        ["rollout_is_batch_normalize"] = (o, v) => o with { ImportanceSamplingBatchNormalize = v.GetBoolean() },
        ["rollout_rs"] = (o, v) => o with { RolloutRs = v.GetString() },
        ["rollout_rs_threshold"] = (o, v) => o with { RolloutRsThreshold = v.ToString() },
        ["tau_pos"] = (o, v) => o with { TauPos = v.GetDouble() },
        ["tau_neg"] = (o, v) => o with { TauNeg = v.GetDouble() },
        ["sapo_temperature_pos"] = (o, v) => o with { TauPos = v.GetDouble() },
        ["sapo_temperature_neg"] = (o, v) => o with { TauNeg = v.GetDouble() },
        ["vespo_k_pos"] = (o, v) => o with { VespoKPos = v.GetDouble() },
        ["vespo_lambda_pos"] = (o, v) => o with { VespoLambdaPos = v.GetDouble() },
        ["vespo_k_neg"] = (o, v) => o with { VespoKNeg = v.GetDouble() },
        ["vespo_lambda_neg"] = (o, v) => o with { VespoLambdaNeg = v.GetDouble() },
        ["dro_beta"] = (o, v) => o with { DroBeta = v.GetDouble() },
        ["kl_cov_ratio"] = (o, v) => o with { CovRatio = v.GetDouble() },
        ["clip_cov_ratio"] = (o, v) => o with { CovRatio = v.GetDouble() },
        ["clip_cov_lb"] = (o, v) => o with { ClipCovLb = v.GetDouble() },
        ["clip_cov_ub"] = (o, v) => o with { ClipCovUb = v.GetDouble() },
        ["ppo_kl_coef"] = (o, v) => o with { PpoKlCoef = v.GetDouble() },
        ["use_decoupled_loss"] = (o, v) => o with { Decoupled = v.GetBoolean() },
        ["kl_in_reward"] = (o, v) => o with { KlInReward = v.GetDouble() },
        ["kl_penalty"] = (o, v) => o with { KlPenalty = v.GetString() },
        ["target_kl"] = (o, v) => o with { TargetKl = v.GetDouble() },
        ["horizon"] = (o, v) => o with { KlHorizon = v.GetDouble() },
        ["use_adaptive_entropy"] = (o, v) => o with { UseAdaptiveEntropy = v.GetBoolean() },
        ["entropy_target"] = (o, v) => o with { EntropyTarget = v.GetDouble() },
        ["entropy_coef_delta"] = (o, v) => o with { EntropyCoefDelta = v.GetDouble() },
        ["entropy_coef_min"] = (o, v) => o with { EntropyCoefMin = v.GetDouble() },
        ["entropy_coef_max"] = (o, v) => o with { EntropyCoefMax = v.GetDouble() },
        ["sync_ref_model"] = (o, v) => o with { SyncRefModel = v.GetBoolean() },
        ["ref_model_mixup_alpha"] = (o, v) => o with { RefModelMixupAlpha = v.GetDouble() },
        ["ref_model_sync_steps"] = (o, v) => o with { RefModelSyncSteps = v.GetInt32() },
        ["advantage_epsilon"] = (o, v) => o with { AdvantageEpsilon = v.GetDouble() },
        ["population_std"] = (o, v) => o with { PopulationStd = v.GetBoolean() },
        ["gamma"] = (o, v) => o with { Gamma = v.GetDouble() },
        ["lam"] = (o, v) => o with { Lam = v.GetDouble() },
        ["advantage_clip"] = (o, v) => o with { AdvantageClip = v.GetDouble() },
        ["seed"] = (o, v) => o with { Seed = v.GetUInt64() },
    };

    /// <summary>Every name, sorted. Where the two libraries differ, both are here.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. ByName.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The options with one more setting; null leaves its default.</summary>
    /// <exception cref="ArgumentException">The name is not known, or the value is of another kind or none of the choices.</exception>
    public static ObjectiveOptions Set(ObjectiveOptions options, string name, JsonElement value)
    {
        if (!ByName.TryGetValue(name, out var set))
            throw new ArgumentException($"The setting '{name}' of an objective is not known, expected one of {string.Join(", ", Names)}.");
        try
        {
            return value.ValueKind == JsonValueKind.Null ? options : set(options, value);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw new ArgumentException($"{name} is {value.GetRawText()}, which is not the kind of value that it takes.", e);
        }
    }

    internal static AggregationForm Aggregation(string name) => name switch
    {
        "token-mean" => AggregationForm.TokenMean,
        "token-sum" => AggregationForm.TokenSum,
        "seq-mean-token-mean" => AggregationForm.SequenceMeanTokenMean,
        "seq-mean-token-sum" => AggregationForm.SequenceMeanTokenSum,
        "seq-mean-token-sum-norm" => AggregationForm.SequenceMeanTokenSumNorm,
        _ => throw new ArgumentException($"loss_agg_mode is '{name}', expected token-mean, token-sum, seq-mean-token-mean, seq-mean-token-sum or seq-mean-token-sum-norm."),
    };

    private static ObjectiveOptions Threshold(ObjectiveOptions o, JsonElement v)
    {
        double[] bounds = [.. v.ToString().Split('_').Select(double.Parse)];
        return o with { ImportanceSamplingMax = bounds[^1], ImportanceSamplingMin = bounds.Length > 1 ? bounds[0] : null };
    }

    private static RatioLevel Level(string name) => name switch
    {
        "token" => RatioLevel.Token,
        "sequence" => RatioLevel.SequenceMean,
        "sequence_sum" => RatioLevel.SequenceSum,
        _ => throw new ArgumentException($"importance_sampling_level is '{name}', expected token, sequence or sequence_sum."),
    };

    private static AdvantageScale Scale(string name) => name switch
    {
        "group" => AdvantageScale.Group,
        "batch" => AdvantageScale.Batch,
        "none" => AdvantageScale.None,
        _ => throw new ArgumentException($"scale_rewards is '{name}', expected group, batch or none."),
    };
}
