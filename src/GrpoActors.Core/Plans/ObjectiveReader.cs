using System.Collections.Immutable;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using Keys = GrpoActors.Core.Plans.ObjectiveSchema;

namespace GrpoActors.Core.Plans;

/// <summary>The loss of a grpo phase: what is written, filled up with what the dialect and the objective say.</summary>
internal static class ObjectiveReader
{
    /// <summary>A number of the objective: its setting, where it goes, and what the finished plan has there; null there: the plan has no use for it.</summary>
    /// <param name="Fix">What to do about a number that has no use.</param>
    private sealed record Number(Setting<double> Setting, Func<ObjectiveOptions, double?, ObjectiveOptions> Put, Func<ObjectivePlan, double?> In, string Fix = "Remove it.");

    private const string NeedsMode = "Set vllm_importance_sampling_mode too, or remove it.", NeedsAdaptive = "Set use_adaptive_entropy to true, or remove it.";

    private static readonly ImmutableArray<Number> Numbers =
    [
        new(Keys.Epsilon, (o, x) => o with { Epsilon = x }, plan => Clip(plan).Low),
        new(Keys.EpsilonHigh, (o, x) => o with { EpsilonHigh = x }, plan => Clip(plan).High),
        new(Keys.Delta, (o, x) => o with { Delta = x }, plan => (plan.Surrogate as Surrogate.Clip)?.Delta),
        new(Keys.ClipRatioC, (o, x) => o with { ClipRatioC = x }, plan => plan.Surrogate is Surrogate.Dppo dppo ? dppo.Cap : (plan.Surrogate as Surrogate.Clip)?.DualClip),
        new(Keys.LossScaleFactor, (o, x) => o with { LossScaleFactor = x }, plan => plan.Aggregation.Form == AggregationForm.SequenceMeanTokenSumNorm ? plan.Aggregation.Norm : null, "Set loss_agg_mode to seq-mean-token-sum-norm, or remove it."),
        new(Keys.SapoTemperaturePos, (o, x) => o with { TauPos = x }, plan => (plan.Surrogate as Surrogate.Sapo)?.TauPositive),
        new(Keys.SapoTemperatureNeg, (o, x) => o with { TauNeg = x }, plan => (plan.Surrogate as Surrogate.Sapo)?.TauNegative),
        new(Keys.VespoKPos, (o, x) => o with { VespoKPos = x }, plan => (plan.Surrogate as Surrogate.Vespo)?.KPositive),
        new(Keys.VespoLambdaPos, (o, x) => o with { VespoLambdaPos = x }, plan => (plan.Surrogate as Surrogate.Vespo)?.LambdaPositive),
        new(Keys.VespoKNeg, (o, x) => o with { VespoKNeg = x }, plan => (plan.Surrogate as Surrogate.Vespo)?.KNegative),
        new(Keys.VespoLambdaNeg, (o, x) => o with { VespoLambdaNeg = x }, plan => (plan.Surrogate as Surrogate.Vespo)?.LambdaNegative),
        new(Keys.DroBeta, (o, x) => o with { DroBeta = x }, plan => (plan.Surrogate as Surrogate.Dro)?.Beta),
        new(Keys.KlCovRatio, (o, x) => o with { CovRatio = x ?? o.CovRatio }, plan => (plan.Surrogate as Surrogate.KlCov)?.Ratio),
        new(Keys.PpoKlCoef, (o, x) => o with { PpoKlCoef = x }, plan => (plan.Surrogate as Surrogate.KlCov)?.Coefficient),
        new(Keys.ClipCovRatio, (o, x) => o with { CovRatio = x ?? o.CovRatio }, plan => (plan.Surrogate as Surrogate.ClipCov)?.Ratio),
        new(Keys.ClipCovLb, (o, x) => o with { ClipCovLb = x }, plan => (plan.Surrogate as Surrogate.ClipCov)?.Min),
        new(Keys.ClipCovUb, (o, x) => o with { ClipCovUb = x }, plan => (plan.Surrogate as Surrogate.ClipCov)?.Max),
        new(Keys.AdvantageEpsilon, (o, x) => o with { AdvantageEpsilon = x }, plan => plan.Advantages.DividesByDeviation ? plan.Advantages.Epsilon : null),
        new(Keys.AdvantageClip, (o, x) => o with { AdvantageClip = x }, plan => plan.Advantages.ClipAt),
        new(Keys.Gamma, (o, x) => o with { Gamma = x }, plan => plan.Advantages.Estimator == AdvantageEstimator.ReinforcePlusPlus ? plan.Advantages.Gamma : null, "Set adv_estimator to reinforce_plus_plus, or remove it."),
        new(Keys.Beta, (o, x) => o with { Beta = x }, plan => plan.Kl.Coefficient),
        new(Keys.KlInReward, (o, x) => o with { KlInReward = x }, plan => plan.KlInReward?.Coefficient ?? 0),
        new(Keys.TargetKl, (o, x) => o with { TargetKl = x }, plan => plan.AdaptiveKl?.Target),
        new(Keys.Horizon, (o, x) => o with { KlHorizon = x }, plan => plan.AdaptiveKl?.Horizon, "Set target_kl too, or remove it."),
        new(Keys.RefModelMixupAlpha, (o, x) => o with { RefModelMixupAlpha = x }, plan => plan.Reference.EverySteps > 0 ? plan.Reference.Alpha : null, "Set sync_ref_model to true, or remove it."),
        new(Keys.EntropyCoef, (o, x) => o with { EntropyCoef = x }, plan => plan.Entropy.Coefficient),
        new(Keys.EntropyTarget, (o, x) => o with { EntropyTarget = x }, plan => plan.AdaptiveEntropy?.Target, NeedsAdaptive),
        new(Keys.EntropyCoefDelta, (o, x) => o with { EntropyCoefDelta = x }, plan => plan.AdaptiveEntropy?.Delta, NeedsAdaptive),
        new(Keys.EntropyCoefMin, (o, x) => o with { EntropyCoefMin = x }, plan => plan.AdaptiveEntropy?.Min, NeedsAdaptive),
        new(Keys.EntropyCoefMax, (o, x) => o with { EntropyCoefMax = x }, plan => plan.AdaptiveEntropy?.Max, NeedsAdaptive),
        new(Keys.TopEntropyQuantile, (o, x) => o with { TopEntropyQuantile = x }, plan => plan.Entropy.TopQuantile),
        new(Keys.ImportanceSamplingMax, (o, x) => o with { ImportanceSamplingMax = x }, plan => plan.Mismatch?.Max, NeedsMode),
        new(Keys.ImportanceSamplingMin, (o, x) => o with { ImportanceSamplingMin = x }, plan => plan.Mismatch?.Min, NeedsMode),
        new(Keys.OffPolicyMaskThreshold, (o, x) => o with { OffPolicyMaskThreshold = x }, plan => plan.OffPolicyMaskThreshold),
    ];

    public static ObjectivePlan Read(SectionReader phase, Dialect dialect, int completionMax)
    {
        string name = phase.Get(Keys.Objective);
        var options = new ObjectiveOptions
        {
            ImportanceSamplingLevel = Written(phase, Keys.ImportanceSamplingLevel),
            LossAggMode = Written(phase, Keys.LossAggMode),
            AdvEstimator = Written(phase, Keys.AdvEstimator),
            ScaleRewards = Written(phase, Keys.ScaleRewards),
            PopulationStd = phase.Get(Keys.PopulationStd),
            KlLossType = phase.Get(Keys.KlLossType),
            UseBiasCorrectionKl = phase.Get(Keys.UseBiasCorrectionKl),
            KlPenalty = phase.Get(Keys.KlPenalty),
            SyncRefModel = phase.Get(Keys.SyncRefModel),
            RefModelSyncSteps = Written(phase, Keys.RefModelSyncSteps),
            UseAdaptiveEntropy = phase.Get(Keys.UseAdaptiveEntropy),
            ImportanceSamplingMode = phase.Given(Keys.ImportanceSamplingMode, out string mode) ? mode : null,
            ImportanceSamplingBatchNormalize = phase.Get(Keys.ImportanceSamplingBatchNormalize),
            RolloutRs = phase.Get(Keys.RolloutRs),
            RolloutRsThreshold = phase.Get(Keys.RolloutRsThreshold),
            Decoupled = phase.Get(Keys.UseDecoupledLoss),
            MaxCompletionLength = completionMax,
        };
        options = CheckRejection(phase, Numbers.Aggregate(options, (o, number) => number.Put(o, Written(phase, number.Setting))));
        ObjectivePlan plan = ObjectivePlan.For(dialect, name, options);
        Show(phase, plan);
        CheckChoices(phase, plan, ObjectivePlan.For(dialect, name, options with { ImportanceSamplingLevel = null, ScaleRewards = null }));
        CheckAdvantages(phase, plan);
        CheckReference(phase, plan);
        CheckMismatch(phase, plan);
        if (plan.AdaptiveEntropy is { } adaptive && adaptive.Min > adaptive.Max)
        {
            phase.Wrong(Keys.EntropyCoefMin, $"is {RealForm.Number(adaptive.Min)}, which exceeds entropy_coef_max ({RealForm.Number(adaptive.Max)}).", "Exchange them.");
        }

        return plan;
    }

    /// <summary>Records what the plan says of the settings, and reports those that the objective has no use for.</summary>
    private static void Show(SectionReader phase, ObjectivePlan plan)
    {
        string dialect = plan.Dialect.ToString().ToLowerInvariant(), how = $"{plan.Name} in dialect {dialect}";
        foreach (Number number in Numbers)
        {
            double? value = number.In(plan);
            if (value is null && phase.Given(number.Setting, out double written))
            {
                phase.Wrong(number.Setting, $"is {RealForm.Number(written)}, but objective {plan.Name} (dialect {dialect}), as it is set here, has no such number.", number.Fix);
            }
            else if (value is not null || phase.Has(number.Setting))
            {
                phase.Get(number.Setting, value ?? 0, how);
            }
        }

        phase.Get(Keys.ImportanceSamplingLevel, plan.Ratio.Level, how);
        phase.Get(Keys.LossAggMode, plan.Aggregation.Form, how);
        phase.Get(Keys.AdvEstimator, plan.Advantages.Estimator, how);
        phase.Get(Keys.ScaleRewards, plan.Advantages.Scale, how);
        phase.Get(Keys.ImportanceSamplingMode, plan.Mismatch is null ? "off" : "token", plan.Mismatch is null ? "" : Keys.UseDecoupledLoss.Key);
        if (plan.Reference.EverySteps > 0)
        {
            phase.Get(Keys.RefModelSyncSteps, plan.Reference.EverySteps, how);
        }
    }

    /// <summary>Choices and flags that would change nothing, as the rest is set.</summary>
    /// <param name="bare">The plan with what the objective and the dialect say of those that have no default of their own.</param>
    private static void CheckChoices(SectionReader phase, ObjectivePlan plan, ObjectivePlan bare)
    {
        bool penalised = plan.Kl.Coefficient != 0;
        string named = $"objective {plan.Name}", estimated = $"adv_estimator {Keys.AdvEstimator.Form.Show(plan.Advantages.Estimator).Trim('"')}";
        (string noPenalty, string setBeta) = penalised ? ($"the KL penalty of {named} is one of whole outputs", "Remove it.") : ("beta is 0: there is no KL penalty in the loss", "Set beta too, or remove it.");
        Idle(phase, Keys.KlLossType, Keys.KlLossType.DefaultIn(plan.Dialect), penalised, noPenalty, setBeta);
        Idle(phase, Keys.UseBiasCorrectionKl, Keys.UseBiasCorrectionKl.DefaultIn(plan.Dialect), penalised && !plan.Kl.WholeOutput, noPenalty, setBeta);
        Idle(phase, Keys.KlPenalty, Keys.KlPenalty.DefaultIn(plan.Dialect), plan.KlInReward is not null, "kl_in_reward is 0: there is no penalty in the reward", "Set kl_in_reward too, or remove it.");
        Idle(phase, Keys.PopulationStd, false, plan.Advantages.DividesByDeviation, $"{estimated}, as it is set here, divides by no deviation", "Remove it.");

        bool hasRatio = plan.Surrogate is not (Surrogate.LogProb or Surrogate.Dro or Surrogate.Vespo or Surrogate.GeometricMean) || (penalised && plan.Kl is { BiasCorrected: true, WholeOutput: false });
        Idle(phase, Keys.ImportanceSamplingLevel, bare.Ratio.Level, hasRatio, $"{named} takes no level: it has no ratio, or one of its own", "Remove it.");

        bool scales = plan.Advantages is { Estimator: AdvantageEstimator.Grpo or AdvantageEstimator.ProcessSupervision }
            or { Estimator: AdvantageEstimator.PassAtK, Scale: not AdvantageScale.Batch }
            or { Estimator: AdvantageEstimator.LeaveOneOut or AdvantageEstimator.Gpg or AdvantageEstimator.Opo, Scale: AdvantageScale.None }; // true of them
        Idle(phase, Keys.ScaleRewards, bare.Advantages.Scale, scales, $"{estimated} has its own scale", "Remove it.");

        // verl forces the form of some policy losses; loss_agg_mode is then that of the penalty and the bonus alone.
        bool aggregates = phase.Given(Keys.LossAggMode, out AggregationForm form)
            && (form == plan.Aggregation.Form || (penalised && form == plan.SideAggregation.Form) || (HasBonus(plan) && form == plan.EntropyAggregation?.Form));
        Idle(phase, Keys.LossAggMode, plan.Aggregation.Form, aggregates, $"{named} always is {Keys.LossAggMode.Form.Show(plan.Aggregation.Form)} in dialect {plan.Dialect.ToString().ToLowerInvariant()}", "Remove it.");
    }

    private static bool HasBonus(ObjectivePlan plan) => plan.Entropy.Coefficient != 0 || plan.AdaptiveEntropy is not null;

    /// <summary>Reports a setting that nothing reads, unless it says what holds <paramref name="anyway"/>: a run file may write what it may leave out.</summary>
    private static void Idle<T>(SectionReader phase, Setting<T> setting, T anyway, bool used, string reason, string fix)
    {
        if (!used && phase.Given(setting, out T written) && !EqualityComparer<T>.Default.Equals(written, anyway))
        {
            phase.Wrong(setting, $"is {setting.Form.Show(written)}, but {reason}.", fix);
        }
    }

    private static void CheckAdvantages(SectionReader phase, ObjectivePlan plan)
    {
        if (plan.Advantages.Missing is { } missing)
        {
            phase.Wrong(Keys.AdvEstimator, $"is {Keys.AdvEstimator.Form.Show(plan.Advantages.Estimator)}, which needs {missing}: a run has none.",
                "Use grpo, rloo or reinforce_plus_plus; the estimator itself is AdvantageEstimation.Estimate.");
        }

        if (plan is { KlInReward: not null, Advantages.Estimator: AdvantageEstimator.Gdpo })
        {
            phase.Wrong(Keys.KlInReward, $"is {RealForm.Number(plan.KlInReward.Coefficient)}, but adv_estimator gdpo normalises each reward function by itself, and the penalty is none of them.", "Use beta, or another adv_estimator.");
        }
    }

    private static void CheckReference(SectionReader phase, ObjectivePlan plan)
    {
        if (plan.AdaptiveKl is not null && plan.KlCoefficient == 0)
        {
            phase.Wrong(Keys.TargetKl, $"is {RealForm.Number(plan.AdaptiveKl.Target)}, but the coefficient that it moves starts at 0 and would stay there.", "Set beta or kl_in_reward above 0.");
        }

        if (plan.Reference.EverySteps > 0 && !plan.NeedsReference)
        {
            phase.Wrong(Keys.SyncRefModel, "is true, but no reference is kept: beta and kl_in_reward are 0.", "Set one of them, or remove it.");
        }
        else if (plan.Reference.EverySteps == 0 && phase.Given(Keys.RefModelSyncSteps, out int every))
        {
            phase.Wrong(Keys.RefModelSyncSteps, $"is {every}, but sync_ref_model is false.", "Set sync_ref_model to true, or remove it.");
        }
    }

    private static void CheckMismatch(SectionReader phase, ObjectivePlan plan)
    {
        if (plan.Mismatch is null && phase.Given(Keys.ImportanceSamplingBatchNormalize, out bool normalise) && normalise)
        {
            phase.Wrong(Keys.ImportanceSamplingBatchNormalize, "is true, but there are no weights.", NeedsMode);
        }

        if (plan.Mismatch is { } bounds && bounds.Min > bounds.Max)
        {
            phase.Wrong(Keys.ImportanceSamplingMin, $"is {RealForm.Number(bounds.Min)}, which exceeds vllm_importance_sampling_clip_max ({RealForm.Number(bounds.Max)}).", "Exchange them.");
        }
    }

    /// <summary>Rules and their bounds belong together; without them where they do not fit.</summary>
    private static ObjectiveOptions CheckRejection(SectionReader phase, ObjectiveOptions options)
    {
        string? problem = (options.RolloutRs, options.RolloutRsThreshold) switch
        {
            (null, not null) => "is given without rollout_rs.",
            (not null, null) => "is missing beside rollout_rs.",
            (null, null) => null,
            _ => ObjectiveDefaults.ProblemOfRejections(options),
        };
        if (problem is null)
        {
            return options;
        }

        if (!phase.Sound(Keys.RolloutRs, Keys.RolloutRsThreshold))
        {
            return options with { RolloutRs = null }; // one of them has been reported
        }

        phase.Wrong(Keys.RolloutRsThreshold, problem, "Give rollout_rs rules, and rollout_rs_threshold one bound for all of them or one for each.");
        return options with { RolloutRs = null };
    }

    private static (double? Low, double? High) Clip(ObjectivePlan plan) => plan.Surrogate switch
    {
        Surrogate.Clip x => (x.Low, x.High),
        Surrogate.Cispo x => plan.Dialect == Dialect.Trl ? (null, x.Max) : (1 - x.Min, x.Max - 1),
        Surrogate.GeometricMean x => (x.Low, x.High),
        Surrogate.Dppo x => (x.Low, x.High),
        Surrogate.ClipCov x => (x.Low, x.High),
        _ => (null, null),
    };

    private static T? Written<T>(SectionReader phase, Setting<T> setting)
        where T : struct => phase.Given(setting, out T value) ? value : null;
}
