using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Runs;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Scoring;

/// <summary>The scorers of a process: takes as many calls as it has threads, and one more for each so that none waits for the network.</summary>
internal sealed class ScorerActor : WorkerActor
{
    private readonly Queue<ScoreCall> ready = new();
    private readonly HashSet<CallKey> held = [];
    private readonly Dictionary<string, ScoreCall?> rewards = []; // by engine: the call in hand
    private int most;
    private IActorRef? drains; // told as soon as nothing is held

    public ScorerActor(WorkerServices services, string worker, IActorRef run)
        : base(services, worker, run)
    {
        most = 2 * services.Setup.Plan.Operation.Scorers;
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
                Fetch(x);
            }
        });
        Receive<ScoreCall>(Give);
        Receive<Lost>(x =>
        {
            held.Remove(x.Key);
            Log.LogWarning("The completions of {Call} cannot be had: {Reason}", x.Key, x.Reason); // its deadline passes, and it is called again
            Ask();
        });
        Receive<RewardActor.Ready>(x =>
        {
            if (rewards[x.Name] is { } broken)
            {
                EngineOf(x.Name).Tell(broken); // the call that the reward before it broke off
            }
            else
            {
                Assign();
            }
        });
        Receive<Command.ScoreArrived>(x =>
        {
            CallKey key = CallKey.Of(x.Call);
            held.Remove(key);
            foreach (string name in rewards.Where(reward => reward.Value is { } call && CallKey.Of(call) == key).Select(reward => reward.Key).ToArray())
            {
                rewards[name] = null;
            }

            Run.Tell(new CallAnswered(By, key, x.Outcomes));
            Assign();
            Ask();
        });
    }

    protected override void PreStart()
    {
        for (int i = 1; i <= Services.Setup.Plan.Operation.Scorers; i++)
        {
            string name = Services.Prefix + $"scorer-{i}";
            rewards[name] = null;
            StartEngine(name, () => new RewardActor(Services, name), "grpo.dispatchers.scoring", static () => { });
        }

        Timers.Repeat(nameof(AskAgain), new AskAgain(), Services.AskAgainAfter);
        Ask();
    }

    private void Fetch(CallIssued issued)
    {
        ValueTask<ImmutableArray<Completion>> fetch = Services.Contents.Get(issued.Completions);
        if (fetch.IsCompletedSuccessfully)
        {
            Give(Call(issued, fetch.Result));
            return;
        }

        _ = fetch.AsTask().PipeTo(Self, Self, completions => Call(issued, completions), failure => new Lost(issued.Key, FailureTable.Cause(failure).Message));
    }

    private static ScoreCall Call(CallIssued issued, ImmutableArray<Completion> completions) => new(issued.Key.Group, issued.Row, issued.Key.Reward, completions, issued.Key.Attempt);

    private void Give(ScoreCall call)
    {
        ready.Enqueue(call);
        Assign();
    }

    private void Assign()
    {
        foreach (string free in rewards.Where(reward => reward.Value is null && !EngineOf(reward.Key).IsNobody()).Select(reward => reward.Key).ToArray())
        {
            if (!ready.TryDequeue(out ScoreCall? call))
            {
                return;
            }

            rewards[free] = call;
            EngineOf(free).Tell(call);
        }
    }

    private void Ask()
    {
        Run.Tell(new CallsWanted(By, Math.Max(0, most - held.Count)));
        if (held.Count == 0)
        {
            drains?.Tell(Drained.Instance);
        }
    }

    private sealed record AskAgain;

    private sealed record Lost(CallKey Key, string Reason);
}
