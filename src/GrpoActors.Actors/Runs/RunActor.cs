using GrpoActors.Core.Deciding;
using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Groups;
using GrpoActors.Actors.Learning;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Prompts;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Scoring;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;
using Decider = GrpoActors.Core.Deciding.Decider;

namespace GrpoActors.Actors.Runs;

/// <summary>
/// The run: supervises journal and stages, drives the one <see cref="Decider"/> with what the stages' actors hear, has its events appended, and only then hands its effects to the stages.
/// On one machine the root of the tree, in a cluster a singleton. It holds nothing that the journal does not: whenever an actor of the tree fails, or an append, all are stopped and begin
/// again from the journal.
/// </summary>
/// <remarks>
/// <code>
///   recovering -> running -> over
///        ^           |
///        +- pausing -+     a bounded number of times without a committed step between
///
///   command -> decider -> (group commit) -> journal -> effects -> prompt source, generator pool, scorer pool, group aggregator, learner
/// </code>
/// Commands are decided while an append is under way; what they lead to goes with the next one.
/// </remarks>
internal sealed class RunActor : ReceiveActor
{
    private readonly ILogger log;
    private readonly RunServices services;
    private readonly RunIdentity plan;
    private readonly RunOperation operation;
    private readonly MessageTimers timers;
    private readonly Dictionary<string, string> refused = [];
    private readonly RunTrace trace;
    private RunLog? record;
    private CancellationTokenSource work = new(); // ends the blocking work of this beginning's actors
    private IActorRef journal = ActorRefs.Nobody, prompts = ActorRefs.Nobody, generators = ActorRefs.Nobody, scorers = ActorRefs.Nobody, groups = ActorRefs.Nobody, learner = ActorRefs.Nobody;
    private Decider? decider;
    private DecidedBatch? appending;
    private long appendStarted;
    private bool flushAsked, delayed;
    private RestartBudget restarts;
    private int beginning;
    private bool isPaused; // the back-off before the next beginning is not yet over
    private bool stops; // as soon as no append is under way

    public RunActor(RunServices services)
    {
        this.services = services;
        log = services.Log;
        plan = services.Setup.Plan.Identity;
        operation = services.Setup.Plan.Operation;
        timers = new MessageTimers(services.Time, Self);
        trace = new RunTrace(services.Instruments, services.Time);
        restarts = RestartBudget.Full(services.RestartsMax, 0);
        Become(Recovering);
    }

    /// <summary>Asks the run's actor to stop with the state intact.</summary>
    internal sealed record Stop
    {
        public static Stop Instance { get; } = new();
    }

    protected override void PreStart()
    {
        services.CrashPoints.Reach("run begins");
        Begin();
    }

    /// <summary>Its own failures (a disk that is full under the run's files, a bug) are treated as those of its children: nobody above it restarts it.</summary>
    protected override bool AroundReceive(Receive receive, object message)
    {
        try
        {
            return base.AroundReceive(receive, message);
        }
        catch (Exception failure)
        {
            Respond(FailureTable.Of(FailedChild.Protocol, failure), failure);
            return true;
        }
    }

    protected override void PostStop()
    {
        services.CrashPoints.Reach("run leaves");
        work.Cancel();
        timers.Dispose();
        record?.Dispose();
        services.Status.Left();
    }

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    private void Begin()
    {
        beginning++;
        decider = null;
        appending = null;
        flushAsked = delayed = false;
        work = new CancellationTokenSource();
        record?.Dispose();
        record = null;
        try
        {
            record = services.OpenLog();
            journal = Context.ActorOf(services.OpenJournal(services, record.Replayed), $"journal-{beginning}");
        }
        catch (Exception failure) // a database that cannot be reached now, a folder that another process still holds
        {
            Respond(FailureTable.Of(FailedChild.Protocol, failure), failure);
        }
    }

    // ---- recovering

    private void Recovering()
    {
        Receive<JournalRecovered>(recovered =>
        {
            record!.Recovered();
            services.Status.Reached(recovered.Run);
            if (recovered.Run.Ended is not null)
            {
                RetireCheckpoints(recovered.Run);
                End();
                return;
            }

            decider = new Decider(Pipeline.Over(recovered.Run, services.Setup.Identity, operation), operation.Deadlines.AskedMax, services.CommandsPerAppendMax);
            if (!CompareWithOwnCheckpoints())
            {
                return;
            }

            StartStages(recovered);
            trace.Begin();
            Become(Running);
            log.RunGoesOn(services.Workers.AreElsewhere ? LogLevel.Information : LogLevel.Debug, recovered.Run.Version.Steps, recovered.Run.Position);
            Decide(decider.Resume());
        });
        Failures();
        Receive<ToRun>(_ => { }); // workers say again what they want
    }

    /// <returns>False: the run does not go on.</returns>
    private bool CompareWithOwnCheckpoints()
    {
        if (services.Checkpoints is not { } own)
        {
            return true;
        }

        long end = decider!.Run.Version.Steps;
        IEnumerable<LedgerValue> newer = own.Scan().TakeWhile(found => found.Step > end).OfType<FoundCheckpoint.Intact>().Select(found => new LedgerValue(found.Step, found.Manifest.Mark.Chain));
        return Compare([.. newer], holder: null);
    }

    private bool Compare(ImmutableArray<LedgerValue> checkpoints, string? holder)
    {
        decider = decider!.Compare(checkpoints, services.AcceptLostTail, holder, out LostTail lost);
        switch (lost)
        {
            case LostTail.ComputeAgain x:
                log.Warn(x.Warning);
                return true;
            case LostTail.GoOn x:
                log.Warn(x.Warning);
                foreach (long step in services.Checkpoints?.Steps().Where(step => step > x.Step) ?? [])
                {
                    services.Checkpoints!.Retire(step);
                }

                return true;
            case LostTail.Refuse x:
                GiveUp(new RunFailedException(x.Reason), stale: false);
                return false;
            default:
                return true;
        }
    }

    private void StartStages(JournalRecovered recovered)
    {
        WorkerPlacement workers = services.Workers;
        RunState run = recovered.Run;
        learner = Child("learner", () => new LearnerActor(
            log, workers.Trainer(recovered.Fence, work.Token), services.LeaseDuration, services.AcceptLostTail, LearnerActor.TermsAfter(recovered.Fence), workers.AreElsewhere, services.CrashPoints, services.Time, services.Instruments));
        groups = Child("group-aggregator", () => new GroupAggregatorActor(learner));
        scorers = Child("scorer-pool", () => new ScorerPoolActor(log, workers.Scorers(work.Token), services.Contents));
        generators = Child("generator-pool", () => new GeneratorPoolActor(log, workers.Generators(work.Token), services.Contents, scorers, workers.GroupsPerGenerator));
        prompts = Child("prompt-source", () => new PromptSourceActor(services.Setup.Phases, generators));
        Announce(run);
    }

    private IActorRef Child(string name, Func<ActorBase> make) => Context.ActorOf(Props.CreateBy(new ActorMaker(make)), $"{name}-{beginning}");

    // ---- running

    private void Running()
    {
        Receive<Command>(Hear);
        Receive<FromWorker>(Hear);
        Receive<ToRun>(message => Desk(message).Forward(message));
        Receive<Flush>(_ =>
        {
            flushAsked = false;
            Append();
        });
        Receive<DelayOver>(_ =>
        {
            if (delayed)
            {
                delayed = false;
                Append(patient: false);
            }
        });
        Receive<Appended>(x =>
        {
            if (IsOfUnderWay(x))
            {
                Appended();
            }
        });
        Receive<AppendOverdue>(_ =>
        {
            appending = null;
            Recover(new StorageException($"An append to the journal was not answered within {services.AppendMax.TotalSeconds:0} s: whether it was kept is found out by reading."));
        });
        Receive<WeightsPublished>(generators.Forward);
        Receive<WeightsLost>(generators.Forward);
        Receive<TrainerCheckpoints>(x => Compare(x.Checkpoints, x.Name));
        Receive<GeneratorPoolActor.Known>(x => services.Status.Generators = x.Count);
        Receive<ScorerPoolActor.Known>(x => services.Status.Scorers = x.Count);
        Receive<LearnerActor.Known>(x => services.Status.Trainers = x.Count);
        Receive<DeletedBefore>(_ => services.CrashPoints.Reach("delete-records done"));
        Failures();
    }

    private void Hear(Command command) => services.CrashPoints.Between("hear", command.GetType().Name, () => Decide(decider!.Handle(command)));

    /// <summary>What a worker says reaches its stage only if it is a worker of this very run.</summary>
    private void Hear(FromWorker message)
    {
        if (Objection(message.By) is not { } objection)
        {
            Desk(message).Forward(message);
            return;
        }

        if (refused.TryAdd(message.By.Name, objection))
        {
            log.WorkerRefused(message.By.Name, objection);
        }

        Sender.Tell(new Refused(objection));
    }

    private IActorRef Desk(ToRun message) => message switch
    {
        WorkWanted or Heartbeat or WorkReturned or CompletionsOffered => generators,
        CallsWanted or CallAnswered => scorers,
        _ => learner,
    };

    private string? Objection(WorkerIdentity by)
    {
        string theirs = by.Identity.ToString()[..16], ours = services.Setup.Identity.ToString()[..16];
        return by.Identity != services.Setup.Identity ? $"its plan is another one ({theirs} instead of {ours}): give every node the same run file, model and data."
            : by.NumericsRevision != plan.NumericsRevision ? $"its kernels are of revision {by.NumericsRevision}, the run's of {plan.NumericsRevision}: bring it to the same release."
            : null;
    }

    private void Decide(Decider next)
    {
        decider = next;
        if (decider.HasPending && appending is null && !flushAsked)
        {
            flushAsked = true;
            Self.Tell(new Flush()); // behind what has arrived meanwhile: it shares the transaction
        }
    }

    /// <param name="patient">What unblocks no stage may wait a little to share a flush.</param>
    private void Append(bool patient = true)
    {
        if (appending is not null || !decider!.HasPending)
        {
            return;
        }

        if (patient && decider.CanDelayCommit)
        {
            if (!delayed)
            {
                delayed = true;
                timers.Set(nameof(DelayOver), new DelayOver(), Decider.GroupCommitDelay);
            }

            return;
        }

        delayed = false;
        decider = decider.Take(out DecidedBatch batch);
        foreach (MissedDeadline missed in batch.Missed)
        {
            log.Warn(missed.ToString());
        }

        if (batch.Events.IsEmpty)
        {
            CarryOut(batch);
            return;
        }

        ReachKinds("append", batch);
        appending = batch;
        appendStarted = services.Time.GetTimestamp();
        timers.Set(nameof(AppendOverdue), new AppendOverdue(), services.AppendMax);
        journal.Tell(new Append(batch.Position, [.. batch.Events.Select(e => e.Event)]));
    }

    private bool IsOfUnderWay(Appended appended) => appending is { } batch && appended.Position == batch.Position + batch.Events.Length;

    private void Appended()
    {
        DecidedBatch batch = Settle();
        RunState before = batch.Events[0].Before, now = batch.Events[^1].After;
        if (now.Version > before.Version)
        {
            Announce(now);
        }

        CarryOut(batch);
        if (now.Ended is not null)
        {
            RetireCheckpoints(now);
            End();
        }
        else if (decider!.HasPending)
        {
            Append();
        }
    }

    /// <summary>What was under way is durable, and people read of it.</summary>
    private DecidedBatch Settle()
    {
        DecidedBatch batch = appending!;
        appending = null;
        timers.Cancel(nameof(AppendOverdue));
        trace.Appended(batch.Events, services.Time.GetElapsedTime(appendStarted));
        services.CrashPoints.Progressed();
        ReachKinds("appended", batch);
        services.Status.Reached(batch.Events[^1].After);
        record!.Committed(batch.Events);
        return batch;
    }

    private void ReachKinds(string moment, DecidedBatch batch)
    {
        foreach (string kind in batch.Events.Select(e => e.Event.GetType().Name).Distinct())
        {
            services.CrashPoints.Reach($"{moment} {kind}");
        }
    }

    private void Announce(RunState run) => Broadcast(new VersionReached(run.Version.Steps, run.Policies.Keys.FirstOrDefault()), run);

    private void Broadcast(VersionReached reached, RunState run)
    {
        generators.Tell(reached);
        scorers.Tell(new ScorerPoolActor.Reached(reached, run));
        learner.Tell(reached);
    }

    private void CarryOut(DecidedBatch batch)
    {
        foreach (Effect effect in batch.Effects)
        {
            services.CrashPoints.Between("effect", effect.GetType().Name, () => Run(effect, batch));
        }
    }

    private void Run(Effect effect, DecidedBatch batch)
    {
        switch (effect)
        {
            case Effect.SendTickets:
                prompts.Tell(effect);
                break;
            case Effect.RunScorer:
                scorers.Tell(effect);
                break;
            case Effect.SetDeadline x:
                timers.Set((x.Deadline.For, x.Deadline.Subject), new Command.DeadlinePassed(x.Deadline), x.After);
                break;
            case Effect.DeleteRecords x:
                services.CrashPoints.Reach("delete-records");
                journal.Tell(new DeleteBefore(x.Before));
                break;
            case Effect.StopRun x:
                GiveUp(new RunFailedException(x.Reason), stale: false);
                break;
            case Effect.TrainBatch:
                RunState at = batch.Events.IsEmpty ? decider!.Run : batch.Events[^1].After;
                if (Milestones.PresentVersionIsSpent(at))
                {
                    Broadcast(new VersionReached(at.Version.Steps, at.Version.Steps + 1), at); // the trainer may write over it, and samplers give back their copies
                }

                groups.Tell(new LearnerEffect(effect, at.Position));
                break;
            default:
                learner.Tell(new LearnerEffect(effect, decider!.Run.Position));
                break;
        }
    }

    // ---- failing and ending

    private void Failures()
    {
        Receive<JournalFailed>(failed =>
        {
            appending = null;
            Exception failure = failed.Stale ? new StaleWriterException(failed.Reason) : new StorageException(failed.Reason);
            Respond(FailureTable.Of(FailedChild.Protocol, failure), failure);
        });
        Receive<ChildFailed>(failed =>
        {
            if (failed.Child.Equals(journal))
            {
                appending = null;
            }

            Respond(FailureTable.Of(FailedChild.Protocol, failed.Failure), failed.Failure);
        });
        Receive<WorkerGaveUp>(failed => Respond(failed.Response, failed.Failure));
        Receive<Terminated>(_ => { }); // of the beginning before
        Receive<Stop>(_ => StopSelf());
    }

    private void Respond(FailureResponse response, Exception failure)
    {
        switch (response)
        {
            case FailureResponse.RestartChild or FailureResponse.RecoverRun:
                Recover(failure);
                break;
            case FailureResponse.StopStale:
                GiveUp(failure, stale: true);
                break;
            default:
                GiveUp(failure, stale: false);
                break;
        }
    }

    /// <summary>Stops all children and, when the last has stopped, begins again from the journal, after a back-off.</summary>
    private void Recover(Exception failure)
    {
        restarts = restarts.After(decider?.Run.Version.Steps ?? restarts.CommittedAt);
        if (restarts.IsExhausted)
        {
            GiveUp(failure, stale: false);
            return;
        }

        services.Instruments.Restarts.Add(1);
        log.RunRestarts(failure, restarts.Failures, services.RestartsMax, failure.Message);
        StopChildren();
        isPaused = true;
        timers.Set(nameof(BeginAgain), new BeginAgain(), restarts.Pause);
        timers.Set(nameof(ChildrenLate), new ChildrenLate(), services.StopMax);
        Become(() => Pausing(failure));
    }

    private void Pausing(Exception failure)
    {
        Receive<BeginAgain>(_ =>
        {
            isPaused = false;
            BeginIfStopped();
        });
        Receive<Terminated>(_ => BeginIfStopped());
        Receive<ChildrenLate>(_ => GiveUp(failure, stale: false)); // a worker stands still: two of its kind must not be at work
        AppendUnderWay(StopJournal);
    }

    private void BeginIfStopped()
    {
        if (!isPaused && !Context.GetChildren().Any())
        {
            timers.Cancel(nameof(ChildrenLate));
            Become(Recovering);
            Begin();
        }
    }

    /// <summary>The journal finishes the append that is under way: a later writer, in this process or another, must not meet it half-way.</summary>
    private void AppendUnderWay(Action over)
    {
        Receive<Appended>(x =>
        {
            if (IsOfUnderWay(x))
            {
                Keep();
                over();
            }
        });
        Receive<JournalFailed>(_ => GiveItUp());
        Receive<AppendOverdue>(_ => GiveItUp());
        Receive<ChildFailed>(failed =>
        {
            if (failed.Child.Equals(journal))
            {
                GiveItUp();
            }
        });
        Receive<Stop>(_ => StopSelf());
        ReceiveAny(_ => { });

        void Keep()
        {
            try
            {
                Settle();
            }
            catch (Exception failure)
            {
                log.NextStartMends(failure.Message);
            }
        }

        void GiveItUp()
        {
            appending = null;
            over();
        }
    }

    private void StopChildren()
    {
        work.Cancel();
        timers.CancelAllBut(nameof(AppendOverdue));
        foreach (IActorRef child in Context.GetChildren().ToArray())
        {
            Context.Watch(child);
            if (!child.Equals(journal))
            {
                Context.Stop(child);
            }
        }

        if (appending is null)
        {
            StopJournal();
        }
    }

    private void StopJournal()
    {
        Context.Stop(journal);
        if (stops)
        {
            record?.Dispose(); // its files are free for the next start even if a worker stands still
            record = null;
            Context.Stop(Self);
        }
    }

    private void StopSelf()
    {
        stops = true;
        Become(() => AppendUnderWay(StopJournal));
        StopChildren();
    }

    /// <summary>The trainer may have been stopped, or have died, before it deleted what the last append retired; it will not be asked again.</summary>
    private void RetireCheckpoints(RunState ended)
    {
        try
        {
            services.Checkpoints?.RetireAllBut([.. ended.Checkpoints.Select(checkpoint => checkpoint.Step)]);
        }
        catch (StorageException failure)
        {
            log.CompleteAnyway(failure.Message);
        }
    }

    private void End()
    {
        services.Status.Finished(record!.Result()); // before this process's own workers hear of it
        Say(new RunOver(null));
    }

    private void GiveUp(Exception failure, bool stale)
    {
        services.Status.Failed(failure);
        if (stale) // it speaks for no run any more
        {
            Become(() => AppendUnderWay(StopJournal));
            StopChildren();
            return;
        }

        work.Cancel();
        timers.CancelAllBut(nameof(AppendOverdue));
        Say(new RunOver(failure.Message));
    }

    /// <summary>Tells the workers, and whoever asks from now on until this process goes.</summary>
    private void Say(RunOver over)
    {
        foreach (IActorRef stage in new[] { generators, scorers, learner })
        {
            stage.Tell(over);
        }

        Become(() =>
        {
            Receive<ToRun>(_ => Sender.Tell(over));
            AppendUnderWay(StopJournal);
        });
    }

    private sealed record Flush;

    private sealed record DelayOver;

    private sealed record AppendOverdue;

    private sealed record BeginAgain;

    private sealed record ChildrenLate;
}

/// <summary>To the run's actor: a worker of this process has failed beyond its restart budget, or in a way that no restart mends.</summary>
internal sealed record WorkerGaveUp(FailureResponse Response, Exception Failure);

/// <summary>An effect on its way to the learner, with the journal's length when it became durable.</summary>
internal sealed record LearnerEffect(Effect Effect, long Position);

/// <summary>A version can be had by generators.</summary>
internal sealed record WeightsPublished(WeightsRef Weights);

/// <summary>The trainer that served the weights is gone; its successor will say where they are.</summary>
internal sealed record WeightsLost;

/// <summary>What a trainer has on disk.</summary>
internal sealed record TrainerCheckpoints(string Name, ImmutableArray<LedgerValue> Checkpoints);

/// <summary>Makes an actor anew by a closure, which an expression tree of <see cref="Props"/> cannot hold.</summary>
internal sealed class ActorMaker(Func<ActorBase> make) : IIndirectActorProducer
{
    public Type ActorType => typeof(ActorBase);

    public ActorBase Produce() => make();

    public void Release(ActorBase actor)
    {
        // nothing is held
    }
}
