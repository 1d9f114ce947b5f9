using GrpoActors.Core.Objectives;
using Keys = GrpoActors.Core.Plans.RunSchema.Phase;

namespace GrpoActors.Core.Plans;

/// <summary>The loss of a grpo phase: what is written, filled up with what the dialect and the objective say.</summary>
internal static class ObjectiveReader
{
    public static ObjectivePlan Read(SectionReader phase, Dialect dialect, int completionMax)
    {
        string name = phase.Get(Keys.Objective);
        var options = new ObjectiveOptions
        {
            Beta = Written(phase, Keys.Beta),
            Epsilon = Written(phase, Keys.Epsilon),
            EpsilonHigh = Written(phase, Keys.EpsilonHigh),
            Delta = Written(phase, Keys.Delta),
            ClipRatioC = Written(phase, Keys.ClipRatioC),
            ImportanceSamplingLevel = Written(phase, Keys.ImportanceSamplingLevel),
            ScaleRewards = Written(phase, Keys.ScaleRewards),
            LossAggMode = Written(phase, Keys.LossAggMode),
            KlLossType = phase.Get(Keys.KlLossType),
            UseBiasCorrectionKl = phase.Get(Keys.UseBiasCorrectionKl),
            MaxCompletionLength = completionMax,
        };
        ObjectivePlan plan = ObjectivePlan.For(dialect, name, options);
        if (Written(phase, Keys.AdvEstimator) is { } estimator)
        {
            plan = plan with { Advantages = plan.Advantages with { Estimator = estimator } };
        }

        Show(phase, plan, $"{name} in dialect {dialect.ToString().ToLowerInvariant()}");
        return plan;
    }

    /// <summary>Records what the plan says of the settings, and reports those that are wrong or that the objective has no use for.</summary>
    private static void Show(SectionReader phase, ObjectivePlan plan, string how)
    {
        var (low, high, delta, dual) = plan.Surrogate switch
        {
            Surrogate.Clip x => (x.Low, x.High, x.Delta, x.DualClip),
            Surrogate.Cispo x => (plan.Dialect == Dialect.Trl ? null : 1 - x.Min, plan.Dialect == Dialect.Trl ? x.Max : x.Max - 1, null, null),
            Surrogate.GeometricMean x => (x.Low, x.High, null, null),
            Surrogate.Dppo x => (x.Low, x.High, null, x.Cap),
            _ => ((double?)null, (double?)null, (double?)null, (double?)null),
        };
        phase.Get(Keys.Beta, plan.Kl.Coefficient, how);
        Bound(phase, Keys.Epsilon, low, plan, how);
        Bound(phase, Keys.EpsilonHigh, high, plan, how);
        Bound(phase, Keys.Delta, delta, plan, how);
        Bound(phase, Keys.ClipRatioC, dual, plan, how);
        phase.Get(Keys.ImportanceSamplingLevel, plan.Ratio.Level, how);
        phase.Get(Keys.LossAggMode, plan.Aggregation.Form, how);
        phase.Get(Keys.AdvEstimator, plan.Advantages.Estimator, how);
        phase.Get(Keys.ScaleRewards, plan.Advantages.Scale, how);
    }

    private static void Bound(SectionReader phase, Setting<double> setting, double? value, ObjectivePlan plan, string how)
    {
        if (value is null && phase.Given(setting, out double written))
        {
            phase.Wrong(setting, $"is {RealForm.Number(written)}, but objective {plan.Name} (dialect {plan.Dialect.ToString().ToLowerInvariant()}) has no such bound.", "Remove it.");
        }
        else if (value is not null || phase.Has(setting))
        {
            phase.Get(setting, value ?? 0, how);
        }
    }

    private static T? Written<T>(SectionReader phase, Setting<T> setting)
        where T : struct => phase.Given(setting, out T value) ? value : null;
}
