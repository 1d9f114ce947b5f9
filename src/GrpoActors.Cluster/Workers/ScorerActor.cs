using Akka.Actor;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Workers;

/// <summary>A node's scorers: takes as many calls as it has threads, and one more for each so that none waits for the network.</summary>
internal sealed class ScorerActor : WorkerActor
{
    private readonly ScoreCalls calls = new();
    private readonly HashSet<CallKey> held = [];
    private int most;
    private IActorRef? drains; // told as soon as nothing is held

    public ScorerActor(NodeServices node, string worker, IActorRef coordinator)
        : base(node, worker, coordinator)
    {
        most = 2 * node.Setup.Plan.Operation.Scorers;
        Receive<AskAgain>(_ => Ask());
        Receive<Drain>(_ =>
        {
            most = 0;
            drains = Sender;
            Ask();
        });
        Receive<CallIssued>(x =>
        {
            if (held.Add(x.Key))
            {
                _ = Fetch(x).PipeTo(Self, Self, call => call, failure => new Lost(x.Key, failure.Message));
            }
        });
        Receive<ScoreCall>(calls.Add);
        Receive<Lost>(x =>
        {
            held.Remove(x.Key);
            Log.LogWarning("The completions of {Call} cannot be had: {Reason}", x.Key, x.Reason); // its deadline passes, and it is called again
            Ask();
        });
        Receive<Command.ScoreArrived>(x =>
        {
            CallKey key = CallKey.Of(x.Call);
            held.Remove(key);
            Coordinator.Tell(new CallAnswered(By, key, x.Outcomes));
            Ask();
        });
    }

    protected override void PreStart()
    {
        for (int i = 1; i <= Node.Setup.Plan.Operation.Scorers; i++)
        {
            var scorer = new Scorer(Node.Setup, calls, Node.Time, command => Myself.Tell(command));
            StartThread($"scorer {i}", scorer.Work, () => { });
        }

        Timers.StartPeriodicTimer(nameof(AskAgain), new AskAgain(), Node.AskAgainAfter);
        Ask();
    }

    protected override void HasGivenUp(Exception failure) => Node.Standing.Failed(failure.Message);

    private void Ask()
    {
        Coordinator.Tell(new CallsWanted(By, Math.Max(0, most - held.Count)));
        if (held.Count == 0)
        {
            drains?.Tell(Drained.Instance);
        }
    }

    private async Task<ScoreCall> Fetch(CallIssued issued) =>
        new(issued.Key.Group, issued.Row, issued.Key.Reward, CompletionsContent.Decode(await Node.Bulk.GetAsync(issued.Completions, CancellationToken.None)), issued.Key.Attempt);

    private sealed record AskAgain;

    private sealed record Lost(CallKey Key, string Reason);
}
