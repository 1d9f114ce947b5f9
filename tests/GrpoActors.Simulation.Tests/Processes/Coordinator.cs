using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>
/// The process that decides and writes the journal, as the product's host does it: hands the product's decider what has come, appends what it gives,
/// then runs the effects. The group-commit delay passes in virtual time.
/// </summary>
internal sealed class Coordinator : Process
{
    private readonly Queue<Command> mailbox = new();
    private Decider? decider;
    private Pipeline? remembered;
    private IJournal? journal;
    private bool appending;
    private long taken; // batches
    private long delayed = -1; // the batch whose delay is under way

    public Coordinator(SimulatedRun simulation)
        : base(simulation, "coordinator")
    {
        Deadlines = new ClockedDeadlines(simulation, deadline => Deliver(() =>
        {
            simulation.DeadlinePasses(deadline);
            Post(new Command.DeadlinePassed(deadline));
        }));
    }

    public ClockedDeadlines Deadlines { get; }

    /// <summary>Outlives the process that made it: a trainer that starts again while no coordinator is up folds the journal by itself.</summary>
    public Recovery? Recovery { get; private set; }

    public bool IsFinished => IsUp && decider?.Run.Ended is not null && !appending;

    public string Waits => decider is null ? "the coordinator is down" : string.Join("; ", OpenWait.Of(decider.Pipeline));

    public void Post(Command command)
    {
        mailbox.Enqueue(command);
        Pump();
    }

    protected override void Begin()
    {
        IJournalProvider journals = Simulation.Journals;
        journal = journals.OpenForWriting();
        try
        {
            Recovery = Recovery.Fold(
                Simulation.Plan.Identity, journals.OpenForReading, Simulation.OpenCheckpoints(), acceptLostTail: true, _ => { }, NullLogger.Instance);
        }
        catch (StorageException) // a full disk, while checkpoints beyond a lost tail are retired: as in the program, the run begins again after a back-off
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        Pipeline pipeline = Pipeline.Over(Recovery.Run, Simulation.Setup.Identity, Simulation.Plan.Operation);
        if (remembered is not null && !Simulation.Rig.MemoriesDieWithTheCoordinator)
        {
            pipeline = remembered with { Run = Recovery.Run };
        }

        decider = new Decider(pipeline, Simulation.Plan.Operation.Deadlines.AskedMax) { Expected = Recovery.Expected };
        Simulation.Audit.Agree(Recovery.Run);
        Decide(null);
        CommitNow();
        Pump();
    }

    protected override void End()
    {
        remembered = decider?.Pipeline;
        decider = null;
        appending = false;
        delayed = -1;
        mailbox.Clear();
        Deadlines.Clear();
    }

    private void Decide(Command? command)
    {
        Simulation.CommandsHandled++;
        decider = Simulation.Rig.Decide(decider!, command);
    }

    private void Pump()
    {
        while (IsUp && !appending)
        {
            while (!decider!.IsFull && !decider.IsOver && mailbox.TryDequeue(out Command? command))
            {
                Decide(command);
            }

            if (!decider.HasPending)
            {
                CheckWaits();
                return;
            }

            if (Simulation.Rig.CanDelayCommit(decider))
            {
                CheckWaits(); // nobody waits for what is pending
                Delay();
                return;
            }

            CommitNow();
        }
    }

    /// <summary>Counted from the first record that is delayed.</summary>
    private void Delay()
    {
        if (delayed == taken)
        {
            return;
        }

        long mine = delayed = taken;
        After(Decider.GroupCommitDelay, () =>
        {
            if (mine == taken)
            {
                CommitNow();
                Pump();
            }
        });
    }

    private void CommitNow()
    {
        taken++;
        decider = Simulation.Rig.Take(decider!, out DecidedBatch batch);
        if (batch.Events.IsEmpty)
        {
            Run(batch.Effects, batch.Effects.Length);
            return;
        }

        appending = true;
        if (!Simulation.Rig.EffectsWaitForTheAppend)
        {
            Run(batch.Effects, batch.Effects.Length);
            batch = batch with { Effects = [] };
            if (!IsUp)
            {
                return;
            }
        }

        TimeSpan length = TimeSpan.FromMilliseconds(1 + Simulation.Random.Next(5));
        if (Simulation.Strikes(FaultKind.JournalSlow, out Fault slow))
        {
            length = TimeSpan.FromSeconds(5 + (slow.Choice % 60));
            Simulation.QuietUntil(Simulation.Now + length);
        }

        if (Simulation.Strikes(FaultKind.StaleWriter, out _))
        {
            FreezeAndBeReplaced(batch);
            return;
        }

        After(length, () => Append(batch));
    }

    private void Append(DecidedBatch batch)
    {
        bool isKilled = Simulation.Strikes(FaultKind.KillDecider, out Fault kill);
        int moment = isKilled ? kill.Choice % (2 + batch.Effects.Length) : -1;
        if (moment == 0 || Simulation.Strikes(FaultKind.JournalFull, out _))
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        bool outcomeIsUnknown = Simulation.Strikes(FaultKind.CommitUnknown, out Fault unknown);
        if (!outcomeIsUnknown || unknown.Choice % 2 == 0)
        {
            journal!.AppendAsync(batch.Position, Events(batch), CancellationToken.None).GetAwaiter().GetResult();
        }

        if (outcomeIsUnknown)
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        appending = false;
        RunState durable = batch.Events[^1].After;
        Simulation.Audit.Agree(durable);
        Simulation.RetireWeightsBelow(durable.Policies.Keys.FirstOrDefault());
        Run(batch.Effects, isKilled ? Math.Min(batch.Effects.Length, moment - 1) : batch.Effects.Length);
        if (isKilled)
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        Pump();
    }

    private void Run(ImmutableArray<Effect> effects, int count)
    {
        for (int i = 0; i < count && IsUp; i++)
        {
            switch (effects[i])
            {
                case Effect.SetDeadline x:
                    Deadlines.Set(x.Deadline, x.After);
                    break;
                case Effect.DeleteRecords x:
                    journal!.DeleteBeforeAsync(x.Before, CancellationToken.None).GetAwaiter().GetResult();
                    break;
                case Effect.StopRun x:
                    Simulation.StopRun(x.Reason);
                    break;
                default:
                    Simulation.Dispatch(effects[i]);
                    break;
            }
        }
    }

    /// <summary>Somebody took this process for dead. When it wakes it must not be able to write.</summary>
    private void FreezeAndBeReplaced(DecidedBatch batch)
    {
        IJournal held = journal!;
        Restart(TimeSpan.FromSeconds(1));
        Simulation.QuietUntil(Simulation.Now + TimeSpan.FromSeconds(8));
        Simulation.After(TimeSpan.FromSeconds(8), () =>
        {
            RequireStale(() => held.AppendAsync(batch.Position, Events(batch), CancellationToken.None), "appended");
            RequireStale(() => held.DeleteBeforeAsync(batch.Position / 2, CancellationToken.None), "deleted");
        });
    }

    private static RunEvent[] Events(DecidedBatch batch) => [.. batch.Events.Select(e => e.Event)];

    private static void RequireStale(Func<Task> write, string did)
    {
        try
        {
            write().GetAwaiter().GetResult();
        }
        catch (StaleWriterException)
        {
            return;
        }

        throw new Violation($"a writer that had been replaced {did}");
    }

    /// <summary>Whatever the run waits for has an owner, a name and a deadline that is set.</summary>
    private void CheckWaits()
    {
        if (decider!.IsOver)
        {
            return;
        }

        ImmutableArray<OpenWait> waits = OpenWait.Of(decider.Pipeline);
        if (waits.IsEmpty)
        {
            throw new Violation("the run waits for nothing, and has not ended");
        }

        foreach (OpenWait wait in waits)
        {
            if (!Deadlines.IsArmed(wait.Deadline))
            {
                throw new Violation($"no deadline is set: {wait}");
            }
        }
    }
}
