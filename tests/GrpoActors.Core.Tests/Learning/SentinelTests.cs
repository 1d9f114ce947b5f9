using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Tests.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Learning;

public sealed class SentinelTests
{
    private static readonly SentinelPlan Watchful = new(
        SentinelAction.RollBack,
        [
            new SentinelRule(SentinelKind.GradNorm, 10, SentinelAction.RollBack),
            new SentinelRule(SentinelKind.Kl, 0.5, SentinelAction.Stop),
            new SentinelRule(SentinelKind.EntropyCollapse, 0.1, SentinelAction.Warn),
            new SentinelRule(SentinelKind.RewardCollapse, 0.25, SentinelAction.Stop),
            new SentinelRule(SentinelKind.LengthBlowUp, 3, SentinelAction.Warn),
        ],
        0, 0.5, 2);

    [Theory]
    [InlineData("loss", double.NaN)]
    [InlineData("loss", double.PositiveInfinity)]
    [InlineData("grad_norm", double.NaN)]
    [InlineData("kl", double.NegativeInfinity)]
    public void What_is_not_finite_stops_the_run_where_the_plan_says_nothing(string name, double value)
    {
        Verdict verdict = Sentinels.Judge(Fresh(null), Outputs((name, value)));
        Assert.Equal(SentinelAction.Stop, verdict.Action);
        Assert.Contains(name, verdict.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("grad_norm", 10, SentinelAction.Warn, false)]
    [InlineData("grad_norm", 10.5, SentinelAction.RollBack, true)]
    [InlineData("kl", 0.6, SentinelAction.Stop, true)]
    [InlineData("entropy", 0.1, SentinelAction.Warn, false)]
    [InlineData("entropy", 0.05, SentinelAction.Warn, true)]
    public void A_rule_trips_beyond_its_threshold_and_not_at_it(string name, double value, SentinelAction action, bool trips)
    {
        Verdict verdict = Sentinels.Judge(Fresh(Watchful), Outputs((name, value)));
        Assert.Equal((action, trips), (verdict.Action, verdict.Warnings.Length == 1));
    }

    [Fact]
    public void The_strongest_of_several_rules_decides_and_all_are_seen()
    {
        Verdict verdict = Sentinels.Judge(Fresh(Watchful), Outputs(("entropy", 0.0), ("grad_norm", 100.0), ("kl", 1.0)));
        Assert.Equal(SentinelAction.Stop, verdict.Action);
        Assert.Contains("KL", verdict.Reason, StringComparison.Ordinal);
        Assert.Equal(["sentinel/grad_norm", "sentinel/kl", "sentinel/entropy_collapse"], verdict.Warnings.Select(metric => metric.Name));
    }

    [Fact]
    public void A_reward_collapses_when_its_smoothed_mean_has_fallen_far_below_its_best()
    {
        SentinelHistory history = SentinelHistory.Nothing.After(Outputs(("reward", 1.0)));
        Assert.Equal(1, history.BestReward);
        SentinelHistory later = history.After(Outputs(("reward", 0.0))).After(Outputs(("reward", 0.0)));
        Assert.Equal(0.81, later.SmoothedReward!.Value, 12);
        RunState run = Fresh(Watchful) with { Watched = later };
        Assert.Equal(SentinelAction.Stop, Sentinels.Judge(run, Outputs(("reward", 0.0))).Action); // 1 - 0.729 = 0.271
        Assert.Equal(SentinelAction.Warn, Sentinels.Judge(run, Outputs(("reward", 0.5))).Action);
    }

    [Fact]
    public void Lengths_blow_up_relative_to_the_phase_s_first_step()
    {
        RunState run = Fresh(Watchful) with { Watched = SentinelHistory.Nothing.After(Outputs(("completions/mean_length", 10.0))) };
        Assert.Empty(Sentinels.Judge(run, Outputs(("completions/mean_length", 30.0))).Warnings);
        Assert.Equal(3.1, Assert.Single(Sentinels.Judge(run, Outputs(("completions/mean_length", 31.0))).Warnings).Value, 12);
    }

    [Fact]
    public void A_rollback_is_journalled_once_halves_the_learning_rate_and_the_run_goes_on()
    {
        int tripped = 0;
        var host = new ShuffledHost(Runs.Plans.Identity(steps: 6) with { Sentinels = Watchful }, 5)
        {
            Metrics = step => step == 4 && tripped++ == 0 ? [new Metric("grad_norm", 11)] : [],
        };
        RunState run = host.ToTheEnd(killEvery: 40).Run;
        RunEvent.RolledBack rolledBack = Assert.Single(host.Journal.OfType<RunEvent.RolledBack>());
        Assert.Equal((4L, 2L, 0.5), (rolledBack.Step, rolledBack.To, rolledBack.LearningRateScale));
        Assert.Equal(RunEnd.Completed, run.Ended!.Reason);
        RunEvent.StepCommitted[] after = [.. host.Journal.OfType<RunEvent.StepCommitted>().Where(e => e.Inputs.Step > 4)];
        Assert.Equal([5L, 6L, 7L], after.Select(e => e.Inputs.Step));
        Assert.All(after, e => Assert.Equal(0.5, e.Inputs.Adaptive.LearningRateScale));
        Assert.Equal(host.Journal.OfType<RunEvent.CheckpointWritten>().First(e => e.Step == 2).Step, rolledBack.To);
        Assert.Equal(run.Counts.GroupsIssued, run.Counts.GroupsTrained + run.Counts.GroupsDropped);
    }

    [Fact]
    public void One_rollback_too_many_ends_the_run()
    {
        var host = new ShuffledHost(Runs.Plans.Identity(steps: 6) with { Sentinels = Watchful }, 5) { Metrics = step => step >= 4 ? [new Metric("grad_norm", 11)] : [] };
        RunState run = host.ToTheEnd().Run;
        Assert.Equal(2, host.Journal.OfType<RunEvent.RolledBack>().Count());
        Assert.Equal(RunEnd.TooManyRollbacks, run.Ended!.Reason);
        Assert.Equal(run.Version.Steps, run.Checkpoints.Max(checkpoint => checkpoint.Step)); // the result's hashes are of where it ended
    }

    [Fact]
    public void A_stop_says_why_and_ends_the_run_once_the_version_it_stopped_at_is_checkpointed()
    {
        SentinelPlan stops = Watchful with { Rules = [new SentinelRule(SentinelKind.GradNorm, 10, SentinelAction.Stop)] };
        var host = new ShuffledHost(Runs.Plans.Identity(steps: 6) with { Sentinels = stops }, 5) { Metrics = step => step == 5 ? [new Metric("grad_norm", 11)] : [] };
        RunState run = host.ToTheEnd(killEvery: 30).Run;
        Assert.Equal((5L, RunEnd.SentinelTripped), (run.Ended!.Step, run.Ended.Reason));
        Assert.Equal("the gradient norm is 11 and may be no more than 10", Assert.Single(host.Journal.OfType<RunEvent.TrainingStopped>()).Reason);
        Assert.Equal(5, run.Checkpoints.Max(checkpoint => checkpoint.Step));
        Assert.Equal(run.Policy, run.Checkpoints.MaxBy(checkpoint => checkpoint.Step)!.WeightsSha256);
        Assert.Equal(run.Counts.GroupsIssued, run.Counts.GroupsTrained + run.Counts.GroupsDropped);
    }

    [Theory]
    [InlineData("actor/kl_loss")]
    [InlineData("actor/entropy")]
    [InlineData("completions/mean_length")]
    public void What_is_not_finite_is_never_only_warned_of(string name)
    {
        SentinelPlan warns = Watchful with
        {
            Rules = [new SentinelRule(SentinelKind.Kl, 1, SentinelAction.Warn), new SentinelRule(SentinelKind.EntropyCollapse, 0, SentinelAction.Warn), new SentinelRule(SentinelKind.LengthBlowUp, 1, SentinelAction.Warn)],
        };
        foreach (double value in (double[])[double.NaN, double.PositiveInfinity, double.NegativeInfinity])
        {
            Assert.Equal(SentinelAction.RollBack, Sentinels.Judge(Fresh(warns), Outputs((name, value))).Action);
        }
    }

    [Fact]
    public void A_step_that_cannot_be_trained_ends_the_run_or_goes_back_as_the_plan_says()
    {
        foreach (SentinelPlan? plan in new[] { null, Watchful })
        {
            int failed = 0;
            var host = new ShuffledHost(Runs.Plans.Identity(steps: 6) with { Sentinels = plan }, 5) { Fails = step => step == 4 && failed++ == 0 };
            RunState run = host.ToTheEnd().Run;
            Assert.Equal(plan is null ? RunEnd.SentinelTripped : RunEnd.Completed, run.Ended!.Reason);
            Assert.Equal(plan is null ? 0 : 1, host.Journal.OfType<RunEvent.RolledBack>().Count());
        }
    }

    [Fact]
    public void A_warning_stands_in_the_step_s_metrics_and_changes_nothing_else()
    {
        var quiet = new ShuffledHost(Runs.Plans.Identity() with { Sentinels = Watchful }, 5);
        var warned = new ShuffledHost(Runs.Plans.Identity() with { Sentinels = Watchful }, 5) { Metrics = _ => [new Metric("entropy", 0.01)] };
        Assert.Equal(quiet.ToTheEnd().Run.Chain, warned.ToTheEnd().Run.Chain);
        Assert.All(warned.Journal.OfType<RunEvent.StepCommitted>(), e => Assert.Equal(0.01, e.Outputs["sentinel/entropy_collapse"]));
    }

    private static RunState Fresh(SentinelPlan? plan) => RunState.Begin(Runs.Plans.Identity() with { Sentinels = plan });

    private static StepOutputs Outputs(params (string Name, double Value)[] metrics) =>
        new(false, default, default, default, [.. metrics.Select(metric => new Metric(metric.Name, metric.Value))], AdaptiveState.Neutral);
}
