using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests;

/// <summary>Stages that lose some of their effects.</summary>
internal sealed class LosesEffects(Func<Effect, bool> lost) : Rig
{
    public override Decider Decide(Decider decider, Command? command)
    {
        Decider next = base.Decide(decider, command);
        return next with { Effects = next.Effects.RemoveAll(effect => lost(effect)) };
    }
}

/// <summary>Stages that hear something else than was said.</summary>
internal sealed class Mishears(Func<Pipeline, Command, Command> heard) : Rig
{
    public override Decider Decide(Decider decider, Command? command) => base.Decide(decider, command is null ? null : heard(decider.Pipeline, command));
}

/// <summary>Stages that forget, or remember, something before they decide.</summary>
internal sealed class Misremembers(Func<Pipeline, Command?, Pipeline> remembered) : Rig
{
    public override Decider Decide(Decider decider, Command? command) =>
        base.Decide(decider with { Pipeline = remembered(decider.Pipeline, command) }, command);
}

/// <summary>Stages that take the scores of a group again that they have handed on.</summary>
internal sealed class TakesScoresAgain : Rig
{
    private readonly Dictionary<GroupId, Scoring> last = [];

    public override Decider Decide(Decider decider, Command? command)
    {
        if (command is Command.ScoreArrived { Call.Group: var group })
        {
            ScorerMemory scoring = decider.Pipeline.Scoring;
            if (scoring.InFlight.TryGetValue(group, out Scoring? now))
            {
                last[group] = now;
            }
            else if (last.TryGetValue(group, out Scoring? before))
            {
                decider = decider with { Pipeline = decider.Pipeline with { Scoring = scoring with { InFlight = scoring.InFlight.Add(group, before) } } };
            }
        }

        return base.Decide(decider, command);
    }
}

/// <summary>Stages that decide other events: what they decided is folded again with the changes.</summary>
internal sealed class DecidesOtherwise(Func<RunState, RunEvent, IEnumerable<RunEvent>> otherwise) : Rig
{
    public override Decider Decide(Decider decider, Command? command)
    {
        Decider next = base.Decide(decider, command);
        ImmutableArray<FoldedEvent> events = decider.Events;
        RunState run = decider.Run;
        foreach (RunEvent e in next.Events.Skip(decider.Events.Length).SelectMany(folded => otherwise(folded.Before, folded.Event)))
        {
            RunState before = run;
            run = before.Apply(e);
            events = events.Add(new FoldedEvent(before, e, run));
        }

        return next with { Pipeline = next.Pipeline with { Run = run }, Events = events };
    }
}

/// <summary>Takes effects for something that nobody waits for.</summary>
internal sealed class DelaysEffects : Rig
{
    public override bool CanDelayCommit(Decider decider) => !decider.Events.IsEmpty && !decider.IsFull && !decider.IsOver;
}

/// <summary>What waits for company is forgotten when company comes.</summary>
internal sealed class DropsDelayedRecords : Rig
{
    public override Decider Decide(Decider decider, Command? command) => base.Decide(decider.CanDelayCommit ? decider with { Events = [] } : decider, command);
}

/// <summary>A record does not start the count of unanswered waits again.</summary>
internal sealed class CountsThroughRecords : Rig
{
    public override Decider Decide(Decider decider, Command? command)
    {
        Decider next = base.Decide(decider, command);
        return next.Unanswered.IsEmpty ? next with { Unanswered = decider.Unanswered } : next;
    }
}

/// <summary>Every second checkpoint holds a ledger value of another course.</summary>
/// <param name="compares">False: steps that are computed again are not compared with the checkpoints that outlived their records.</param>
internal sealed class MixesCourses(bool compares) : Rig
{
    public override ICheckpointStore Around(ICheckpointStore checkpoints) => new Store(checkpoints);

    public override Decider Take(Decider decider, out DecidedBatch batch) =>
        base.Take(compares ? decider : decider with { Expected = decider.Expected.Clear() }, out batch);

    private sealed class Store(ICheckpointStore checkpoints) : CheckpointDecorator(checkpoints)
    {
        private int written;

        public override CheckpointManifest Write(CheckpointMark mark, TrainerState state) =>
            base.Write(++written % 2 == 0 ? mark with { Chain = Digest.Of("another course") } : mark, state);
    }
}

internal sealed class ActsBeforeDurable : Rig
{
    public override bool EffectsWaitForTheAppend => false;
}

internal sealed class RemembersAcrossCrashes : Rig
{
    public override bool MemoriesDieWithTheCoordinator => false;
}

/// <param name="sampled">From generator, ticket and honest completions to what is sent.</param>
internal sealed class SamplesOtherwise(Func<WorkerId, Ticket, ImmutableArray<Completion>, ImmutableArray<Completion>> sampled) : Rig
{
    public override ImmutableArray<Completion> Sampled(WorkerId generator, Ticket ticket, ImmutableArray<Completion> completions) => sampled(generator, ticket, completions);
}

/// <summary>Hands out version 0 under the name of every version.</summary>
internal sealed class PublishesTheFirstVersion : Rig
{
    private PolicyWeights? first;

    public override PolicyWeights Published(PolicyWeights weights)
    {
        first ??= weights;
        return weights with { Tensors = first.Tensors };
    }
}

internal sealed class DefectiveDisk(Func<IDisk, IDisk> defective) : Rig
{
    public override IDisk Around(IDisk disk) => defective(disk);
}

internal class DiskDecorator(IDisk disk) : IDisk
{
    public bool FileExists(string path) => disk.FileExists(path);

    public bool FolderExists(string path) => disk.FolderExists(path);

    public IReadOnlyList<string> List(string folder) => disk.List(folder);

    public void CreateFolder(string path) => disk.CreateFolder(path);

    public virtual Stream Create(string path) => disk.Create(path);

    public Stream OpenReadWrite(string path) => disk.OpenReadWrite(path);

    public virtual Stream OpenRead(string path) => disk.OpenRead(path);

    public virtual void Flush(Stream file) => disk.Flush(file);

    public virtual void FlushFolder(string path) => disk.FlushFolder(path);

    public virtual void Rename(string from, string to) => disk.Rename(from, to);

    public void DeleteFile(string path) => disk.DeleteFile(path);

    public void DeleteFolder(string path) => disk.DeleteFolder(path);
}

internal sealed class SkipsFlushes(IDisk disk) : DiskDecorator(disk)
{
    public override void Flush(Stream file) => file.Flush();
}

internal sealed class SkipsFolderFlushes(IDisk disk) : DiskDecorator(disk)
{
    public override void FlushFolder(string path)
    {
    }
}

internal sealed class DefectiveCheckpoints(Func<ICheckpointStore, ICheckpointStore> defective) : Rig
{
    public override ICheckpointStore Around(ICheckpointStore checkpoints) => defective(checkpoints);
}

internal class CheckpointDecorator(ICheckpointStore checkpoints) : ICheckpointStore
{
    public virtual CheckpointManifest Write(CheckpointMark mark, TrainerState state) => checkpoints.Write(mark, state);

    public IReadOnlyList<long> Steps() => checkpoints.Steps();

    public virtual IEnumerable<FoundCheckpoint> Scan() => checkpoints.Scan();

    public virtual TrainerState Load(CheckpointManifest manifest) => checkpoints.Load(manifest);

    public virtual void Retire(long step) => checkpoints.Retire(step);
}

/// <summary>Writes fresh moments instead of those that there are.</summary>
internal sealed class ForgetsTheMoments(ICheckpointStore checkpoints) : CheckpointDecorator(checkpoints)
{
    public override CheckpointManifest Write(CheckpointMark mark, TrainerState state) =>
        base.Write(mark, state with { Moments = FakeTrainer.TensorsOf("w.m", default) });
}

/// <summary>Reports a checkpoint as of the step after it.</summary>
internal sealed class MarksTheWrongStep(ICheckpointStore checkpoints) : CheckpointDecorator(checkpoints)
{
    private TrainerState? before;

    public override CheckpointManifest Write(CheckpointMark mark, TrainerState state)
    {
        TrainerState late = before ?? state;
        before = state;
        return base.Write(mark, late);
    }
}

/// <summary>Deletes what a rollback returned to as soon as something newer is there.</summary>
internal sealed class RetiresTooMuch(ICheckpointStore checkpoints) : CheckpointDecorator(checkpoints)
{
    public override CheckpointManifest Write(CheckpointMark mark, TrainerState state)
    {
        CheckpointManifest written = base.Write(mark, state);
        foreach (long older in Steps().Where(step => step < mark.Step).ToArray())
        {
            Retire(older);
        }

        return written;
    }
}

internal sealed class DefectiveJournal(Func<SimulatedJournal, IJournal, IJournal> writing, Func<IJournalReader, IJournalReader>? reading = null) : Rig
{
    public override IJournalProvider Around(SimulatedJournal journal) => new Provider(journal, writing, reading ?? (reader => reader));

    private sealed class Provider(SimulatedJournal journal, Func<SimulatedJournal, IJournal, IJournal> writing, Func<IJournalReader, IJournalReader> reading) : IJournalProvider
    {
        public IJournal OpenForWriting() => writing(journal, journal.OpenForWriting());

        public IJournalReader OpenForReading() => reading(journal.OpenForReading());
    }
}

internal class JournalDecorator(IJournalReader reader, IJournal? writer) : IJournal
{
    public string Place => reader.Place;

    public long First => reader.First;

    public virtual long Position => writer!.Position;

    public long Fence => writer!.Fence;

    public virtual IEnumerable<JournalEntry> Read(long from = 0) => reader.Read(from);

    public IEnumerable<StoredRecord> Stored(long from = 0) => reader.Stored(from);

    public virtual Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation) => writer!.AppendAsync(expectedPosition, events, cancellation);

    public virtual Task DeleteBeforeAsync(long before, CancellationToken cancellation) => writer!.DeleteBeforeAsync(before, cancellation);

    public void Dispose() => reader.Dispose();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>A transaction of several events keeps only the first half.</summary>
internal sealed class TearsTransactions(IJournal journal) : JournalDecorator(journal, journal)
{
    public override Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation) =>
        base.AppendAsync(expectedPosition, events.Count > 4 ? [.. events.Take(events.Count / 2)] : events, cancellation);
}

/// <summary>Says that it appended, and did not.</summary>
internal sealed class DropsAppends(IJournal journal, int every) : JournalDecorator(journal, journal)
{
    private int appends;

    public override Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation) =>
        ++appends % every == 0 ? Task.CompletedTask : base.AppendAsync(expectedPosition, events, cancellation);
}

/// <summary>Appends whatever the fence and the position say.</summary>
internal sealed class IgnoresTheFence(SimulatedJournal behind, IJournal journal) : JournalDecorator(journal, journal)
{
    public override Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
    {
        IJournal any = behind.OpenForWriting();
        return any.AppendAsync(any.Position, events, cancellation);
    }
}

internal sealed class DeletesTooMuch(IJournal journal) : JournalDecorator(journal, journal)
{
    public override Task DeleteBeforeAsync(long before, CancellationToken cancellation) => base.DeleteBeforeAsync(Position - 1, cancellation);
}

/// <summary>Deletes whoever writes by now.</summary>
internal sealed class DeletesUnfenced(SimulatedJournal behind, IJournal journal) : JournalDecorator(journal, journal)
{
    public override Task DeleteBeforeAsync(long before, CancellationToken cancellation) => behind.OpenForWriting().DeleteBeforeAsync(before, cancellation);
}

/// <summary>Hands out a record twice, or leaves one out.</summary>
internal sealed class MisreadsOnce(IJournalReader journal, int times) : JournalDecorator(journal, null)
{
    public override IEnumerable<JournalEntry> Read(long from = 0) =>
        base.Read(from).SelectMany(entry => Enumerable.Repeat(entry, entry.Position == 40 ? times : 1));
}

internal sealed class DefectiveTrainer(Func<ITrainer, ITrainer> defective) : Rig
{
    public override IEngine Around(IEngine engine) => new Engine(engine, defective);

    private sealed class Engine(IEngine engine, Func<ITrainer, ITrainer> defective) : IEngine
    {
        public EngineTraits Traits => engine.Traits;

        public ISampler OpenSampler() => engine.OpenSampler();

        public ITrainer OpenTrainer(PolicyWeights weights) => defective(engine.OpenTrainer(weights));

        public void Dispose() => engine.Dispose();
    }
}

internal class TrainerDecorator(ITrainer trainer) : ITrainer
{
    public long Parameters => trainer.Parameters;

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores) => trainer.Forward(batch, temperature, keepForBackward, scores);

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores) => trainer.ForwardReference(batch, temperature, scores);

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy) => trainer.Backward(dLogProb, dEntropy);

    public virtual UpdateResult Update(OptimizerPlan optimizer, double learningRate) => trainer.Update(optimizer, learningRate);

    public virtual void ResetOptimizer() => trainer.ResetOptimizer();

    public virtual void KeepReference() => trainer.KeepReference();

    public virtual void MixReference(double share) => trainer.MixReference(share);

    public PolicyWeights Publish(PolicyVersion version, Digest policy) => trainer.Publish(version, policy);

    public TrainerState Capture() => trainer.Capture();

    public virtual void Restore(TrainerState state) => trainer.Restore(state);

    public void Dispose() => trainer.Dispose();
}

/// <summary>The optimiser's counter starts again with the process.</summary>
internal sealed class RestoresWeightsOnly(ITrainer trainer) : TrainerDecorator(trainer)
{
    public override void Restore(TrainerState state) => base.Restore(state with { Moments = FakeTrainer.TensorsOf("w.m", default), OptimizerSteps = 0 });
}

/// <summary>The number of updates since the process began enters the update.</summary>
internal sealed class DependsOnItsAge(ITrainer trainer) : TrainerDecorator(trainer)
{
    private int updates;

    public override UpdateResult Update(OptimizerPlan optimizer, double learningRate) => base.Update(optimizer, learningRate * (1 + (++updates > 5 ? 1e-9 : 0)));
}
