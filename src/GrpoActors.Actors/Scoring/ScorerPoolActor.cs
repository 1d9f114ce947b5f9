using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Scoring;

/// <summary>
/// The scorers, here or on other nodes, as <see cref="ScorerPool"/> sees them. Calls wait here until a scorer takes them; those of one that leaves go to the next, which is no outcome and no
/// attempt. What is asked for again while it still waits, or is answered late but before it was taken again, is not scored twice.
/// </summary>
internal sealed class ScorerPoolActor : ReceiveActor
{
    private readonly ILogger log;
    private readonly LogLevel comings; // on one machine they are no news
    private readonly ImmutableArray<LocalWorker> own;
    private readonly IContents contents;
    private readonly Dictionary<string, Scorer> scorers = [];
    private readonly LinkedList<CallKey> waiting = new();
    private readonly Dictionary<CallKey, Open> open = [];
    private readonly Dictionary<GroupId, CompletionsAt> served = []; // by their generators

    /// <param name="own">The scorers of this process; on a cluster's coordinator none.</param>
    public ScorerPoolActor(ILogger log, ImmutableArray<LocalWorker> own, IContents contents)
    {
        this.log = log;
        comings = own.IsEmpty ? LogLevel.Information : LogLevel.Debug;
        (this.own, this.contents) = (own, contents);
        Receive<CompletionsAt>(x => served[x.Group] = x);
        Receive<HolderLeft>(x =>
        {
            foreach (GroupId group in served.Where(pair => pair.Value.Holder == x.Holder).Select(pair => pair.Key).ToArray())
            {
                served.Remove(group);
            }
        });
        Receive<Effect.RunScorer>(x =>
        {
            CallKey key = CallKey.Of(x.Call);
            if (waiting.Contains(key))
            {
                return; // asked again while it still waits
            }

            if (open.TryGetValue(key, out Open? overdue))
            {
                served.Remove(x.Call.Group); // their generator may have been gone before it was known that they lie there
            }

            open[key] = overdue is null ? new Open(x.Call, null, null) : overdue with { Holder = null };
            waiting.AddLast(key);
            Assign();
        });
        Receive<CallsWanted>(x =>
        {
            Register(x.By).Free = x.Calls;
            Assign();
        });
        Receive<CallAnswered>(x =>
        {
            Register(x.By);
            if (open.Remove(x.Call, out Open? answered))
            {
                waiting.Remove(x.Call);
                Context.Parent.Tell(new Command.ScoreArrived(answered.Call, x.Outcomes));
                Release(answered);
            }
        });
        Receive<Reached>(x =>
        {
            foreach ((CallKey key, Open call) in open.Where(call => IsSettled(x.Run, call.Key.Group)).ToArray())
            {
                open.Remove(key);
                waiting.Remove(key);
                Release(call);
            }

            foreach (GroupId group in served.Keys.Where(group => IsSettled(x.Run, group)).ToArray())
            {
                served.Remove(group);
            }

            Tell(x.Version);
        });
        Receive<RunOver>(Tell);
        Receive<Terminated>(x =>
        {
            foreach ((string name, Scorer _) in scorers.Where(scorer => scorer.Value.Ref.Equals(x.ActorRef)).ToArray())
            {
                log.ScorerLeft(comings, name);
                scorers.Remove(name);
                TakeBack(name);
                Context.Parent.Tell(new Known(scorers.Count));
            }

            Assign();
        });
        Receive<ChildFailed>(x => throw new WorkerActorFailedException(x));
        Receive<WorkerGaveUp>(Context.Parent.Tell);
    }

    /// <param name="Count">Scorers known at the moment; one a process.</param>
    public sealed record Known(int Count);

    /// <summary>The run has come to another version.</summary>
    public sealed record Reached(VersionReached Version, RunState Run);

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    protected override void PreStart() => LocalWorker.StartAll(own, Context, Self);

    private static bool IsSettled(RunState run, GroupId id) => !run.Groups.TryGetValue(id, out GroupState? group) || group.Fate != GroupFate.Open;

    private void Assign()
    {
        foreach ((string name, Scorer scorer) in scorers)
        {
            while (scorer.Free > 0 && waiting.First is { } first)
            {
                waiting.RemoveFirst();
                Open call = open[first.Value];
                CompletionsRef completions = Completions(call.Call, out CompletionsRef? offered);
                Release(call);
                open[first.Value] = call with { Holder = name, Offered = offered };
                scorer.Free--;
                scorer.Ref.Tell(new CallIssued(first.Value, call.Call.Row, completions));
            }
        }
    }

    /// <summary>Where the generator serves them; a retry asks for some of them alone, and those are offered from here.</summary>
    private CompletionsRef Completions(ScoreCall call, out CompletionsRef? offered)
    {
        offered = null;
        return call.Attempt == 0 && served.TryGetValue(call.Group, out CompletionsAt? at) ? at.Completions : offered = contents.Offer(call.Completions);
    }

    private void TakeBack(string name)
    {
        foreach ((CallKey key, Open call) in open.Where(call => call.Value.Holder == name).ToArray())
        {
            open[key] = call with { Holder = null };
            waiting.AddFirst(key);
        }
    }

    /// <summary>Calls of several rewards on one group share a content.</summary>
    private void Release(Open call)
    {
        if (call.Offered is { } offered && !open.Values.Any(other => offered.Equals(other.Offered)))
        {
            contents.Release(offered);
        }
    }

    private void Tell(ToWorker message)
    {
        foreach (Scorer scorer in scorers.Values)
        {
            scorer.Ref.Tell(message);
        }
    }

    private Scorer Register(WorkerIdentity by)
    {
        if (scorers.TryGetValue(by.Name, out Scorer? known) && known.Ref.Equals(Sender))
        {
            return known;
        }

        if (known is not null)
        {
            Context.Unwatch(known.Ref);
            TakeBack(by.Name);
        }

        Context.Watch(Sender);
        log.ScorerJoined(comings, by.Name);
        Scorer scorer = scorers[by.Name] = new Scorer(Sender);
        Context.Parent.Tell(new Known(scorers.Count));
        return scorer;
    }

    private sealed class Scorer(IActorRef actor)
    {
        public IActorRef Ref => actor;

        public int Free { get; set; }
    }

    /// <param name="Offered">By this process, for this call.</param>
    private sealed record Open(ScoreCall Call, CompletionsRef? Offered, string? Holder);
}
