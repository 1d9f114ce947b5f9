using GrpoActors.Actors.Embedded;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>The process that decides and writes the journal: takes what has come, lets the stages decide, appends, then runs the effects.</summary>
internal sealed class Decider : Process
{
    private const int CommandsPerTransactionMax = 256;

    private readonly Queue<Command> mailbox = new();
    private Pipeline? pipeline;
    private Pipeline? remembered;
    private IJournal? journal;
    private bool appending;

    public Decider(SimulatedRun simulation)
        : base(simulation, "decider")
    {
        Deadlines = new ClockedDeadlines(simulation, deadline => Deliver(() => Post(new Command.DeadlinePassed(deadline))));
    }

    public ClockedDeadlines Deadlines { get; }

    /// <summary>Outlives the decider that made it: a trainer that starts again while no decider is up folds the journal by itself.</summary>
    public Recovery? Recovery { get; private set; }

    public bool IsFinished => IsUp && pipeline?.Run.Ended is not null && !appending;

    public string Waits => pipeline is null ? "the decider is down" : string.Join("; ", OpenWait.Of(pipeline));

    public void Post(Command command)
    {
        mailbox.Enqueue(command);
        if (!appending)
        {
            Pump();
        }
    }

    protected override void Begin()
    {
        IJournalProvider journals = Simulation.Journals;
        journal = journals.OpenForWriting();
        Recovery = Recovery.Fold(Simulation.Plan.Identity, journals.OpenForReading, Simulation.OpenCheckpoints(), acceptLostTail: true, _ => { }, NullLogger.Instance);
        pipeline = Pipeline.Over(Recovery.Run, Simulation.Setup.Identity, Simulation.Plan.Operation);
        if (remembered is not null && !Simulation.Rig.MemoriesDieWithTheDecider)
        {
            pipeline = remembered with { Run = Recovery.Run };
        }

        Simulation.Audit.Agree(Recovery.Run);
        CarryOut([Decide(null)]);
    }

    protected override void End()
    {
        remembered = pipeline;
        pipeline = null;
        appending = false;
        mailbox.Clear();
        Deadlines.Clear();
    }

    private PipelineStep Decide(Command? command)
    {
        Simulation.CommandsHandled++;
        PipelineStep step = Simulation.Rig.Decide(pipeline!, command);
        pipeline = step.Next;
        return step;
    }

    private void Pump()
    {
        while (!appending && IsUp && pipeline!.Run.Ended is null && mailbox.Count > 0)
        {
            var steps = new List<PipelineStep>();
            while (steps.Count < CommandsPerTransactionMax && pipeline.Run.Ended is null && mailbox.TryDequeue(out Command? command))
            {
                steps.Add(Decide(command));
            }

            CarryOut(steps);
        }
    }

    private void CarryOut(List<PipelineStep> steps)
    {
        FoldedEvent[] events = [.. steps.SelectMany(step => step.Events)];
        Effect[] effects = [.. steps.SelectMany(step => step.Effects)];
        if (events.Length == 0)
        {
            Run(effects, effects.Length);
            CheckWaits();
            return;
        }

        appending = true;
        if (!Simulation.Rig.EffectsWaitForTheAppend)
        {
            Run(effects, effects.Length);
            effects = [];
        }

        TimeSpan length = TimeSpan.FromMilliseconds(1 + Simulation.Random.Next(5));
        if (Simulation.Strikes(FaultKind.JournalSlow, out Fault slow))
        {
            length = TimeSpan.FromSeconds(5 + (slow.Choice % 60));
            Simulation.QuietUntil(Simulation.Now + length);
        }

        if (Simulation.Strikes(FaultKind.StaleWriter, out _))
        {
            FreezeAndBeReplaced(events);
            return;
        }

        After(length, () => Append(events, effects));
    }

    private void Append(FoldedEvent[] events, Effect[] effects)
    {
        bool isKilled = Simulation.Strikes(FaultKind.KillDecider, out Fault kill);
        int moment = isKilled ? kill.Choice % (2 + effects.Length) : -1;
        if (moment == 0 || Simulation.Strikes(FaultKind.JournalFull, out _))
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        bool outcomeIsUnknown = Simulation.Strikes(FaultKind.CommitUnknown, out Fault unknown);
        if (!outcomeIsUnknown || unknown.Choice % 2 == 0)
        {
            journal!.AppendAsync(journal.Position, [.. events.Select(e => e.Event)], CancellationToken.None).GetAwaiter().GetResult();
        }

        if (outcomeIsUnknown)
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        appending = false;
        foreach (FoldedEvent e in events)
        {
            Recovery!.Verify(e);
        }

        Simulation.Audit.Agree(events[^1].After);
        Simulation.RetireWeightsBelow(events[^1].After.Policies.Keys.FirstOrDefault());
        Run(effects, isKilled ? Math.Min(effects.Length, moment - 1) : effects.Length);
        if (isKilled)
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
            return;
        }

        CheckWaits();
        Pump();
    }

    private void Run(Effect[] effects, int count)
    {
        for (int i = 0; i < count; i++)
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
                    throw new Violation($"the run stops: {x.Reason}");
                default:
                    Simulation.Dispatch(effects[i]);
                    break;
            }
        }
    }

    /// <summary>Somebody took this process for dead. When it wakes it must not be able to write.</summary>
    private void FreezeAndBeReplaced(FoldedEvent[] events)
    {
        IJournal held = journal!;
        long seen = held.Position;
        Restart(TimeSpan.FromSeconds(1));
        Simulation.QuietUntil(Simulation.Now + TimeSpan.FromSeconds(8));
        Simulation.After(TimeSpan.FromSeconds(8), () =>
        {
            RequireStale(() => held.AppendAsync(seen, [.. events.Select(e => e.Event)], CancellationToken.None), "appended");
            RequireStale(() => held.DeleteBeforeAsync(seen / 2, CancellationToken.None), "deleted");
        });
    }

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
        if (pipeline!.Run.Ended is not null || mailbox.Count > 0)
        {
            return;
        }

        var waits = OpenWait.Of(pipeline);
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
