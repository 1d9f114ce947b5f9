using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Runs;

namespace GrpoActors.Cluster.Coordination;

/// <summary>A version can be had by generators, there.</summary>
internal sealed record VersionAt(WeightsRef Weights, long RetireBelow);

/// <summary>The trainer that served the weights is gone; its successor will say where they are.</summary>
internal sealed record VersionsLost;

/// <summary>The run's state has come to another version.</summary>
internal sealed record VersionReached(RunState Run);

/// <summary>
/// The generators' nodes as the GeneratorPool sees them: turns what they say into its commands, and its tickets into messages. Work is pulled: nobody is sent more than was asked for. A node that
/// leaves gives back what it held at once; one that is silent loses it when its deadline passes.
/// </summary>
internal sealed class GeneratorNodesActor : ReceiveActor
{
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly Dictionary<string, Node> nodes = [];
    private readonly SortedDictionary<long, WeightsRef> weights = [];
    private readonly Dictionary<WorkerId, Effect.SendTickets> homeless = []; // their version is published, but nobody serves it at the moment

    /// <param name="share">How many groups a generator takes at once, by how many generators there are.</param>
    public GeneratorNodesActor(BulkClient bulk, Func<int, int> share)
    {
        Receive<WorkWanted>(x =>
        {
            Node node = Register(x.By);
            if (node.Issued?.Ask == x.Ask)
            {
                node.Ref.Tell(node.Issued); // was lost on the way
            }
            else if (node.Ask != x.Ask)
            {
                node.Ask = x.Ask;
                Context.Parent.Tell(new Command.WorkAsked(x.By.Id, share(nodes.Count)));
            }
        });
        Receive<WorkGoesOn>(x => Context.Parent.Tell(new Command.Progress(Register(x.By).Id)));
        Receive<WorkDropped>(x =>
        {
            log.Warning("{0} gives back what it held: {1}", x.By.Name, x.Reason);
            Leave(x.By.Name);
        });
        Receive<CompletionsOffered>(x =>
        {
            Register(x.By);
            _ = Fetch(bulk, x).PipeTo(Self, Self, completions => completions, failure => new Lost(x.By.Name, x.Ticket.Group, failure.Message));
        });
        Receive<Command.CompletionsArrived>(Context.Parent.Tell);
        Receive<Lost>(x => log.Warning("The completions of group {0} could not be had from {1}: {2} They are sampled again", x.Group, x.Name, x.Reason));
        Receive<Effect.SendTickets>(Send);
        Receive<VersionAt>(x =>
        {
            weights[x.Weights.Version.Steps] = x.Weights;
            Retire(x.RetireBelow);
            foreach (Node node in nodes.Values)
            {
                node.Ref.Tell(new WeightsAnnounced(x.Weights, x.RetireBelow));
            }

            foreach (Effect.SendTickets tickets in homeless.Values.ToArray())
            {
                homeless.Remove(tickets.Generator);
                Send(tickets);
            }
        });
        Receive<VersionsLost>(_ => weights.Clear());
        Receive<VersionReached>(x =>
        {
            long below = x.Run.Policies.Keys.FirstOrDefault();
            Retire(below);
            foreach (Node node in nodes.Values)
            {
                node.Ref.Tell(new WeightsRetired(below));
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
            foreach (Node node in nodes.Values.Where(node => node.Ref.Equals(x.ActorRef)).ToArray())
            {
                log.Info("Generator {0} has left", node.Id);
                Leave(node.Id.Name);
            }
        });
    }

    /// <param name="Count">Generators known at the moment.</param>
    public sealed record Known(int Count);

    private static async Task<Command.CompletionsArrived> Fetch(BulkClient bulk, CompletionsOffered offered)
    {
        byte[] content = await bulk.GetAsync(offered.Content, CancellationToken.None);
        return new Command.CompletionsArrived(offered.By.Id, offered.Ticket, offered.Weights, CompletionsContent.Decode(content), offered.Elapsed);
    }

    private void Send(Effect.SendTickets tickets)
    {
        if (!nodes.TryGetValue(tickets.Generator.Name, out Node? node))
        {
            return; // it left meanwhile; its leases are taken back
        }

        if (!weights.TryGetValue(tickets.Tickets[0].Version.Steps, out WeightsRef? version))
        {
            homeless[tickets.Generator] = tickets;
            return;
        }

        node.Issued = new TicketsIssued(node.Ask, tickets.Tickets, version);
        node.Ref.Tell(node.Issued);
    }

    private void Retire(long below)
    {
        foreach (long old in weights.Keys.TakeWhile(version => version < below).ToArray())
        {
            weights.Remove(old);
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
        }

        Context.Watch(Sender);
        var node = new Node(by.Id, Sender);
        nodes[by.Name] = node;
        log.Info("Generator {0} has joined", by.Name);
        Context.Parent.Tell(new Command.GeneratorJoined(by.Id));
        Context.Parent.Tell(new Known(nodes.Count));
        foreach (WeightsRef version in weights.Values)
        {
            Sender.Tell(new WeightsAnnounced(version, weights.Keys.First()));
        }

        return node;
    }

    private void Leave(string name)
    {
        if (nodes.Remove(name, out Node? node))
        {
            Context.Unwatch(node.Ref);
            homeless.Remove(node.Id);
            Context.Parent.Tell(new Command.GeneratorLeft(node.Id));
            Context.Parent.Tell(new Known(nodes.Count));
        }
    }

    private sealed class Node(WorkerId id, IActorRef actor)
    {
        public WorkerId Id => id;

        public IActorRef Ref => actor;

        /// <summary>The ask that is being served or waits.</summary>
        public long Ask { get; set; } = -1;

        public TicketsIssued? Issued { get; set; }
    }

    private sealed record Lost(string Name, GroupId Group, string Reason);
}
