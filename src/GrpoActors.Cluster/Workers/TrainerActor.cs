using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Workers;

/// <summary>
/// A node that is the trainer, or stands by to become it. Asks for the lease all the time; with the lease it builds the trainer from checkpoint and journal and runs the learner's effects in order.
/// </summary>
/// <remarks>standing by -> (lease) building -> training -> (lease lost to another) standing by. Without news from the coordinator it keeps its weights and touches nothing.</remarks>
internal sealed class TrainerActor : WorkerActor
{
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromSeconds(1);

    private readonly TrainerLease lease;
    private readonly JournalFollower journal;
    private readonly ICheckpointStore checkpoints;
    private readonly Evaluator evaluator;
    private readonly Dictionary<long, Digest> saving = []; // the ledger's value at checkpoints that were asked for
    private ImmutableArray<CheckpointHeld> held;
    private CancellationTokenSource? work; // null: it stands by
    private volatile Trainer? trainer;
    private bool built;
    private long orders, reports; // of the present term
    private bool passedOver; // an order of the present term that came without the lease

    public TrainerActor(NodeServices node, string worker, IActorRef coordinator)
        : base(node, worker, coordinator)
    {
        lease = new TrainerLease(node.Time);
        checkpoints = new LeasedCheckpoints(node.Checkpoints!, lease);
        journal = new JournalFollower(node.Journal, node.Setup.Plan.Identity);
        evaluator = new Evaluator(node.Setup, node.Weights, node.Time, command => Myself.Tell(command));
        held = [.. checkpoints.Scan().OfType<FoundCheckpoint.Intact>().Take(2).Select(found => new CheckpointHeld(found.Step, found.Manifest.Mark.Chain))];
        Receive<AskForLease>(_ => Coordinator.Tell(new LeaseWanted(By, node.Time.GetTimestamp(), held, orders, reports)));
        Receive<LeaseGranted>(Granted);
        Receive<LeaseDenied>(x =>
        {
            if (work is not null)
            {
                Log.LogWarning("{Holder} is the trainer now; this node stands by", x.Holder);
                StandBy();
            }
        });
        Receive<ReadAgain>(x =>
        {
            if (x.Term == lease.Term && lease.Holds && built)
            {
                Train(x.Asked);
            }
        });
        Receive<TrainerOrder>(x =>
        {
            orders += x.Term == lease.Term ? 1 : 0;
            if (x.Term == lease.Term && built)
            {
                if (lease.Holds)
                {
                    CarryOut(x.Task);
                }
                else
                {
                    passedOver = true; // it came while this process was frozen, say
                }
            }
        });
        Receive<Drain>(_ => Sender.Tell(Drained.Instance)); // a step under way would be trained again by whoever comes next, to the same bits
        Receive<Command>(Tell);
    }

    protected override void PreStart()
    {
        if (Node.Setup.HeldOut is not null)
        {
            StartThread("evaluating", evaluator.Work, () => { });
        }

        Timers.StartPeriodicTimer(nameof(AskForLease), new AskForLease(), TimeSpan.Zero, Node.LeaseRenewal);
    }

    protected override void PostStop()
    {
        if (work is not null)
        {
            StandBy();
            Coordinator.Tell(new LeaseReturned(By, lease.Term, "it leaves"));
        }

        base.PostStop();
    }

    protected override void HasGivenUp(Exception failure)
    {
        StandBy();
        Coordinator.Tell(new LeaseReturned(By, lease.Term, failure.Message));
        Node.Standing.Failed(failure.Message);
    }

    private void Granted(LeaseGranted granted)
    {
        bool sameTerm = granted.Term == lease.Term;
        lease.Grant(granted.Term, granted.AskedAt, granted.For);
        if (!sameTerm)
        {
            (orders, reports) = (0, 0);
        }

        if (work is null)
        {
            Log.LogInformation("This node is the trainer (term {Term})", granted.Term);
            Build();
        }
        else if (built && (!sameTerm || passedOver))
        {
            passedOver = false;
            Report(new TrainerNews.Restarted()); // what a coordinator before this one asked for, or this one when the lease had run out, is asked again
        }
    }

    private void Build()
    {
        work = new CancellationTokenSource();
        built = false;
        StartThread("training", Train, () => { }, work.Token);
    }

    /// <summary>Each start builds a trainer anew: what the one before was asked is asked again once this one says that it stands.</summary>
    private void Train(CancellationToken stop)
    {
        var recovery = Recovery.Fold(Node.Setup.Plan.Identity, Node.Journal.OpenForReading, checkpoints, Node.AcceptLostTail, static _ => { }, Log);
        var made = new Trainer(Node.Setup, recovery, checkpoints, Node.Weights, command => Myself.Tell(command), Log, standsIn: true);
        trainer = made;
        made.Work(stop);
    }

    private void StandBy()
    {
        work?.Cancel();
        work = null;
        trainer = null;
        built = false;
        lease.Drop();
    }

    private void CarryOut(TrainerTask task)
    {
        switch (task)
        {
            case TrainerTask.Judge x:
                evaluator.Send(x.Version);
                break;
            case TrainerTask.Train x:
                Train(x);
                break;
            case TrainerTask.BeginPhase x:
                trainer!.Send(new Effect.BeginPhase(x.Phase, x.ResetOptimizer, x.KeepReference));
                break;
            case TrainerTask.Publish x:
                trainer!.Send(new Effect.PublishVersion(x.Version, x.Policy));
                break;
            case TrainerTask.Save x:
                saving[x.Step] = x.Chain;
                trainer!.Send(new Effect.WriteCheckpoint(x.Step, x.Chain, x.Position, x.Policy, x.Phase, x.IsLast));
                break;
            case TrainerTask.Retire x:
                trainer!.Send(new Effect.RetireCheckpoints(x.Kept));
                break;
            case TrainerTask.RollBack x:
                trainer!.Send(new Effect.RollBack(x.Step, x.To, x.Policy));
                break;
            default:
                throw new InvalidOperationException($"No trainer does {task.GetType().Name}.");
        }
    }

    private void Tell(Command command)
    {
        switch (command)
        {
            case Command.TrainerRestarted:
                built = true;
                Report(new TrainerNews.Restarted());
                break;
            case Command.VersionPublished x:
                Offer(x.Version);
                break;
            case Command.BatchTrained x:
                Report(new TrainerNews.Trained(x.Step, x.Outputs, x.Timings));
                break;
            case Command.SentinelTripped x:
                Report(new TrainerNews.Tripped(x.Step, x.Batch, x.Reason));
                break;
            case Command.CheckpointDone x:
                if (saving.Remove(x.Step, out Digest chain))
                {
                    held = [new CheckpointHeld(x.Step, chain), .. held.Take(1)];
                }

                Report(new TrainerNews.Saved(x.Step, x.Folder, x.Manifest, x.WeightsSha256, x.OptimizerSha256));
                break;
            case Command.EvaluationDone x:
                Report(new TrainerNews.Judged(x.Version, x.Evaluation));
                break;
            default:
                throw new InvalidOperationException($"A trainer does not say {command.GetType().Name}.");
        }
    }

    /// <summary>A database that cannot be read now is asked again when the coordinator asks again.</summary>
    private void Train(TrainerTask.Train asked)
    {
        try
        {
            trainer!.Send(new Effect.TrainBatch(journal.Batch(asked.Step, asked.Batch, asked.Position), asked.Policy));
        }
        catch (StorageException failure)
        {
            Log.LogWarning("The batch of step {Step} cannot be read: {Reason}", asked.Step, failure.Message);
            Timers.StartSingleTimer(nameof(Train), new ReadAgain(lease.Term, asked), ReadAgainAfter);
        }
    }

    private void Offer(PolicyVersion version)
    {
        // The shelf sends them from where they lie, also after they are withdrawn: the trainer learns in a copy.
        if (Node.Weights.Keep(version) is { } policy)
        {
            Report(new TrainerNews.Published(Node.Shelf.Offer(policy)));
        }
    }

    private void Report(TrainerNews news)
    {
        reports++;
        Coordinator.Tell(new TrainerReport(lease.Term, news));
    }

    private sealed record AskForLease;

    private sealed record ReadAgain(long Term, TrainerTask.Train Asked);
}
