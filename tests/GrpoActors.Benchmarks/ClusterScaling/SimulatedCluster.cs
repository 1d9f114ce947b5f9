using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Benchmarks.ClusterScaling;

/// <summary>
/// The stages, unchanged, on virtual time: workers take what <see cref="ClusterLoad"/> says, the coordinator what its commands really take while this runs.
/// </summary>
/// <remarks>
/// <code>
///   generators (n) --completions--> coordinator (1) --calls--> scorers --> coordinator --batch--> trainer (1) --> coordinator
///       ^---------- weights over the trainer's link (1) ---------------------------------------------'
/// </code>
/// Nothing fails here, so deadlines are not kept.
/// </remarks>
internal sealed class SimulatedCluster(ClusterLoad load, int generators, int scorers)
{
    private const int WarmSteps = 2;

    private readonly PriorityQueue<Action, (TimeSpan At, long Number)> _agenda = new();
    private readonly Queue<Command> _mailbox = new();
    private readonly Station _coordinator = new(1), _trainer = new(1), _link = new(1), _sampling = new(generators), _scoring = new(scorers);
    private readonly Dictionary<WorkerId, PolicyVersion> _loaded = [];
    private readonly Dictionary<PolicyVersion, Digest> _policies = new() { [new PolicyVersion(0)] = Digest.Of("start") };
    private long _number;
    private TimeSpan _now;
    private bool _isDeciding;
    private ClusterPace? _pace;
    private (TimeSpan At, long Tokens, CoordinatorTime Spent)? _windowBegin;

    /// <summary>Runs until the last step but one is committed: from then on there is nothing left to sample.</summary>
    public static async Task<ClusterPace> Run(ClusterLoad load, OrderPlan order, int generators, int scorers)
    {
        string folder = Directory.CreateTempSubdirectory("grpo-scaling-").FullName;
        try
        {
            await using var coordinator = new MeasuredCoordinator(load.Plan(order), RunJournal.Of(null, folder, Digest.Of("plan")));
            return new SimulatedCluster(load, generators, scorers).ToTheEnd(coordinator);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private ClusterPace ToTheEnd(MeasuredCoordinator coordinator)
    {
        var (_, _, effects) = coordinator.Begin();
        Start(effects);
        for (int i = 0; i < generators; i++)
        {
            var generator = new WorkerId($"generator-{i}");
            Send(new Command.GeneratorJoined(generator));
            Send(new Command.WorkAsked(generator, load.GroupsPerTicket));
        }

        Decide(coordinator);
        while (_pace is null)
        {
            if (!_agenda.TryDequeue(out Action? act, out (TimeSpan At, long Number) due))
            {
                throw new InvalidOperationException($"The simulated cluster stands still at step {coordinator.Run.Version.Steps}.");
            }

            _now = due.At;
            act();
            Decide(coordinator);
        }

        return _pace;
    }

    /// <summary>The coordinator takes whatever waits, and is busy for as long as that really took.</summary>
    private void Decide(MeasuredCoordinator coordinator)
    {
        if (_isDeciding || _mailbox.Count == 0 || (_agenda.TryPeek(out _, out var next) && next.At == _now)) // what comes at the same moment shares an append
        {
            return;
        }

        var commands = new List<Command>();
        while (commands.Count < MeasuredCoordinator.CommandsPerAppendMax && _mailbox.TryDequeue(out Command? command))
        {
            commands.Add(command);
        }

        var (busy, events, effects) = coordinator.Handle(commands, load.Message);
        _isDeciding = true;
        At(_coordinator.Serve(_now, busy), () =>
        {
            _isDeciding = false;
            Note(coordinator, events);
            Start(effects);
        });
    }

    private void Note(MeasuredCoordinator coordinator, IReadOnlyList<FoldedEvent> events)
    {
        foreach (FoldedEvent e in events.Where(e => e.Event is RunEvent.StepCommitted))
        {
            long committed = e.After.Version.Steps;
            if (committed == WarmSteps)
            {
                _windowBegin = (_now, e.After.Counts.TokensTrained, coordinator.Spent);
            }
            else if (committed == load.Steps - 1 && _windowBegin is { } begin)
            {
                _pace = new ClusterPace(
                    generators, (e.After.Counts.TokensTrained - begin.Tokens) / (_now - begin.At).TotalSeconds, _coordinator.Utilisation(begin.At, _now), _trainer.Utilisation(begin.At, _now),
                    _sampling.Utilisation(begin.At, _now), _scoring.Utilisation(begin.At, _now), _link.Utilisation(begin.At, _now), coordinator.Spent - begin.Spent,
                    e.After.Counts.TokensTrained - begin.Tokens);
            }
        }
    }

    private void Start(IReadOnlyList<Effect> effects)
    {
        foreach (Effect effect in effects)
        {
            switch (effect)
            {
                case Effect.SendTickets x:
                    At(_now + load.Latency, () => Sample(x));
                    break;
                case Effect.RunScorer x:
                    At(_scoring.Serve(_now + load.Latency, load.ScoreGroup) + load.Latency, () => Send(Score(x.Call)));
                    break;
                case Effect.TrainBatch x:
                    At(_trainer.Serve(_now + load.Latency, load.TrainGroup * x.Batch.Inputs.Groups.Length) + load.Latency, () => Send(Train(x)));
                    break;
                case Effect.PublishVersion x:
                    At(_trainer.Serve(_now + load.Latency, TimeSpan.Zero) + load.Latency, () => Send(new Command.VersionPublished(x.Version)));
                    break;
                case Effect.WriteCheckpoint x:
                    At(
                        _trainer.Serve(_now + load.Latency, TimeSpan.Zero) + load.Latency,
                        () => Send(new Command.CheckpointDone(x.Step, $"step-{x.Step}", Digest.Of($"manifest {x.Step}"), x.Policy, x.Policy)));
                    break;
                case Effect.StopRun x:
                    throw new InvalidOperationException(x.Reason);
                default:
                    break;
            }
        }
    }

    private void Sample(Effect.SendTickets sent)
    {
        TimeSpan ready = _now;
        PolicyVersion version = sent.Tickets[0].Version;
        if (load.LinkBytesPerSecond > 0 && (!_loaded.TryGetValue(sent.Generator, out PolicyVersion loaded) || loaded != version))
        {
            _loaded[sent.Generator] = version;
            ready = _link.Serve(_now, TimeSpan.FromSeconds(load.WeightsBytes / load.LinkBytesPerSecond));
        }

        At(ready, () =>
        {
            TimeSpan work = TimeSpan.Zero;
            foreach (Ticket ticket in sent.Tickets)
            {
                work += load.SampleGroup * (1 + (load.Spread * ((2 * Uniform(ticket.Group)) - 1)));
            }

            At(_sampling.Serve(_now, work) + load.Latency, () =>
            {
                foreach (Ticket ticket in sent.Tickets)
                {
                    Send(new Command.CompletionsArrived(sent.Generator, ticket, _policies[ticket.Version], Completions(ticket), work));
                }

                Send(new Command.WorkAsked(sent.Generator, load.GroupsPerTicket));
            });
        });
    }

    private ImmutableArray<Completion> Completions(Ticket ticket)
    {
        var random = new Random((int)ticket.Group.Ordinal);
        return
        [
            .. ticket.Indices.Select(index => new Completion(
                index,
                [.. Enumerable.Range(0, load.Tokens).Select(_ => random.Next(49_152))],
                [.. Enumerable.Range(0, load.Tokens).Select(_ => -random.NextSingle())],
                FinishReason.Length)),
        ];
    }

    private static Command.ScoreArrived Score(ScoreCall call) =>
        new(call, [.. call.Completions.Select(completion => new ScoreOutcome.Scored((completion.Tokens[0] + call.Reward) % 2))]);

    private Command.BatchTrained Train(Effect.TrainBatch train)
    {
        StepInputs inputs = train.Batch.Inputs;
        Digest update = train.Policy.Then(train.Batch.Digest);
        Digest policy = train.Policy.Then(update);
        _policies[new PolicyVersion(inputs.Step + 1)] = policy;
        return new Command.BatchTrained(inputs.Step, new StepOutputs(false, train.Batch.Digest, update, policy, [], inputs.Adaptive), new StepTimings(default, default));
    }

    private void Send(Command command) => _mailbox.Enqueue(command);

    private void At(TimeSpan moment, Action act) => _agenda.Enqueue(act, (moment, _number++));

    /// <summary>The same group takes the same time in every cluster.</summary>
    private static double Uniform(GroupId group) => (Digest.Of(group.ToString()).A >> 11) * (1.0 / (1UL << 53));
}

/// <summary>What a simulated cluster did in its steady state.</summary>
/// <param name="TokensPerSecond">Trained.</param>
/// <param name="Spent">The coordinator's time in the window.</param>
/// <param name="Tokens">Trained in the window.</param>
internal sealed record ClusterPace(
    int Generators, double TokensPerSecond, double Coordinator, double Trainer, double Sampling, double Scoring, double Link, CoordinatorTime Spent, long Tokens)
{
    /// <summary>What is at work nine tenths of the time or more; null where the stages wait for each other in turns.</summary>
    public string? Bottleneck
    {
        get
        {
            (string Name, double Share)[] shares = [("generators", Sampling), ("trainer", Trainer), ("coordinator", Coordinator), ("weights' link", Link), ("scorers", Scoring)];
            var most = shares.MaxBy(share => share.Share);
            return most.Share >= 0.9 ? most.Name : null;
        }
    }
}
