using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cluster.Nodes;

/// <summary>A node's workers: starts and supervises them, drains them when the node is to leave, and says how the run ended for this node.</summary>
internal sealed class NodeActor : ReceiveActor
{
    private readonly ImmutableArray<LocalWorker> workers;
    private readonly IActorRef run;
    private int draining;
    private IActorRef? drains;

    /// <param name="run">The run's singleton, wherever it is.</param>
    public NodeActor(ImmutableArray<LocalWorker> workers, IActorRef run, RunStatus status)
    {
        (this.workers, this.run) = (workers, run);
        Receive<RunIsOver>(x =>
        {
            if (x.Failure is null)
            {
                status.Finished(null);
            }
            else
            {
                status.Failed(new RunFailedException(x.Failure));
            }
        });
        Receive<WorkerGaveUp>(x => status.Failed(x.Failure));
        Receive<ChildFailed>(x => status.Failed(new WorkerActorFailedException(x)));
        Receive<Drain>(x =>
        {
            drains = Sender;
            draining = workers.Length;
            if (draining == 0)
            {
                Sender.Tell(Drained.Instance);
            }

            foreach (IActorRef worker in Context.GetChildren())
            {
                worker.Tell(x);
            }
        });
        Receive<Drained>(_ =>
        {
            if (--draining == 0)
            {
                drains!.Tell(Drained.Instance);
            }
        });
    }

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    protected override void PreStart() => LocalWorker.StartAll(workers, Context, run);
}
