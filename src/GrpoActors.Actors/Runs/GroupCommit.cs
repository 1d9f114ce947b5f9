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
/// Drives the decider and has what it decides appended, one transaction at a time: what is decided while one is under way goes with the next, and what unblocks no stage waits a little for
/// company in a flush. Belongs to the run's actor, which hears <see cref="Due"/> and <see cref="Overdue"/>.
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

    public bool HasPending => decider!.HasPending;

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
            run.Tell(new Due(IsDelayOver: false)); // behind what has arrived meanwhile: it shares the transaction
        }
    }

    /// <summary>See <see cref="Decider.Compare"/>.</summary>
    public LostTail Compare(ImmutableArray<LedgerValue> checkpoints, bool acceptLostTail, string? holder)
    {
        decider = decider!.Compare(checkpoints, acceptLostTail, holder, out LostTail lost);
        return lost;
    }

    /// <param name="due">Null: the append before is durable.</param>
    /// <returns>What is to be appended now; null where nothing is, or where it may wait.</returns>
    public DecidedBatch? Take(Due? due)
    {
        asked &= due is not { IsDelayOver: false };
        if (due is { IsDelayOver: true } && !delayed)
        {
            return null; // what it was set for has gone already
        }

        if (underWay is not null || !decider!.HasPending)
        {
            return null;
        }

        if (due is not { IsDelayOver: true } && decider.CanDelayCommit)
        {
            if (!delayed)
            {
                delayed = true;
                timers.Set(nameof(Due), new Due(IsDelayOver: true), Decider.GroupCommitDelay);
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

    /// <summary>To the run's actor: it is time to append.</summary>
    public sealed record Due(bool IsDelayOver);

    /// <summary>To the run's actor: an append was not answered in time.</summary>
    public sealed record Overdue;
}
