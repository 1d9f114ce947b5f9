using Akka.Actor;
using Akka.Event;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;

namespace GrpoActors.Cluster.Coordination;

/// <summary>The scorers' nodes as the ScorerPool sees them. Calls wait here until a node takes them; those of a node that leaves go to the next, which is no outcome and no attempt.</summary>
internal sealed class ScorerNodesActor : ReceiveActor
{
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly NodeShelf shelf;
    private readonly Dictionary<string, Node> nodes = [];
    private readonly LinkedList<CallKey> waiting = new();
    private readonly Dictionary<CallKey, Open> open = [];

    public ScorerNodesActor(NodeShelf shelf)
    {
        this.shelf = shelf;
        Receive<Effect.RunScorer>(x =>
        {
            CallKey key = CallKey.Of(x.Call);
            if (waiting.Contains(key))
            {
                return; // asked again while it still waits
            }

            open[key] = open.TryGetValue(key, out Open? overdue) ? overdue with { Holder = null } : new Open(x.Call, shelf.Put(CompletionsContent.Encode(x.Call.Completions)), null);
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
                Release(answered.Content);
            }
        });
        Receive<VersionReached>(x =>
        {
            foreach ((CallKey key, Open call) in open.Where(call => !x.Run.Groups.TryGetValue(call.Key.Group, out GroupState? group) || group.Fate != GroupFate.Open).ToArray())
            {
                open.Remove(key);
                waiting.Remove(key);
                Release(call.Content);
            }
        });
        Receive<RunOver>(x =>
        {
            foreach (Node node in nodes.Values)
            {
                node.Ref.Tell(x);
            }
        });
        Receive<Terminated>(x =>
        {
            foreach ((string name, Node node) in nodes.Where(node => node.Value.Ref.Equals(x.ActorRef)).ToArray())
            {
                log.Info("Scorer {0} has left", name);
                nodes.Remove(name);
                TakeBack(name);
                Context.Parent.Tell(new Known(nodes.Count));
            }

            Assign();
        });
    }

    /// <param name="Count">Scorer nodes known at the moment.</param>
    public sealed record Known(int Count);

    private void Assign()
    {
        foreach ((string name, Node node) in nodes)
        {
            while (node.Free > 0 && waiting.First is { } first)
            {
                waiting.RemoveFirst();
                Open call = open[first.Value];
                open[first.Value] = call with { Holder = name };
                node.Free--;
                node.Ref.Tell(new CallIssued(first.Value, call.Call.Row, call.Content));
            }
        }
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
    private void Release(ContentRef content)
    {
        if (!open.Values.Any(call => call.Content.Sha256 == content.Sha256))
        {
            shelf.Remove(content.Sha256);
        }
    }

    private Node Register(Introduction by)
    {
        if (nodes.TryGetValue(by.Name, out Node? known) && known.Ref.Equals(Sender))
        {
            return known;
        }

        if (known is not null)
        {
            Context.Unwatch(known.Ref);
            TakeBack(by.Name);
        }

        Context.Watch(Sender);
        log.Info("Scorer {0} has joined", by.Name);
        Node node = nodes[by.Name] = new Node(Sender);
        Context.Parent.Tell(new Known(nodes.Count));
        return node;
    }

    private sealed class Node(IActorRef actor)
    {
        public IActorRef Ref => actor;

        public int Free { get; set; }
    }

    private sealed record Open(ScoreCall Call, ContentRef Content, string? Holder);
}
