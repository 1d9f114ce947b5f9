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
using GrpoActors.Core.Deciding;
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
///        +- pausing -+     as often as the restart budget allows
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
    private readonly RewardWarnings rewardWarnings;
    private RunLog? record;
    private CancellationTokenSource work = new(); // ends the blocking work of this beginning's actors
    private IActorRef journal = ActorRefs.Nobody;
    private StageActors stages = StageActors.None;
    private readonly GroupCommit commit;
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
        commit = new GroupCommit(services, timers, Self);
        trace = new RunTrace(services.Instruments, services.Time);
        rewardWarnings = new RewardWarnings(plan);
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
        commit.Forget();
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

            commit.Begin(new Decider(Pipeline.Over(recovered.Run, services.Setup.Identity, operation), operation.Deadlines.AskedMax, services.CommandsPerAppendMax));
            if (!CompareWithOwnCheckpoints())
            {
                return;
            }

            stages = StageActors.Start(Context, services, recovered.Fence, beginning, work.Token);
            stages.Announce(recovered.Run);
            trace.Begin();
            Become(Running);
            log.RunGoesOn(services.Workers.AreElsewhere ? LogLevel.Information : LogLevel.Debug, recovered.Run.Version.Steps, recovered.Run.Position);
            commit.Decide(decider => decider.Resume());
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

        long end = commit.Run.Version.Steps;
        IEnumerable<LedgerValue> newer = own.Scan().TakeWhile(found => found.Step > end).OfType<FoundCheckpoint.Intact>().Select(found => new LedgerValue(found.Step, found.Manifest.Mark.Chain));
        return Compare([.. newer], holder: null);
    }

    private bool Compare(ImmutableArray<LedgerValue> checkpoints, string? holder)
    {
        LostTail lost = commit.Compare(checkpoints, services.AcceptLostTail, holder);
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

    // ---- running

    private void Running()
    {
        Receive<Command>(Hear);
        Receive<FromWorker>(Hear);
        Receive<ToRun>(message => stages.For(message).Forward(message));
        Receive<GroupCommit.FlushDue>(_ => Append(commit.Flush()));
        Receive<GroupCommit.DelayOver>(_ => Append(commit.EndDelay()));
        Receive<Appended>(x =>
        {
            if (commit.Answers(x))
            {
                Appended();
            }
        });
        Receive<GroupCommit.Overdue>(_ =>
        {
            commit.GiveUp();
            Recover(new StorageException($"An append to the journal was not answered within {services.AppendMax.TotalSeconds:0} s: whether it was kept is found out by reading."));
        });
        Receive<WeightsPublished>(stages.Generators.Forward);
        Receive<WeightsLost>(stages.Generators.Forward);
        Receive<TrainerCheckpoints>(x => Compare(x.Checkpoints, x.Name));
        Receive<GeneratorPoolActor.Known>(x => services.Status.Generators = x.Count);
        Receive<ScorerPoolActor.Known>(x => services.Status.Scorers = x.Count);
        Receive<LearnerActor.Known>(x => services.Status.Trainers = x.Count);
        Receive<DeletedBefore>(_ => services.CrashPoints.Reach("delete-records done"));
        Failures();
    }

    private void Hear(Command command) => services.CrashPoints.Between("hear", command.GetType().Name, () => commit.Decide(decider => decider.Handle(command)));

    /// <summary>What a worker says reaches its stage only if it is a worker of this very run.</summary>
    private void Hear(FromWorker message)
    {
        if (Objection(message.By) is not { } objection)
        {
            stages.For(message).Forward(message);
            return;
        }

        if (refused.TryAdd(message.By.Name, objection))
        {
            log.WorkerRefused(message.By.Name, objection);
        }

        Sender.Tell(new Refused(objection));
    }

    private string? Objection(WorkerIdentity by)
    {
        string theirs = by.Identity.ToString()[..16], ours = services.Setup.Identity.ToString()[..16];
        return by.Identity != services.Setup.Identity ? $"its plan is another one ({theirs} instead of {ours}): give every node the same run file, model and data."
            : by.NumericsRevision != plan.NumericsRevision ? $"its kernels are of revision {by.NumericsRevision}, the run's of {plan.NumericsRevision}: bring it to the same release."
            : null;
    }

    private void Append(DecidedBatch? batch)
    {
        if (batch is null)
        {
            return;
        }

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
        commit.Append(batch, journal);
    }

    private void Appended()
    {
        DecidedBatch batch = Settle();
        RunState before = batch.Events[0].Before, now = batch.Events[^1].After;
        if (now.Version > before.Version)
        {
            stages.Announce(now);
        }

        CarryOut(batch);
        if (now.Ended is not null)
        {
            RetireCheckpoints(now);
            End();
        }
        else
        {
            Append(commit.Take());
        }
    }

    /// <summary>What was under way is durable, and people read of it.</summary>
    private DecidedBatch Settle()
    {
        DecidedBatch batch = commit.Settle(out TimeSpan elapsed);
        trace.Appended(batch.Events, elapsed);
        services.CrashPoints.Progressed();
        ReachKinds("appended", batch);
        services.Status.Reached(batch.Events[^1].After);
        foreach (string warning in rewardWarnings.Of(batch.Events))
        {
            log.Warn(warning);
        }

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
            default:
                stages.CarryOut(effect, batch.Events.IsEmpty ? commit.Run : batch.Events[^1].After);
                break;
        }
    }

    // ---- failing and ending

    private void Failures()
    {
        Receive<JournalFailed>(failed =>
        {
            commit.GiveUp();
            Exception failure = failed.Stale ? new StaleWriterException(failed.Reason) : new StorageException(failed.Reason);
            Respond(FailureTable.Of(FailedChild.Protocol, failure), failure);
        });
        Receive<ChildFailed>(failed =>
        {
            if (failed.Child.Equals(journal))
            {
                commit.GiveUp();
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
        restarts = restarts.After(commit.HasBegun ? commit.Run.Version.Steps : restarts.CommittedAt);
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
            if (commit.Answers(x))
            {
                Keep();
                over();
            }
        });
        Receive<JournalFailed>(_ => GiveItUp());
        Receive<GroupCommit.Overdue>(_ => GiveItUp());
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
            commit.GiveUp();
            over();
        }
    }

    private void StopChildren()
    {
        work.Cancel();
        timers.CancelAllBut(nameof(GroupCommit.Overdue));
        foreach (IActorRef child in Context.GetChildren().ToArray())
        {
            Context.Watch(child);
            if (!child.Equals(journal))
            {
                Context.Stop(child);
            }
        }

        if (!commit.IsUnderWay)
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
        timers.CancelAllBut(nameof(GroupCommit.Overdue));
        Say(new RunOver(failure.Message));
    }

    /// <summary>Tells the workers, and whoever asks from now on until this process goes.</summary>
    private void Say(RunOver over)
    {
        stages.Say(over);
        Become(() =>
        {
            Receive<ToRun>(_ => Sender.Tell(over));
            AppendUnderWay(StopJournal);
        });
    }

    private sealed record BeginAgain;

    private sealed record ChildrenLate;
}
