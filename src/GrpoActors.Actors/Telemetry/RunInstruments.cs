using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Telemetry;

/// <summary>What a process measures of its run; <c>docs/observability.md</c> lists it. A meter of its own for each process of a run, all of one name. Thread-safe.</summary>
internal sealed class RunInstruments : IDisposable
{
    /// <summary>Of meter and activity source.</summary>
    public const string Name = "GrpoActors";

    public RunInstruments(RunStatus status)
    {
        Steps = Meter.CreateCounter<long>("grpo.steps.committed", "{step}", "Steps committed by this process.");
        StepDuration = Meter.CreateHistogram<double>("grpo.step.duration", "s", "Time from one committed step to the next.");
        GroupsCompleted = Meter.CreateCounter<long>("grpo.groups.completed", "{group}", "Groups whose completions were all scored.");
        GroupsDropped = Meter.CreateCounter<long>("grpo.groups.dropped", "{group}", "Groups that are not trained, by reason.");
        AppendDuration = Meter.CreateHistogram<double>("grpo.append.duration", "s", "Time of a durable append to the journal.");
        AppendEvents = Meter.CreateHistogram<long>("grpo.append.events", "{event}", "Events that shared an append: the size of a group commit.");
        Restarts = Meter.CreateCounter<long>("grpo.restarts", "{restart}", "How often the run began again from its journal.");
        LeaseChanges = Meter.CreateCounter<long>("grpo.lease.changes", "{change}", "How often a trainer took the lease anew.");
        TrainingDuration = Meter.CreateHistogram<double>("grpo.training.duration", "s", "Time that the trainer computed for a step.");
        SamplingDuration = Meter.CreateHistogram<double>("grpo.sampling.duration", "s", "Time that a generator sampled the tickets it held.");
        SampledTokens = Meter.CreateCounter<long>("grpo.sampling.tokens", "{token}", "Tokens drawn by this process.");
        WorkerRestarts = Meter.CreateCounter<long>("grpo.worker.restarts", "{restart}", "How often a worker of this process failed and was started again.");
        Gauge("grpo.step", "{step}", "Committed steps.", run => run.Version.Steps);
        Gauge("grpo.policy.version", "{version}", "Version of the newest policy.", run => run.Version.Steps);
        Gauge("grpo.groups.open", "{group}", "Groups opened and not yet scored.", run => run.Groups.Values.Count(group => group.Fate == GroupFate.Open));
        Gauge("grpo.generators", "{worker}", "Generators that are known to the coordinator.", _ => status.Generators);
        Gauge("grpo.scorers", "{worker}", "Scorer nodes that are known to the coordinator.", _ => status.Scorers);
        Gauge("grpo.trainers", "{worker}", "The trainer and those that stand by.", _ => status.Trainers);
        Gauge("grpo.reward.mean", "1", "Mean reward of the last ten steps.", run => run.Progress.LastRewards.IsEmpty ? null : run.Progress.LastRewards.Average());
        Count("grpo.tokens.sampled", "{token}", "Completion tokens sampled since the run began.", run => run.Counts.TokensSampled);
        Count("grpo.tokens.trained", "{token}", "Completion tokens trained since the run began.", run => run.Counts.TokensTrained);
        Count("grpo.rewards.failed", "{outcome}", "Rewards that failed since the run began.", run => run.Counts.OutcomesFaulted);

        void Gauge(string name, string unit, string help, Func<RunState, double?> value) => Meter.CreateObservableGauge(name, () => Now(value), unit, help);

        void Count(string name, string unit, string help, Func<RunState, double?> value) => Meter.CreateObservableCounter(name, () => Now(value), unit, help);

        // Nothing where the run's actor is elsewhere.
        IEnumerable<Measurement<double>> Now(Func<RunState, double?> value) => status.Run is { } run && value(run) is { } number ? [new Measurement<double>(number)] : [];
    }

    public static ActivitySource Activities { get; } = new(Name);

    public Meter Meter { get; } = new(Name);

    public Counter<long> Steps { get; }

    public Histogram<double> StepDuration { get; }

    public Counter<long> GroupsCompleted { get; }

    public Counter<long> GroupsDropped { get; }

    public Histogram<double> AppendDuration { get; }

    public Histogram<long> AppendEvents { get; }

    public Counter<long> Restarts { get; }

    public Counter<long> LeaseChanges { get; }

    public Histogram<double> TrainingDuration { get; }

    public Histogram<double> SamplingDuration { get; }

    public Counter<long> SampledTokens { get; }

    public Counter<long> WorkerRestarts { get; }

    public void Dispose() => Meter.Dispose();
}
