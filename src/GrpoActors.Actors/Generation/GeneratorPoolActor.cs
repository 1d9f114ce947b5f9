using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Runs;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Generation;

/// <summary>Tickets with the tokens of their prompts, on their way to a generator.</summary>
internal sealed record TicketsDrawn(WorkerId Generator, ImmutableArray<PromptedTicket> Tickets);

/// <summary>To the scorer pool: where a group's completions lie, so that scorers fetch them from there.</summary>
/// <param name="Holder">Whose process serves them.</param>
internal sealed record CompletionsAt(GroupId Group, CompletionsRef Completions, string Holder);

/// <summary>To the scorer pool: what this generator's process served is gone.</summary>
internal sealed record HolderLeft(string Holder);

/// <summary>
/// The generators, here or on other nodes, as <see cref="GeneratorPool"/> sees them: turns what they say into its commands, and its tickets into messages. Work is pulled: no generator is sent
/// more than it asked for. One that leaves gives back what it held at once; one that is silent loses it when its deadline passes.
/// </summary>
internal sealed class GeneratorPoolActor : ReceiveActor
{
    private readonly ILogger log;
    private readonly LogLevel comings; // on one machine they are no news
    private readonly IContents contents;
    private readonly IActorRef scorers;
    private readonly Func<int, int> groupsMax;
    private readonly ImmutableArray<LocalWorker> own;
    private readonly Dictionary<string, Generator> generators = [];
    private readonly SortedDictionary<long, WeightsRef> weights = [];
    private readonly Dictionary<WorkerId, TicketsDrawn> awaitingWeights = []; // their version is published, but at the moment it is served nowhere
    private VersionReached reached = new(0, 0);

    /// <param name="own">The generators of this process; on a cluster's coordinator none.</param>
    /// <param name="groupsMax">How many groups a generator takes at once, by how many generators there are.</param>
    public GeneratorPoolActor(ILogger log, ImmutableArray<LocalWorker> own, IContents contents, IActorRef scorers, Func<int, int> groupsMax)
    {
        this.log = log;
        comings = own.IsEmpty ? LogLevel.Information : LogLevel.Debug;
        (this.own, this.contents, this.scorers, this.groupsMax) = (own, contents, scorers, groupsMax);
        Receive<WorkWanted>(x =>
        {
            Generator generator = Register(x.By);
            if (generator.Issued?.Ask == x.Ask)
            {
                generator.Ref.Tell(generator.Issued); // was lost on the way
            }
            else if (generator.Ask != x.Ask)
            {
                generator.Ask = x.Ask;
                generator.WaitsToAsk = true;
                PassOn(generator);
            }
        });
        Receive<Heartbeat>(x => Context.Parent.Tell(new Command.Progress(Register(x.By).Id)));
        Receive<WorkReturned>(x =>
        {
            log.WorkReturned(own.IsEmpty ? LogLevel.Warning : LogLevel.Debug, x.By.Name, x.Reason); // on one machine its worker has said it
            Leave(x.By.Name);
        });
        Receive<CompletionsOffered>(Fetch);
        Receive<Fetched>(x =>
        {
            Arrived(x.Offered, x.Completions);
            Landed(x.From);
        });
        Receive<Lost>(x =>
        {
            log.GroupLost(x.Group, x.From.Id.Name, x.Reason);
            Landed(x.From);
        });
        Receive<TicketsDrawn>(Send);
        Receive<WeightsPublished>(x =>
        {
            weights[x.Weights.Version.Steps] = x.Weights;
            Retire();
            Tell(new WeightsAnnounced(x.Weights, reached.RetireBelow));
            foreach (TicketsDrawn tickets in awaitingWeights.Values.ToArray())
            {
                awaitingWeights.Remove(tickets.Generator);
                Send(tickets);
            }
        });
        Receive<WeightsLost>(_ => weights.Clear());
        Receive<VersionReached>(x =>
        {
            reached = x;
            Retire();
            Tell(x);
        });
        Receive<RunOver>(Tell);
        Receive<Terminated>(x =>
        {
            foreach (Generator gone in generators.Values.Where(generator => generator.Ref.Equals(x.ActorRef)).ToArray())
            {
                log.GeneratorLeft(comings, gone.Id);
                Leave(gone.Id.Name);
            }
        });
        Receive<ChildFailed>(x => throw new WorkerActorFailedException(x));
        Receive<WorkerGaveUp>(Context.Parent.Tell);
    }

    /// <param name="Count">Generators known at the moment.</param>
    public sealed record Known(int Count);

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    protected override void PreStart() => LocalWorker.StartAll(own, Context, Self);

    private void Fetch(CompletionsOffered offered)
    {
        Generator from = Register(offered.By);
        ValueTask<ImmutableArray<Completion>> fetch = contents.Get(offered.Completions);
        if (fetch.IsCompletedSuccessfully)
        {
            Arrived(offered, fetch.Result);
            return;
        }

        from.UnderWay++;
        _ = fetch.AsTask().PipeTo(Self, Self, completions => new Fetched(from, offered, completions), failure => new Lost(from, offered.Ticket.Group, FailureTable.Cause(failure).Message));
    }

    private void Landed(Generator from)
    {
        from.UnderWay--;
        PassOn(from);
    }

    /// <summary>An ask says that nothing is held any more: it must not overtake completions that are still under way, or their groups would be sampled again.</summary>
    private void PassOn(Generator generator)
    {
        if (generator is { WaitsToAsk: true, UnderWay: 0 } && generators.GetValueOrDefault(generator.Id.Name) == generator)
        {
            generator.WaitsToAsk = false;
            Context.Parent.Tell(new Command.WorkAsked(generator.Id, groupsMax(generators.Count)));
        }
    }

    private void Arrived(CompletionsOffered offered, ImmutableArray<Completion> completions)
    {
        scorers.Tell(new CompletionsAt(offered.Ticket.Group, offered.Completions, offered.By.Name));
        Context.Parent.Tell(new Command.CompletionsArrived(offered.By.Id, offered.Ticket, offered.Weights, completions, offered.Elapsed));
    }

    private void Send(TicketsDrawn tickets)
    {
        if (!generators.TryGetValue(tickets.Generator.Name, out Generator? generator))
        {
            return; // it left meanwhile; its leases are taken back
        }

        long needed = tickets.Tickets[0].Ticket.Version.Steps;
        if (needed < reached.RetireBelow)
        {
            generator.Ask = -1; // the run has gone on meanwhile: the ask counts again when it is repeated
            return;
        }

        if (!weights.TryGetValue(needed, out WeightsRef? version))
        {
            awaitingWeights[tickets.Generator] = tickets;
            return;
        }

        generator.Issued = new TicketsIssued(generator.Ask, tickets.Tickets, version);
        generator.Ref.Tell(generator.Issued);
    }

    private void Tell(ToWorker message)
    {
        foreach (Generator generator in generators.Values)
        {
            generator.Ref.Tell(message);
        }
    }

    private void Retire()
    {
        foreach (long old in weights.Keys.TakeWhile(version => version < reached.RetireBelow).ToArray())
        {
            weights.Remove(old);
        }
    }

    private Generator Register(WorkerIdentity by)
    {
        if (generators.TryGetValue(by.Name, out Generator? known) && known.Ref.Equals(Sender))
        {
            return known;
        }

        if (known is not null)
        {
            Context.Unwatch(known.Ref);
        }

        Context.Watch(Sender);
        var generator = new Generator(by.Id, Sender);
        generators[by.Name] = generator;
        log.GeneratorJoined(comings, by.Name);
        Context.Parent.Tell(new Command.GeneratorJoined(by.Id));
        Context.Parent.Tell(new Known(generators.Count));
        Sender.Tell(reached);
        foreach (WeightsRef version in weights.Values)
        {
            Sender.Tell(new WeightsAnnounced(version, reached.RetireBelow));
        }

        return generator;
    }

    private void Leave(string name)
    {
        if (generators.Remove(name, out Generator? generator))
        {
            Context.Unwatch(generator.Ref);
            awaitingWeights.Remove(generator.Id);
            scorers.Tell(new HolderLeft(name));
            Context.Parent.Tell(new Command.GeneratorLeft(generator.Id));
            Context.Parent.Tell(new Known(generators.Count));
        }
    }

    private sealed class Generator(WorkerId id, IActorRef actor)
    {
        public WorkerId Id => id;

        public IActorRef Ref => actor;

        /// <summary>The ask that is being served or waits.</summary>
        public long Ask { get; set; } = -1;

        /// <summary>The run has not heard of it.</summary>
        public bool WaitsToAsk { get; set; }

        public TicketsIssued? Issued { get; set; }

        /// <summary>Completions of it that are being fetched.</summary>
        public int UnderWay { get; set; }
    }

    private sealed record Fetched(Generator From, CompletionsOffered Offered, ImmutableArray<Completion> Completions);

    private sealed record Lost(Generator From, GroupId Group, string Reason);
}
