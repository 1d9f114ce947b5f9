using System.Collections.Immutable;
using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using GrpoActors.Actors.Embedded;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Actors.Persistence;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cluster.Coordination;

/// <summary>
/// The run, as a cluster singleton. Owns the journal and the stages as children, takes each command round them, appends what they decided, and only then has the effects run. It holds nothing
/// that the journal does not: whenever a child fails, or an append, it stops them all and begins again from the journal.
/// </summary>
/// <remarks>
/// <code>recovering -> running -> over
///      ^           |
///      +-- again --+   (a bounded number of times without a committed step)</code>
/// </remarks>
internal sealed class RunSupervisorActor : ReceiveActor, IWithTimers
{
    private const int WaitsNamedMax = 5;

    /// <summary>As the embedded host's: what lets nobody go on waits so long for company before it is flushed.</summary>
    private static readonly TimeSpan Company = TimeSpan.FromMilliseconds(20);

    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly CoordinatorServices services;
    private readonly RunIdentity plan;
    private readonly RunOperation operation;
    private readonly List<Command> inbox = [];
    private readonly List<PipelineStep> decided = []; // not yet appended
    private readonly Dictionary<(Waits, string), int> unanswered = []; // since the last record
    private readonly Dictionary<long, Digest> expected = []; // the ledger's value at checkpoints that are newer than the journal
    private readonly HashSet<string> refused = [];
    private CoordinatorLog? record;
    private IActorRef journal = ActorRefs.Nobody, generators = ActorRefs.Nobody, scorers = ActorRefs.Nobody, lease = ActorRefs.Nobody;
    private StageActors? stages;
    private Pipeline? pipeline;
    private bool deciding;
    private int restarts, incarnation;
    private long committedAtRestart;

    public RunSupervisorActor(CoordinatorServices services)
    {
        this.services = services;
        plan = services.Setup.Plan.Identity;
        operation = services.Setup.Plan.Operation;
        Become(Recovering);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Begin();

    protected override void PostStop()
    {
        record?.Dispose();
        services.Standing.Left();
    }

    /// <summary>No child is ever started again by itself: what failed is told to this actor, which begins again from the journal.</summary>
    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorRef self = Self;
        return new OneForOneStrategy(failure =>
        {
            self.Tell(new ChildFailed(failure is ActorInitializationException { InnerException: { } inner } ? inner : failure, incarnation));
            return Directive.Stop;
        });
    }

    private void Begin()
    {
        incarnation++;
        stages = null;
        pipeline = null;
        deciding = false;
        inbox.Clear();
        decided.Clear();
        unanswered.Clear();
        record?.Dispose();
        record = null;
        RunJournal prepared;
        try
        {
            record = services.OpenLog();
            prepared = services.PrepareJournal();
        }
        catch (StorageException failure) // a database that cannot be reached now, a folder that a process still holds
        {
            Self.Tell(new ChildFailed(failure, incarnation));
            return;
        }

        journal = Context.ActorOf(JournalActor.Props(prepared, plan, record.Replayed), $"journal-{incarnation}");
    }

    // ---- recovering

    private void Recovering()
    {
        Receive<JournalRecovered>(recovered =>
        {
            record!.Recovered();
            services.Standing.Reached(recovered.Run);
            if (recovered.Run.Ended is not null)
            {
                End();
                return;
            }

            StartChildren(recovered.Run, recovered.Fence);
            Become(Running);
            log.Info("The run goes on from step {0}, after {1} records", recovered.Run.Version.Steps, recovered.Run.Position);
            Decide(resume: true);
        });
        Failures();
        Receive<ToCoordinator>(_ => { }); // workers say again what they want
    }

    private void StartChildren(RunState run, long fence)
    {
        pipeline = Pipeline.Over(run, services.Setup.Identity, operation);
        stages = new StageActors(
            Child(() => new PromptSourceActor(run), "prompt-source"),
            Child(() => new GeneratorPoolActor(run, operation.Deadlines), "generator-pool"),
            Child(() => new ScorerPoolActor(run), "scorer-pool"),
            Child(() => new GroupAggregatorActor(run, operation.Deadlines), "group-aggregator"),
            Child(() => new LearnerActor(run, services.Setup.Identity, operation), "learner"));
        generators = Child(() => new GeneratorNodesActor(services.Bulk, Share), "generators");
        scorers = Child(() => new ScorerNodesActor(services.Shelf), "scorers");
        long termsAfter = TermsAfter(fence);
        lease = Child(() => new TrainerLeaseActor(termsAfter, services.LeaseDuration, services.Time), "trainer-lease");
    }

    /// <summary>The fence alone would repeat: a coordinator that dies before its first append is followed by one with the same.</summary>
    private static long TermsAfter(long fence) => (fence << 20) | ((long)Random.Shared.Next(1 << 10) << 10);

    private IActorRef Child<TActor>(System.Linq.Expressions.Expression<Func<TActor>> make, string name)
        where TActor : ActorBase => Context.ActorOf(Props.Create(make), $"{name}-{incarnation}");

    /// <summary>An even share of a step for each generator, unless the plan says otherwise.</summary>
    private int Share(int generatorsThere)
    {
        int most = plan.Phases.Select(phase => phase.Group?.GroupsPerStep ?? 1).Max();
        return operation.GroupsPerTicket > 0 ? operation.GroupsPerTicket : Math.Max(1, (most + generatorsThere - 1) / Math.Max(1, generatorsThere));
    }

    // ---- running

    private void Running()
    {
        Receive<ToCoordinator>(Hear);
        Receive<Command>(command =>
        {
            inbox.Add(command);
            Wake();
        });
        Receive<WeightsRef>(published => generators.Tell(new VersionAt(published, pipeline!.Run.Policies.Keys.FirstOrDefault())));
        Receive<VersionsLost>(generators.Forward);
        Receive<CheckpointsHeld>(Compare);
        Receive<GeneratorNodesActor.Known>(x => services.Standing.Generators = x.Count);
        Receive<ScorerNodesActor.Known>(x => services.Standing.Scorers = x.Count);
        Receive<TrainerLeaseActor.Known>(x => services.Standing.Trainers = x.Count);
        ReceiveAsync<DecideNow>(x => x.Incarnation == incarnation ? Step(resume: false) : Task.CompletedTask);
        ReceiveAsync<ResumeNow>(x => x.Incarnation == incarnation ? Step(resume: true) : Task.CompletedTask);
        ReceiveAsync<CompanyOver>(x => x.Incarnation == incarnation && decided.Count > 0 ? Guarded(Append) : Task.CompletedTask);
        Receive<DeletedBefore>(_ => { });
        Failures();
    }

    /// <summary>What a worker says reaches its desk only if it is a worker of this very run.</summary>
    private void Hear(ToCoordinator message)
    {
        Introduction? by = message switch
        {
            WorkWanted x => x.By,
            WorkGoesOn x => x.By,
            WorkDropped x => x.By,
            CompletionsOffered x => x.By,
            CallsWanted x => x.By,
            CallAnswered x => x.By,
            LeaseWanted x => x.By,
            LeaseReturned x => x.By,
            _ => null,
        };
        if (by is not null && Objection(by) is { } objection)
        {
            if (refused.Add(by.Name))
            {
                log.Warning("{0} is refused: {1}", by.Name, objection);
            }

            Sender.Tell(new Refused(objection));
            return;
        }

        IActorRef desk = message switch
        {
            WorkWanted or WorkGoesOn or WorkDropped or CompletionsOffered => generators,
            CallsWanted or CallAnswered => scorers,
            _ => lease,
        };
        desk.Forward(message);
    }

    private string? Objection(Introduction by) =>
        by.Identity != services.Setup.Identity ? $"its plan is another one ({by.Identity.ToString()[..16]} instead of {services.Setup.Identity.ToString()[..16]}): give every node the same run file, model and data."
        : by.NumericsRevision != plan.NumericsRevision ? $"its kernels are of revision {by.NumericsRevision}, the run's of {plan.NumericsRevision}: bring it to the same release."
        : null;

    /// <summary>A checkpoint beyond the journal's end: the journal has lost its tail.</summary>
    private void Compare(CheckpointsHeld held)
    {
        foreach (CheckpointHeld checkpoint in held.Checkpoints.Where(checkpoint => checkpoint.Step > pipeline!.Run.Version.Steps))
        {
            if (plan.Order.Kind == OrderKind.Arrival)
            {
                GiveUp($"The journal ends at step {pipeline!.Run.Version.Steps}, but {held.Name} has a checkpoint of step {checkpoint.Step}: the journal has lost its tail, and in arrival order the lost steps cannot be computed again. Restore the database from a newer copy, or remove the checkpoints beyond it.", stale: false);
                return;
            }

            if (expected.TryAdd(checkpoint.Step, checkpoint.Chain))
            {
                log.Warning("The journal ends at step {0}, but {1} has a checkpoint of step {2}: the lost steps are computed again and compared", pipeline!.Run.Version.Steps, held.Name, checkpoint.Step);
            }
        }
    }

    private void Wake()
    {
        if (!deciding)
        {
            deciding = true;
            Self.Tell(new DecideNow(incarnation)); // behind what has arrived meanwhile: it shares the transaction
        }
    }

    private void Decide(bool resume)
    {
        deciding = true;
        Self.Tell(resume ? new ResumeNow(incarnation) : new DecideNow(incarnation));
    }

    private Task Step(bool resume) => Guarded(async () =>
    {
        deciding = false;
        if (resume)
        {
            Take(await StageRound.Resume(stages!, pipeline!, services.AnswerMax));
        }

        Command[] commands = [.. inbox.Take(services.CommandsPerAppendMax)];
        inbox.RemoveRange(0, commands.Length);
        foreach (Command command in commands.TakeWhile(_ => pipeline!.Run.Ended is null))
        {
            Pipeline before = pipeline!;
            PipelineStep step = await StageRound.Handle(stages!, before, command, services.AnswerMax);
            if (command is Command.DeadlinePassed late && (step.Effects.Length > 0 || step.Next.Generation.Leases.Count < before.Generation.Leases.Count))
            {
                Miss(late.Deadline, before);
            }

            Take(step);
        }

        if (inbox.Count > 0)
        {
            Wake();
        }

        if (decided.Count == 0)
        {
            return;
        }

        if (NobodyWaits())
        {
            Timers.StartSingleTimer(nameof(CompanyOver), new CompanyOver(incarnation), Company);
            return;
        }

        await Append();
    });

    private void Take(PipelineStep step)
    {
        pipeline = step.Next;
        if (step.Events.Length > 0)
        {
            unanswered.Clear();
        }

        if (step.Events.Length > 0 || step.Effects.Length > 0)
        {
            decided.Add(step);
        }
    }

    private bool NobodyWaits() =>
        decided.Count < services.CommandsPerAppendMax && decided.Exists(step => step.Events.Length > 0) && decided.TrueForAll(step => step.Effects.IsEmpty && step.Next.Run.Ended is null);

    private async Task Append()
    {
        PipelineStep[] steps = [.. decided];
        decided.Clear();
        Timers.Cancel(nameof(CompanyOver));
        FoldedEvent[] events = [.. steps.SelectMany(step => step.Events)];
        if (events.Length > 0)
        {
            foreach (FoldedEvent e in events)
            {
                Verify(e);
            }

            long started = Stopwatch.GetTimestamp();
            await journal.Ask<Appended>(new Append(events[0].Before.Position, [.. events.Select(e => e.Event)]), services.AnswerMax);
            services.Standing.Appended(Stopwatch.GetElapsedTime(started));
            record!.Committed(events);
            RunState now = events[^1].After;
            services.Standing.Reached(now);
            if (now.Version > events[0].Before.Version)
            {
                restarts = 0;
                var reached = new VersionReached(now);
                generators.Tell(reached);
                scorers.Tell(reached);
                lease.Tell(reached);
            }
        }

        foreach (Effect effect in steps.SelectMany(step => step.Effects))
        {
            Run(effect);
        }

        if (pipeline!.Run.Ended is not null)
        {
            End();
        }
    }

    /// <summary>A step that was computed again meets the checkpoint that outlived its record.</summary>
    private void Verify(FoldedEvent e)
    {
        if (e.After.Version > e.Before.Version && expected.Remove(e.After.Version.Steps, out Digest chain) && chain != e.After.Chain)
        {
            throw new RunFailedException($"Step {e.Before.Version.Steps}, computed again after the journal lost its tail, differs from what the checkpoint of step {e.After.Version.Steps} recorded.");
        }
    }

    private void Run(Effect effect)
    {
        switch (effect)
        {
            case Effect.SendTickets:
                generators.Tell(effect);
                break;
            case Effect.RunScorer:
                scorers.Tell(effect);
                break;
            case Effect.SetDeadline x:
                Timers.StartSingleTimer((x.Deadline.For, x.Deadline.Subject), new Command.DeadlinePassed(x.Deadline), x.After);
                break;
            case Effect.DeleteRecords x:
                journal.Tell(new DeleteBefore(x.Before));
                break;
            case Effect.StopRun x:
                GiveUp(x.Reason, stale: false);
                break;
            default:
                lease.Tell(new TrainerEffect(effect, pipeline!.Run.Position));
                break;
        }
    }

    private void Miss(DeadlineId deadline, Pipeline before)
    {
        int asked = unanswered[(deadline.For, deadline.Subject)] = unanswered.GetValueOrDefault((deadline.For, deadline.Subject)) + 1;
        if (asked >= operation.Deadlines.AskedMax)
        {
            ImmutableArray<OpenWait> waits = OpenWait.Of(pipeline!);
            string more = waits.Length > WaitsNamedMax ? $"; and {waits.Length - WaitsNamedMax} more" : "";
            throw new RunFailedException($"Asked {asked} times for {deadline.For} {deadline.Subject} and nothing came of anything: {string.Join("; ", waits.Take(WaitsNamedMax))}{more}. The state is intact; the same command goes on from there.");
        }

        string[] held = deadline.For == Waits.Ticket ? [.. before.Generation.Leases.Where(held => held.Value.Name == deadline.Subject).Select(held => held.Key.ToString())] : [];
        log.Warning("No word within its deadline of {0}{1}; asked again", deadline, held.Length == 0 ? "" : $", which holds {string.Join(", ", held)}");
    }

    // ---- failing and ending

    private async Task Guarded(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception failure) when (failure is RunFailedException)
        {
            GiveUp(failure.Message, stale: false);
        }
        catch (Exception failure)
        {
            Self.Tell(new ChildFailed(failure is AggregateException { InnerException: { } inner } ? inner : failure, incarnation));
        }
    }

    private void Failures()
    {
        Receive<JournalFailed>(failed =>
        {
            if (failed.Stale)
            {
                GiveUp(failed.Reason, stale: true);
            }
            else
            {
                Again(failed.Reason);
            }
        });
        Receive<ChildFailed>(failed =>
        {
            if (failed.Incarnation == incarnation)
            {
                Again(failed.Failure.Message);
            }
        });
        Receive<BeginAgain>(_ =>
        {
            Become(Recovering);
            Begin();
        });
    }

    /// <summary>Stops all children and begins again from the journal, after a pause that grows.</summary>
    private void Again(string reason)
    {
        StopChildren();
        long committed = pipeline?.Run.Version.Steps ?? committedAtRestart;
        restarts = committed > committedAtRestart ? 1 : restarts + 1;
        committedAtRestart = committed;
        if (restarts > services.RestartsMax)
        {
            GiveUp($"The coordinator failed {restarts} times without a committed step between, the last time with: {reason}", stale: false);
            return;
        }

        services.Standing.Restarted();
        log.Warning("The coordinator begins again from the journal ({0} of {1}): {2}", restarts, services.RestartsMax, reason);
        incarnation++; // what the present children still say is of no account
        Become(Pausing);
        Timers.StartSingleTimer(nameof(BeginAgain), new BeginAgain(), TimeSpan.FromMilliseconds(100 << Math.Min(restarts, 6)));
    }

    private void Pausing()
    {
        Receive<BeginAgain>(_ =>
        {
            Become(Recovering);
            Begin();
        });
        ReceiveAny(_ => { });
    }

    private void StopChildren()
    {
        foreach (IActorRef child in Context.GetChildren())
        {
            Context.Stop(child);
        }

        Timers.CancelAll();
    }

    private void End()
    {
        RunOver over = new(null);
        services.Standing.Finished(record!.Result()); // before this node's own workers hear of it
        Tell(over);
        Become(() => Over(over));
    }

    private void GiveUp(string reason, bool stale)
    {
        log.Error("{0}", reason);
        services.Standing.Failed(reason);
        var over = new RunOver(reason);
        if (!stale)
        {
            Tell(over); // a stale coordinator speaks for nobody
        }

        StopChildren();
        if (stale)
        {
            Become(() => ReceiveAny(_ => { }));
        }
        else
        {
            Become(() => Over(over));
        }
    }

    private void Tell(RunOver over)
    {
        foreach (IActorRef desk in new[] { generators, scorers, lease })
        {
            desk.Tell(over);
        }
    }

    /// <summary>Whoever asks now is told, until this process goes.</summary>
    private void Over(RunOver over)
    {
        Receive<ToCoordinator>(_ => Sender.Tell(over));
        ReceiveAny(_ => { });
    }

    private sealed record DecideNow(int Incarnation);

    private sealed record ResumeNow(int Incarnation);

    private sealed record CompanyOver(int Incarnation);

    private sealed record ChildFailed(Exception Failure, int Incarnation);

    private sealed record BeginAgain;
}
