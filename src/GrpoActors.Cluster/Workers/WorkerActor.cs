using Akka.Actor;
using GrpoActors.Actors.Embedded;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Workers;

/// <summary>
/// A worker of the run on this node: the thread of a worker of <see cref="Host.Embedded"/> under that host's own supervisor, and the messages that connect it with the coordinator. The thread
/// is never one of Akka's: what it computes for minutes holds up no message.
/// </summary>
internal abstract class WorkerActor : ReceiveActor, IWithTimers
{
    private readonly CancellationTokenSource stopping = new();
    private readonly Supervisor threads;

    /// <param name="coordinator">The run's singleton, wherever it is.</param>
    protected WorkerActor(NodeServices node, string worker, IActorRef coordinator)
    {
        Node = node;
        By = node.Introduce(worker);
        Coordinator = coordinator;
        Log = node.Logs.CreateLogger(By.Name);
        IActorRef self = Self;
        Myself = self;
        threads = new Supervisor(node.Setup.Plan.Operation.WorkerRestartsMax, () => 0, Log, node.Time, failure => self.Tell(new GaveUp(failure)));
        Receive<Refused>(refused =>
        {
            Log.LogError("The coordinator refuses this node: {Reason}", refused.Reason);
            node.Standing.Failed($"refused by the coordinator: {refused.Reason}");
        });
        Receive<RunOver>(over =>
        {
            if (over.Failure is null)
            {
                node.Standing.Finished(null);
            }
            else
            {
                node.Standing.Failed(over.Failure);
            }
        });
        Receive<GaveUp>(x => HasGivenUp(x.Failure));
        Receive<WeightsRetired>(x => Retire(x.Below));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected NodeServices Node { get; }

    protected Introduction By { get; }

    protected IActorRef Coordinator { get; }

    protected ILogger Log { get; }

    /// <summary>For other threads: <see cref="ActorBase.Self"/> is for this actor's own.</summary>
    protected IActorRef Myself { get; }

    protected override void PostStop()
    {
        stopping.Cancel();
        base.PostStop();
    }

    /// <param name="crashed">Called on the worker's thread after each failure, before it is started again.</param>
    protected void StartThread(string name, Action<CancellationToken> work, Action crashed) => threads.Start($"{By.Name} {name}", work, crashed, stopping.Token);

    protected void StartThread(string name, Action<CancellationToken> work, Action crashed, CancellationToken stop) => threads.Start($"{By.Name} {name}", work, crashed, stop);

    protected abstract void HasGivenUp(Exception failure);

    protected void Retire(long below)
    {
        Node.Fetcher.RetireBelow(new Core.PolicyVersion(below));
        Node.Shelf.Withdraw(new Core.PolicyVersion(below));
    }

    /// <summary>Brings a version here; the worker's thread waits for it in the <see cref="WeightStore"/>. A version that cannot be had is named, here and to the coordinator.</summary>
    protected void Bring(WeightsRef weights)
    {
        IActorRef self = Self;
        _ = Task.Run(() => Node.Fetcher.GetAsync(weights, CancellationToken.None)).ContinueWith(
            brought => self.Tell(new Missing(weights, brought.Exception!.InnerException!.Message)), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    protected sealed record Missing(WeightsRef Weights, string Reason);

    /// <summary>To a worker whose node leaves: finish what you hold and take no more.</summary>
    internal sealed record Drain
    {
        public static Drain Instance { get; } = new();
    }

    /// <summary>Its answer, once it holds nothing.</summary>
    internal sealed record Drained
    {
        public static Drained Instance { get; } = new();
    }

    private sealed record GaveUp(Exception Failure);
}
