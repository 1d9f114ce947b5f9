using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Runtime.Workers;

/// <summary>
/// A run's state from what is durable: the journal folded, then the newest intact checkpoint and the journalled batches after it trained again.
/// Nothing is sampled again that was scored.
/// </summary>
internal sealed class Recovery
{
    private readonly Func<IJournalReader> openJournal;
    private readonly ICheckpointStore checkpoints;
    private readonly long fence;
    private readonly Dictionary<long, Digest> chains = []; // the ledger's value at each version that the journal still tells of

    private Recovery(Func<IJournalReader> openJournal, long fence, ICheckpointStore checkpoints, RunState run)
    {
        this.openJournal = openJournal;
        this.fence = fence;
        this.checkpoints = checkpoints;
        Run = run;
    }

    /// <summary>The state at the end of the journal.</summary>
    public RunState Run { get; private set; }

    /// <summary>The version at which the journal begins: 0 until something is compacted.</summary>
    private long FirstVersion => chains.Count == 0 ? 0 : chains.Keys.Min();

    /// <summary>Ledger values that steps still to be computed must meet: of checkpoints newer than the journal.</summary>
    public ImmutableSortedDictionary<long, Digest> Expected { get; private set; } = ImmutableSortedDictionary<long, Digest>.Empty;

    /// <param name="fence">Of the run's own writer: a worker that is built again beside a later writer's records would wait for what nobody asks of it.</param>
    /// <exception cref="JournalDamagedException">A record fails its check, or cannot follow the one before.</exception>
    /// <exception cref="RunFailedException">The journal is shorter than a checkpoint says, in arrival order.</exception>
    public static Recovery Fold(RunIdentity plan, Func<IJournalReader> openJournal, ICheckpointStore checkpoints, bool acceptLostTail, Action<FoldedEvent> folded, ILogger log, long fence = long.MaxValue)
    {
        var recovery = new Recovery(openJournal, fence, checkpoints, RunState.Begin(plan));
        recovery.Fold(folded);
        recovery.CompareWithCheckpoints(acceptLostTail, log);
        return recovery;
    }

    /// <summary>A run whose writer has appended nothing yet has no records: its trainer is built from the starting weights.</summary>
    private IEnumerable<(string Place, JournalEntry Entry)> Entries()
    {
        IJournalReader journal;
        try
        {
            journal = openJournal();
        }
        catch (NoJournalException)
        {
            yield break;
        }

        using (journal)
        {
            foreach (JournalEntry entry in journal.Read())
            {
                yield return (journal.Place, entry);
            }
        }
    }

    private void Fold(Action<FoldedEvent> folded)
    {
        foreach ((string place, JournalEntry entry) in Entries())
        {
            RequireOurs(place, entry);
            try
            {
                RunState before = Run;
                Run = Run.Apply(entry.Event);
                Require(Run.Position == entry.Position + 1, $"it is the state after {Run.Position} records.");
                folded(new FoldedEvent(before, entry.Event, Run));
            }
            catch (InvalidOperationException impossible)
            {
                throw new JournalDamagedException($"Record {entry.Position} of {place} cannot follow the one before it: {impossible.Message}", entry.Position, impossible);
            }

            chains.TryAdd(Run.Version.Steps, Run.Chain);
        }
    }

    /// <exception cref="StaleWriterException">A later writer has appended it.</exception>
    private void RequireOurs(string place, JournalEntry entry)
    {
        if (entry.Fence > fence)
        {
            throw new StaleWriterException(
                $"Another process has gone on with the journal {place} (fence {entry.Fence}, ours is {fence}): this one stops and has changed nothing.");
        }
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new InvalidOperationException(otherwise);
        }
    }

    private void CompareWithCheckpoints(bool acceptLostTail, ILogger log)
    {
        IEnumerable<LedgerValue> newer = checkpoints.Scan().TakeWhile(found => found.Step > Run.Version.Steps).OfType<FoundCheckpoint.Intact>()
            .Select(found => new LedgerValue(found.Step, found.Manifest.Mark.Chain));
        switch (LostTail.Of(Run, newer, acceptLostTail))
        {
            case LostTail.ComputeAgain again:
                log.LogWarning("{Warning}", again.Warning);
                Expected = again.Expected;
                break;
            case LostTail.GoOn on:
                log.LogWarning("{Warning}", on.Warning);
                foreach (long step in checkpoints.Steps().Where(step => step > on.Step))
                {
                    checkpoints.Retire(step);
                }

                break;
            case LostTail.Refuse refused:
                throw new RunFailedException(refused.Reason);
            default:
                break;
        }
    }

    /// <summary>Brings the fold up to what has been appended since, for a worker that starts again.</summary>
    private void Refold()
    {
        chains.Clear();
        Run = RunState.Begin(Run.Plan);
        Fold(static _ => { });
    }

    /// <summary>A trainer at the run's version. Versions that open groups need are published on the way.</summary>
    /// <exception cref="StaleWriterException">Another process has gone on with the run.</exception>
    /// <exception cref="RunFailedException">No checkpoint is whole from which the records that the journal still holds lead on.</exception>
    public ITrainer Rebuild(RunSetup setup, Action<PolicyWeights> publish, ILogger log, CancellationToken stop, out StepTraining training)
    {
        while (true)
        {
            try
            {
                return RebuildOnce(setup, publish, log, stop, out training);
            }
            catch (JournalCompactedException)
            {
                log.LogDebug("The journal was compacted while the trainer was being built; it is built again");
            }
        }
    }

    private ITrainer RebuildOnce(RunSetup setup, Action<PolicyWeights> publish, ILogger log, CancellationToken stop, out StepTraining training)
    {
        Refold();
        SortedSet<long> needed = [.. Run.Groups.Values.Where(group => group.Fate == GroupFate.Open).Select(group => group.Version.Steps)];
        CheckpointManifest? checkpoint = NewestIntact(needed.Count > 0 ? needed.Min : Run.Version.Steps, log);
        if (checkpoint is null && FirstVersion > 0)
        {
            throw new RunFailedException(
                $"No checkpoint of step {FirstVersion} or later is whole, and the records before that step were compacted away: the weights cannot be computed again. Restore a checkpoint from a copy, or start over with --fresh.");
        }

        ITrainer engine = OpenTrainer(setup);
        try
        {
            training = BringUp(setup, engine, checkpoint, needed, publish, log, stop);
            return engine;
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    /// <summary>A trainer that starts from version 0; it has weights of its own.</summary>
    private static ITrainer OpenTrainer(RunSetup setup)
    {
        PolicyWeights starting = setup.StartingWeights();
        try
        {
            return setup.Engine.OpenTrainer(starting);
        }
        finally
        {
            starting.Memory?.Dispose();
        }
    }

    private StepTraining BringUp(
        RunSetup setup, ITrainer engine, CheckpointManifest? checkpoint, SortedSet<long> needed, Action<PolicyWeights> publish, ILogger log, CancellationToken stop)
    {
        if (checkpoint is not null)
        {
            engine.Restore(checkpoints.Load(checkpoint));
            // What was read is as large as what learns, and the collector would let it lie: little else is allocated.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        var training = new StepTraining(setup, engine, checkpoints, new PolicyVersion(checkpoint?.Mark.Step ?? 0), checkpoint?.Mark.Policy ?? setup.Plan.Identity.StartingWeights);
        if (Run.Version > training.Version)
        {
            log.LogInformation("Training steps {From} to {To} again from the journal", training.Version.Steps + 1, Run.Version.Steps);
        }

        Replay(training, phasesBegun: checkpoint is not null, needed, version => publish(engine.Publish(version, training.Policy)), stop);
        return training;
    }

    /// <param name="phasesBegun">A checkpoint of a phase's first version was taken after the phase began.</param>
    private void Replay(StepTraining training, bool phasesBegun, SortedSet<long> needed, Action<PolicyVersion> publish, CancellationToken stop)
    {
        PolicyVersion from = training.Version;
        PublishIfNeeded();
        RunState at = RunState.Begin(Run.Plan);
        foreach ((string place, JournalEntry entry) in Entries())
        {
            stop.ThrowIfCancellationRequested();
            RequireOurs(place, entry);
            RunState before = at;
            at = at.Apply(entry.Event);
            if (before.Version < from || (phasesBegun && before.Version == from && entry.Event is RunEvent.PhaseStarted))
            {
                continue;
            }

            training.Replay(before, entry.Event, stop);
            PublishIfNeeded();
        }

        training.Begun(at.Phase);

        void PublishIfNeeded()
        {
            if (needed.Remove(training.Version.Steps))
            {
                publish(training.Version);
            }
        }
    }

    private CheckpointManifest? NewestIntact(long atOrBefore, ILogger log)
    {
        foreach (FoundCheckpoint found in checkpoints.Scan())
        {
            switch (found)
            {
                case FoundCheckpoint.Damaged damaged:
                    log.LogWarning("The checkpoint of step {Step} is not used: {Why}", damaged.Step, damaged.Why);
                    break;
                case FoundCheckpoint.Intact intact when intact.Step <= atOrBefore:
                    // With an empty journal there is no course yet: the starting weights serve as well as a checkpoint of step 0.
                    if (chains.TryGetValue(intact.Step, out Digest chain) && chain == intact.Manifest.Mark.Chain)
                    {
                        return intact.Manifest;
                    }

                    if (intact.Step < FirstVersion)
                    {
                        return null; // pinned for a rollback; what followed it is compacted away
                    }

                    log.LogWarning("The checkpoint of step {Step} is not used: it belongs to another course of the run than the one in the journal", intact.Step);
                    break;
                default:
                    break;
            }
        }

        return null;
    }
}
