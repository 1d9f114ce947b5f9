using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Runtime.Replay;

/// <summary>One step of a recorded run, computed again from the newest intact checkpoint at or before it and the journalled batches in between.</summary>
/// <param name="Step">Counts through the whole run, from 1: the step that makes version <c>Step</c>.</param>
/// <param name="From">The checkpoint's step; null where it began at the starting weights.</param>
/// <param name="Compared">What the journal records and what was computed, in the order in which they come about.</param>
public sealed record StepReplay(long Step, string Phase, long? From, ImmutableArray<ReplayedValue> Compared)
{
    public bool IsSame => Compared.All(value => value.IsSame);

    /// <summary>Reads the run and disturbs nobody; needs the engine's threads and memory for as long as it takes.</summary>
    /// <exception cref="StorageException">The run cannot be read, or has no such step.</exception>
    public static StepReplay Of(RecordedRun recorded, long step, RunSetup setup, CancellationToken stop)
    {
        long before = step - 1; // steps that were committed when it began
        (Dictionary<long, Digest> chains, bool rolledBack) = Chains(recorded, before);
        if (rolledBack)
        {
            throw new StorageException($"Step {step} of {recorded.Folder} is a return to an earlier checkpoint: nothing was trained in it.");
        }

        CheckpointManifest? checkpoint = recorded.Checkpoints.Scan().OfType<FoundCheckpoint.Intact>()
            .FirstOrDefault(found => found.Step <= before && chains.TryGetValue(found.Step, out Digest chain) && chain == found.Manifest.Mark.Chain)?.Manifest;
        if (checkpoint is null && chains.Keys.Min() is > 0 and long first)
        {
            throw new StorageException($"Step {step} of {recorded.Folder} cannot be computed again: what led to it was compacted away, the journal begins with step {first + 1}, and there is no whole checkpoint between the two.");
        }

        using ITrainer engine = setup.Engine.OpenTrainer(setup.StartingWeights());
        if (checkpoint is not null)
        {
            engine.Restore(recorded.Checkpoints.Load(checkpoint));
        }

        var training = new StepTraining(
            setup, engine, recorded.Checkpoints, new PolicyVersion(checkpoint?.Mark.Step ?? 0), checkpoint?.Mark.Policy ?? setup.Plan.Identity.StartingWeights);
        return Replay(recorded, before, setup, training, checkpoint?.Mark.Step, stop);
    }

    private static StepReplay Replay(RecordedRun recorded, long before, RunSetup setup, StepTraining training, long? from, CancellationToken stop)
    {
        PolicyVersion start = training.Version;
        foreach (FoldedEvent e in recorded.Events())
        {
            stop.ThrowIfCancellationRequested();
            bool behind = e.Before.Version < start || (from is not null && e.Before.Version == start && e.Event is RunEvent.PhaseStarted);
            if (e.Event is RunEvent.StepCommitted committed && committed.Inputs.Step == before)
            {
                TrainingBatch batch = BatchOf.Step(e.Before, committed.Inputs);
                return new StepReplay(before + 1, setup.Plan.Identity.Phases[committed.Inputs.Phase].Name, from, Compare(committed, training.Train(batch, stop)));
            }

            if (!behind)
            {
                training.Replay(e.Before, e.Event, stop);
            }
        }

        throw new InvalidOperationException($"Step {before + 1} was found in the journal and is there no more.");
    }

    private static ImmutableArray<ReplayedValue> Compare(RunEvent.StepCommitted recorded, StepOutputs computed) =>
    [
        new("batch", recorded.Outputs.Batch.ToString(), computed.Batch.ToString()),
        new("update", recorded.Outputs.Update.ToString(), computed.Update.ToString()),
        new("policy", recorded.Outputs.Policy.ToString(), computed.Policy.ToString()),
        .. recorded.Outputs.Metrics.Select(metric => new ReplayedValue(metric.Name, Shown(metric.Value), Shown(computed[metric.Name]))),
    ];

    private static string Shown(double? value) => value?.ToString("R") ?? "absent";

    /// <summary>The ledger's value after each step up to this one: which checkpoints belong to the course of the run that the journal tells.</summary>
    private static (Dictionary<long, Digest> Chains, bool RolledBack) Chains(RecordedRun recorded, long before)
    {
        var chains = new Dictionary<long, Digest>();
        foreach (FoldedEvent e in recorded.Events())
        {
            chains.TryAdd(e.After.Version.Steps, e.After.Chain);
            if (e.Event is not RunEvent.Compacted && e.Before.Version.Steps == before && e.After.Version.Steps == before + 1)
            {
                return (chains, e.Event is RunEvent.RolledBack);
            }
        }

        long start = chains.Keys.DefaultIfEmpty(0).Min(), end = chains.Keys.DefaultIfEmpty(0).Max();
        throw new StorageException(
            before >= 0 && before < start ? $"Step {before + 1} of {recorded.Folder} was compacted away: its journal begins with step {start + 1}."
            : $"{recorded.Folder} has no step {before + 1}: {(start == end ? "it has none yet" : $"its steps are {start + 1} to {end}")}.");
    }
}

/// <param name="Name">A digest, or a metric's name.</param>
public readonly record struct ReplayedValue(string Name, string Recorded, string Computed)
{
    public bool IsSame => Recorded == Computed;
}
