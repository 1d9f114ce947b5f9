using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using Decider = GrpoActors.Core.Deciding.Decider;

namespace GrpoActors.Actors.Runs;

/// <summary>
/// Drives the decider and has what it decides appended, one transaction at a time: what is decided while one is under way goes with the next, and what unblocks no stage waits for the
/// group-commit delay. Belongs to the run's actor, which hears <see cref="FlushDue"/>, <see cref="DelayOver"/> and <see cref="Overdue"/>.
/// </summary>
internal sealed class GroupCommit(RunServices services, MessageTimers timers, IActorRef run)
{
    private Decider? decider;
    private DecidedBatch? underWay;
    private long started;
    private bool asked, delayed;

    /// <summary>The journal has recovered.</summary>
    public bool HasBegun => decider is not null;

    public bool IsUnderWay => underWay is not null;

    /// <summary>After all that was decided, durable or not.</summary>
    public RunState Run => decider!.Run;

    public void Begin(Decider from) => decider = from;

    /// <summary>The run begins again.</summary>
    public void Forget()
    {
        decider = null;
        underWay = null;
        asked = delayed = false;
    }

    public void Decide(Func<Decider, Decider> next)
    {
        decider = next(decider!);
        if (decider.HasPending && underWay is null && !asked)
        {
            asked = true;
            run.Tell(new FlushDue()); // behind what has arrived meanwhile: it shares the transaction
        }
    }

    /// <summary>See <see cref="Decider.Compare"/>.</summary>
    public LostTail Compare(ImmutableArray<LedgerValue> checkpoints, bool acceptLostTail, string? holder)
    {
        decider = decider!.Compare(checkpoints, acceptLostTail, holder, out LostTail lost);
        return lost;
    }

    /// <summary>What had arrived meanwhile is decided.</summary>
    public DecidedBatch? Flush()
    {
        asked = false;
        return Take();
    }

    /// <returns>Null too where what the delay was set for has gone already.</returns>
    public DecidedBatch? EndDelay() => delayed ? Take(mayWait: false) : null;

    /// <param name="mayWait">What unblocks no stage is left for the group-commit delay.</param>
    /// <returns>What is to be appended now; null where nothing is, or where it waits.</returns>
    public DecidedBatch? Take(bool mayWait = true)
    {
        if (underWay is not null || !decider!.HasPending)
        {
            return null;
        }

        if (mayWait && decider.CanDelayCommit)
        {
            if (!delayed)
            {
                delayed = true;
                timers.Set(nameof(DelayOver), new DelayOver(), Decider.GroupCommitDelay);
            }

            return null;
        }

        delayed = false;
        decider = decider.Take(out DecidedBatch batch);
        return batch;
    }

    public void Append(DecidedBatch batch, IActorRef journal)
    {
        underWay = batch;
        started = services.Time.GetTimestamp();
        timers.Set(nameof(Overdue), new Overdue(), services.AppendMax);
        journal.Tell(new Append(batch.Position, [.. batch.Events.Select(e => e.Event)]));
    }

    /// <summary>Whether this answers what is under way, and not an append of an earlier beginning.</summary>
    public bool Answers(Appended appended) => underWay is { } batch && appended.Position == batch.Position + batch.Events.Length;

    /// <summary>What was under way is durable.</summary>
    public DecidedBatch Settle(out TimeSpan elapsed)
    {
        DecidedBatch batch = underWay!;
        GiveUp();
        timers.Cancel(nameof(Overdue));
        elapsed = services.Time.GetElapsedTime(started);
        return batch;
    }

    /// <summary>Nobody waits any longer for what is under way: whether it was kept is found out by reading.</summary>
    public void GiveUp() => underWay = null;

    /// <summary>To the run's actor: answer with <see cref="Flush"/>.</summary>
    public sealed record FlushDue;

    /// <summary>To the run's actor: answer with <see cref="EndDelay"/>.</summary>
    public sealed record DelayOver;

    /// <summary>To the run's actor: an append was not answered in time.</summary>
    public sealed record Overdue;
}
