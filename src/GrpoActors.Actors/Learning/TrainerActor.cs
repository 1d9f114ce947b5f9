using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Learning;

/// <summary>
/// A process that is the trainer, or stands by to become it. Asks for the lease all the time; with the lease it has the trainer built from checkpoint and journal, and the learner's effects run
/// in order.
/// </summary>
/// <remarks>standing by -> (lease) building -> training -> (lease lost to another) standing by. Without news from the coordinator it keeps its weights and touches nothing.</remarks>
internal sealed class TrainerActor : WorkerActor
{
    private const int CheckpointsReported = 2;

    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromSeconds(1);

    private readonly string training, evaluator;
    private readonly TrainerLease lease;
    private readonly JournalFollower journal;
    private readonly ICheckpointStore checkpoints;
    private readonly Dictionary<long, Digest> saving = []; // the ledger's value at checkpoints that were asked for
    private ImmutableArray<LedgerValue> held;
    private CancellationTokenSource? work; // null: it stands by
    private bool built, acceptLostTail;
    private long orders, reports; // of the present term
    private Effect.Evaluate? evaluating;
    private bool passedOver; // an order of the present term that came without the lease

    public TrainerActor(WorkerServices services, string worker, IActorRef run)
        : base(services, worker, run)
    {
        training = By.Name;
        evaluator = services.Prefix + "evaluator";
        lease = new TrainerLease(services.Time);
        checkpoints = new LeasedCheckpoints(services.Checkpoints ?? throw new InvalidOperationException("A trainer needs a folder for checkpoints."), lease);
        journal = new JournalFollower(services.Journal, services.Setup.Plan.Identity);
        held = [.. checkpoints.Scan().OfType<FoundCheckpoint.Intact>().Take(CheckpointsReported).Select(found => new LedgerValue(found.Step, found.Manifest.Mark.Chain))];
        Receive<AskForLease>(_ => Ask());
        Receive<LeaseGranted>(Granted);
        Receive<LeaseDenied>(x =>
        {
            if (work is not null)
            {
                Log.StandsBy(x.Holder);
                StandBy();
            }
        });
        Receive<TrainerOrder>(x => Obey(x.Term, () => CarryOut(x.Effect)));
        Receive<TrainJournalled>(x => Obey(x.Term, () => Train(x)));
        Receive<ReadAgain>(x =>
        {
            if (x.Asked.Term == lease.Term && lease.Holds && built)
            {
                Train(x.Asked);
            }
        });
        Receive<EvaluatorActor.Ready>(_ =>
        {
            if (evaluating is { } brokenOff)
            {
                EngineOf(evaluator).Tell(brokenOff);
            }
        });
        Receive<Drain>(_ => Sender.Tell(Drained.Instance)); // a step under way would be trained again by whoever comes next, to the same bits
        Receive<Command>(Report);
    }

    protected override void PreStart()
    {
        if (Services.Setup.HeldOut is not null)
        {
            StartEngine(evaluator, () => new EvaluatorActor(Services, evaluator), "grpo.dispatchers.evaluation", static () => { });
        }

        Timers.Repeat(nameof(AskForLease), new AskForLease(), Services.LeaseRenewal);
        Ask();
    }

    protected override void PostStop()
    {
        if (work is not null)
        {
            work.Cancel();
            lease.Drop();
            Run.Tell(new LeaseReturned(By, lease.Term, "it leaves"));
        }

        base.PostStop();
    }

    protected override void GiveUp(FailureResponse response, Exception failure)
    {
        if (work is not null)
        {
            Run.Tell(new LeaseReturned(By, lease.Term, failure.Message));
            StandBy();
        }

        base.GiveUp(response, failure);
    }

    private void Ask() => Run.Tell(new LeaseWanted(By, Services.Time.GetTimestamp(), held, orders, reports));

    private void Granted(LeaseGranted granted)
    {
        bool sameTerm = granted.Term == lease.Term;
        lease.Grant(granted.Term, granted.AskedAt, granted.For);
        acceptLostTail = granted.AcceptLostTail;
        if (!sameTerm)
        {
            (orders, reports) = (0, 0);
        }

        if (work is null)
        {
            Log.HoldsLease(granted.For == Timeout.InfiniteTimeSpan ? LogLevel.Debug : LogLevel.Information, granted.Term);
            Build();
        }
        else if (built && (!sameTerm || passedOver))
        {
            passedOver = false;
            Report(new Command.TrainerRestarted()); // what a coordinator before this one asked for, or this one when the lease had run out, is asked again
        }
    }

    private void Build()
    {
        work = CancellationTokenSource.CreateLinkedTokenSource(Services.Stopping);
        built = false;
        CancellationToken stop = work.Token;
        WorkerServices services = Services with { Stopping = stop, Checkpoints = checkpoints };
        StartEngine(training, () => new TrainingActor(services, training, acceptLostTail), "grpo.dispatchers.training", () => built = false);
    }

    private void StandBy()
    {
        work?.Cancel();
        work = null;
        built = false;
        StopEngine(training);
        lease.Drop();
    }

    private void Obey(long term, Action carryOut)
    {
        orders += term == lease.Term ? 1 : 0;
        if (term != lease.Term || !built)
        {
            return;
        }

        if (lease.Holds)
        {
            carryOut();
        }
        else
        {
            passedOver = true; // it came while this process was frozen, say
        }
    }

    private void CarryOut(Effect effect)
    {
        Services.CrashPoints.Reach($"order {effect.GetType().Name}");
        switch (effect)
        {
            case Effect.Evaluate x:
                evaluating = x;
                EngineOf(evaluator).Tell(effect);
                return;
            case Effect.WriteCheckpoint x:
                saving[x.Step] = x.Chain;
                break;
        }

        EngineOf(training).Tell(effect);
    }

    private void Report(Command command)
    {
        WeightsRef? weights = null;
        switch (command)
        {
            case Command.TrainerRestarted:
                built = true;
                break;
            case Command.VersionPublished x:
                if (Services.Contents.Offer(x.Version) is not { } offered)
                {
                    return; // retired meanwhile
                }

                weights = offered;
                break;
            case Command.EvaluationDone x when evaluating?.Version == x.Version:
                evaluating = null;
                break;
            case Command.CheckpointDone x:
                if (saving.Remove(x.Step, out Digest chain))
                {
                    held = [new LedgerValue(x.Step, chain), .. held.Take(CheckpointsReported - 1)];
                }

                break;
        }

        reports++;
        Services.CrashPoints.Between("report", command.GetType().Name, () => Run.Tell(new TrainerReport(lease.Term, command, weights)));
    }

    /// <summary>A database that cannot be read now is asked again a little later.</summary>
    private void Train(TrainJournalled asked)
    {
        try
        {
            EngineOf(training).Tell(new Effect.TrainBatch(journal.Batch(asked.Step, asked.Batch, asked.Position), asked.Policy));
        }
        catch (StorageException failure)
        {
            Log.BatchUnreadable(asked.Step + 1, failure.Message);
            Timers.Set(nameof(ReadAgain), new ReadAgain(asked), ReadAgainAfter);
        }
    }

    private sealed record AskForLease;

    private sealed record ReadAgain(TrainJournalled Asked);
}
