using System.Collections.Immutable;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Event;
using Akka.Pattern;
using Akka.Persistence;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;

namespace GrpoActors.Actors.Persistence;

/// <summary>
/// The run's one persistent actor and only writer. Recovers by folding the stream, then appends what its parent hands it, one append and one transaction
/// at a time. The table's unique key (persistence id, sequence number) and its trigger are the fence: of two writers one collides, says so and stops.
/// </summary>
/// <remarks>
/// recovering -> appending -> stopped. A failed append's outcome is unknown, so it always ends the actor; its parent finds out by recovering anew.
/// There are no snapshots: the stream itself begins with a compaction record once one has retired what was before it.
/// </remarks>
internal sealed class JournalActor : ReceivePersistentActor
{
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly RunJournal journal;
    private readonly RunIdentity plan;
    private readonly Action<FoldedEvent> replayed;

    private RunState? folded;
    private long lastFence;
    private long position;
    private long fence;

    private JournalActor(RunJournal journal, RunIdentity plan, Action<FoldedEvent> replayed)
    {
        this.journal = journal;
        this.plan = plan;
        this.replayed = replayed;
        Recover<StoredEvent>(Replay);
        Recover<RecoveryCompleted>(_ => Begin());
        Command<Append>(AppendAll);
        Command<DeleteBefore>(Delete);
        Command<DeleteMessagesSuccess>(deleted => Context.Parent.Tell(new DeletedBefore(deleted.ToSequenceNr)));
        Command<DeleteMessagesFailure>(failed => log.Warning(
            "The journal's records before {0} are deleted with the next ones: {1}", failed.ToSequenceNr, journal.Unwritten(failed.Cause)));
    }

    public override string PersistenceId => journal.Name;

    /// <param name="journal">Prepared.</param>
    /// <param name="replayed">Called for each event of the stream while recovering, on this actor's thread.</param>
    public static Props Props(RunJournal journal, RunIdentity plan, Action<FoldedEvent> replayed) =>
        Akka.Actor.Props.CreateBy(new Producer(() => new JournalActor(journal, plan, replayed))).WithDispatcher("grpo.dispatchers.journal");

    protected override void PostStop()
    {
        base.PostStop();
        journal.Release();
    }

    /// <remarks>The base stops the actor; what is thrown here reaches the parent as the failure.</remarks>
    protected override void OnRecoveryFailure(Exception reason, object? message = null) => throw (reason switch
    {
        StorageException known => known,
        JournalFormatException unknown => Damaged(position, unknown.Message.TrimEnd('.'), unknown),
        SerializationException foreign => Damaged(position, "it is of a kind that this program does not write", foreign),
        IllegalStateException mixed => Damaged(-1, "records of two writers are mixed; one of them went on after the other had taken over", mixed),
        _ => journal.Unread(reason),
    });

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) => Fail(cause);

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        Fail(cause);
        Context.Stop(Self);
    }

    private void Replay(StoredEvent stored)
    {
        long at = LastSequenceNr - 1;
        if (folded is null)
        {
            position = at;
        }

        if (at != position)
        {
            throw Damaged(position, $"it is missing; the next one there is record {at}");
        }

        StoredRecord record = stored.At(at);
        RunEvent e = StoredRecords.Event(record, lastFence, journal.Place);
        RunState before = folded ?? RunState.Begin(plan);
        RunState after = Folded(before, e, at);
        (folded, lastFence, position) = (after, record.Fence, at + 1);
        replayed(new FoldedEvent(before, e, after));
    }

    private RunState Folded(RunState before, RunEvent e, long at)
    {
        if (folded is null && at > 0 && e is not RunEvent.Compacted)
        {
            throw Damaged(0, $"it is missing; the stream begins with record {at}, which is no compaction record");
        }

        RunState after;
        try
        {
            after = before.Apply(e);
        }
        catch (InvalidOperationException broken)
        {
            throw Damaged(at, $"it cannot follow the records before it: {broken.Message.TrimEnd('.')}", broken);
        }

        return after.Position == at + 1 ? after : throw Damaged(at, $"it holds the state at {after.Position - 1}");
    }

    private void Begin()
    {
        if (LastSequenceNr != position)
        {
            throw Damaged(position, $"it is missing, with all that followed up to record {LastSequenceNr - 1}");
        }

        fence = position + 1;
        Context.Parent.Tell(new JournalRecovered(folded ?? RunState.Begin(plan), fence));
        folded = null; // the parent folds on
    }

    private void AppendAll(Append append)
    {
        if (append.ExpectedPosition != position)
        {
            throw new InvalidOperationException($"An append expects the journal {journal.Place} at {append.ExpectedPosition}, and it is at {position}.");
        }

        IActorRef sender = Sender;
        if (append.Events.IsEmpty)
        {
            sender.Tell(new Appended(position));
            return;
        }

        ImmutableArray<StoredEvent> stored = [.. append.Events.Select((e, i) => StoredEvent.Of(append.ExpectedPosition + i, fence, e))];
        PersistAll(stored, _ =>
        {
            position++;
            if (position == append.ExpectedPosition + stored.Length)
            {
                sender.Tell(new Appended(position));
            }
        });
    }

    /// <remarks>The sequence number of the last record that goes is the position of the first that stays.</remarks>
    private void Delete(DeleteBefore delete)
    {
        if (delete.Position < 0 || delete.Position >= position)
        {
            throw new InvalidOperationException(
                $"The records before {delete.Position} are to be deleted from the journal {journal.Place}, which is at {position}.");
        }

        if (delete.Position == 0)
        {
            Context.Parent.Tell(new DeletedBefore(0));
            return;
        }

        DeleteMessages(delete.Position);
    }

    private void Fail(Exception cause) => Context.Parent.Tell(journal.IsCollision(cause)
        ? new JournalFailed(
            $"Another process has appended to the journal {journal.Place} at position {position}: this one stops and has changed nothing.", Stale: true)
        : new JournalFailed(journal.Unwritten(cause), Stale: false));

    private JournalDamagedException Damaged(long at, string what, Exception? cause = null) => new(
        at < 0
            ? $"The journal {journal.Place} is damaged: {what}; restore it from a copy, or start over with --fresh."
            : $"Record {at} of the journal {journal.Place} is damaged: {what}; restore it from a copy, or start over with --fresh.",
        at,
        cause);

    /// <summary>Makes the actor anew at each (re)start; a private constructor is not for the reflection of <see cref="Props"/>.</summary>
    private sealed class Producer(Func<JournalActor> make) : IIndirectActorProducer
    {
        public Type ActorType => typeof(JournalActor);

        public ActorBase Produce() => make();

        public void Release(ActorBase actor)
        {
            // nothing is held
        }
    }
}
