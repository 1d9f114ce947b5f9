using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Scoring;

/// <summary>The scorers of a process: takes as many calls as it has threads, and one more for each so that none waits for the network.</summary>
internal sealed class ScorerActor : WorkerActor
{
    private readonly HashSet<CallKey> waiting = []; // being fetched, or for a reward that is free
    private readonly Queue<ScoreCall> ready = new();
    private readonly Dictionary<string, Reward> rewards = []; // by engine
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
            if (waiting.Add(x.Key)) // one that a reward has in hand is overdue: another may be quicker
            {
                Fetch(x);
            }
        });
        Receive<ScoreCall>(Give);
        Receive<Lost>(x =>
        {
            waiting.Remove(x.Key);
            Log.CompletionsMissing(x.Key, x.Reason); // its deadline passes, and it is called again
            Ask();
        });
        Receive<RewardActor.Ready>(x =>
        {
            Reward reward = rewards[x.Name];
            reward.IsReady = true;
            if (reward.Call is { } broken)
            {
                EngineOf(x.Name).Tell(broken); // the call that the one before it broke off
            }
            else
            {
                Assign();
            }
        });
        Receive<Command.ScoreArrived>(x =>
        {
            CallKey key = CallKey.Of(x.Call);
            waiting.Remove(key); // issued again, and answered after all
            foreach ((string _, Reward reward) in rewards.Where(reward => EngineOf(reward.Key).Equals(Sender)))
            {
                reward.Call = null;
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
            Reward reward = rewards[name] = new Reward();
            StartEngine(name, () => new RewardActor(Services, name), "grpo.dispatchers.scoring", () => reward.IsReady = false);
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
        foreach ((string name, Reward reward) in rewards.Where(reward => reward.Value is { IsReady: true, Call: null }))
        {
            ScoreCall? call;
            do
            {
                if (!ready.TryDequeue(out call))
                {
                    return;
                }
            }
            while (!waiting.Remove(CallKey.Of(call)));

            reward.Call = call;
            EngineOf(name).Tell(call);
        }
    }

    private void Ask()
    {
        int held = waiting.Count + rewards.Values.Count(reward => reward.Call is not null);
        Run.Tell(new CallsWanted(By, Math.Max(0, most - held)));
        if (held == 0)
        {
            drains?.Tell(Drained.Instance);
        }
    }

    private sealed class Reward
    {
        public bool IsReady { get; set; }

        /// <summary>In hand.</summary>
        public ScoreCall? Call { get; set; }
    }

    private sealed record AskAgain;

    private sealed record Lost(CallKey Key, string Reason);
}
