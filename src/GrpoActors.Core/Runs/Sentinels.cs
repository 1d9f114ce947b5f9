using System.Collections.Immutable;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>
/// Watch a step's outcome before it is committed. The verdict is a pure function of the run's state and the step's outputs, so a run that is killed
/// and started again comes to the same one; what is journalled (RolledBack, RunEnded) is applied in recovery and never judged again.
/// </summary>
public static class Sentinels
{
    /// <summary>What the smoothed reward gives to the newest step.</summary>
    public const double RewardSmoothing = 0.1;

    /// <summary>Metrics that must be finite whatever the plan says.</summary>
    private static readonly string[] AlwaysFinite = ["loss", "grad_norm", "kl", "actor/kl_loss", "entropy", "actor/entropy", "reward", "completions/mean_length"];

    /// <summary>The strongest of what the plan's rules demand of this outcome; of equals the first.</summary>
    /// <param name="run">The state before the step is committed.</param>
    public static Verdict Judge(RunState run, StepOutputs outputs)
    {
        SentinelPlan plan = run.Plan.Sentinels ?? SentinelPlan.None;
        foreach (string name in AlwaysFinite)
        {
            if (outputs[name] is { } value && !double.IsFinite(value))
            {
                return new(plan.NotFinite, $"{name} is {value}", []);
            }
        }

        Verdict verdict = Verdict.Fine;
        var warnings = ImmutableArray.CreateBuilder<Metric>();
        SentinelHistory history = run.Watched.After(outputs);
        foreach (SentinelRule rule in plan.Rules)
        {
            if (Observed(rule.Kind, run.Watched, history, outputs) is not { } observed || !Trips(rule, observed))
            {
                continue;
            }

            string reason = $"{Name(rule.Kind)} is {observed:R} and may be {(rule.Kind == SentinelKind.EntropyCollapse ? "no less" : "no more")} than {rule.Threshold:R}";
            warnings.Add(new Metric($"sentinel/{MetricName(rule.Kind)}", observed));
            if (rule.Action > verdict.Action || verdict.Reason.Length == 0)
            {
                verdict = new(rule.Action, reason, []);
            }
        }

        return verdict with { Warnings = warnings.ToImmutable() };
    }

    /// <summary>What the rule compares with its threshold; null where this step does not tell.</summary>
    private static double? Observed(SentinelKind kind, SentinelHistory before, SentinelHistory after, StepOutputs outputs) => kind switch
    {
        SentinelKind.Loss => outputs["loss"] is { } loss ? Math.Abs(loss) : null,
        SentinelKind.GradNorm => outputs["grad_norm"],
        SentinelKind.Kl => outputs["kl"] ?? outputs["actor/kl_loss"],
        SentinelKind.EntropyCollapse => outputs["entropy"] ?? outputs["actor/entropy"],
        SentinelKind.RewardCollapse => outputs["reward"] is null ? null : after.BestReward - after.SmoothedReward,
        SentinelKind.LengthBlowUp => outputs["completions/mean_length"] is { } length && before.FirstLength is { } first ? length / first : null,
        _ => throw new InvalidOperationException($"Unknown sentinel {kind}."),
    };

    private static bool Trips(SentinelRule rule, double observed) => rule.Kind == SentinelKind.EntropyCollapse ? observed < rule.Threshold : observed > rule.Threshold;

    private static string Name(SentinelKind kind) => kind switch
    {
        SentinelKind.Loss => "the size of the loss",
        SentinelKind.GradNorm => "the gradient norm",
        SentinelKind.Kl => "the KL divergence from the reference",
        SentinelKind.EntropyCollapse => "the entropy",
        SentinelKind.RewardCollapse => "the fall of the smoothed reward from its best",
        _ => "the mean length of completions, as a multiple of the phase's first step,",
    };

    private static string MetricName(SentinelKind kind) => kind switch
    {
        SentinelKind.Loss => "loss",
        SentinelKind.GradNorm => "grad_norm",
        SentinelKind.Kl => "kl",
        SentinelKind.EntropyCollapse => "entropy_collapse",
        SentinelKind.RewardCollapse => "reward_collapse",
        _ => "length_blow_up",
    };
}

/// <param name="Reason">Of the strongest rule that tripped; empty where none did.</param>
/// <param name="Warnings">What each rule that tripped saw; goes into the step's metrics as <c>sentinel/...</c>.</param>
public sealed record Verdict(SentinelAction Action, string Reason, ImmutableArray<Metric> Warnings)
{
    public static Verdict Fine { get; } = new(SentinelAction.Warn, "", []);
}

/// <summary>What the rules that compare with the past need of it; part of the fold, from the journalled metrics. Starts anew with each phase.</summary>
/// <param name="SmoothedReward">Exponential mean of the step's mean reward.</param>
/// <param name="BestReward">The highest that the smoothed reward has been.</param>
/// <param name="FirstLength">Mean completion length of the phase's first step.</param>
public sealed record SentinelHistory(double? SmoothedReward, double? BestReward, double? FirstLength)
{
    public static SentinelHistory Nothing { get; } = new(null, null, null);

    public SentinelHistory After(StepOutputs outputs)
    {
        double? smoothed = SmoothedReward;
        if (outputs["reward"] is { } reward && double.IsFinite(reward))
        {
            smoothed = SmoothedReward is { } before ? ((1 - Sentinels.RewardSmoothing) * before) + (Sentinels.RewardSmoothing * reward) : reward;
        }

        double? best = smoothed is { } now && !(BestReward >= now) ? now : BestReward;
        return new(smoothed, best, FirstLength ?? outputs["completions/mean_length"]);
    }

    /// <summary>After a rollback the reward starts from its best, or the rule would trip again before anything was learned.</summary>
    public SentinelHistory Recovered() => this with { SmoothedReward = BestReward };
}

/// <summary>A version that a rollback may return to.</summary>
/// <param name="Reference">As in <see cref="StepInputs.ReferenceVersion"/>.</param>
public sealed record RollbackPoint(long Step, Digest Policy, PolicyVersion? Reference);
