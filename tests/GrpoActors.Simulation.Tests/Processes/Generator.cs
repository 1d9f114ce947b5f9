using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>Asks for work, samples, answers, asks again; where nothing comes it asks again after a while.</summary>
internal sealed class Generator(SimulatedRun simulation, WorkerId id) : Process(simulation, id.Name)
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(20);

    private readonly Queue<ImmutableArray<Ticket>> mailbox = new();
    private bool busy;
    private int asked;

    public WorkerId Id => id;

    public bool LeavesForGood { get; set; }

    public void Receive(ImmutableArray<Ticket> tickets)
    {
        mailbox.Enqueue(tickets);
        if (!busy)
        {
            Next();
        }
    }

    protected override void Begin()
    {
        Post(new Command.GeneratorJoined(id));
        Ask();
    }

    protected override void End()
    {
        mailbox.Clear();
        busy = false;
        Post(new Command.GeneratorLeft(id)); // by whoever supervises it
    }

    private void Post(Command command) => Simulation.Post(this, command);

    private void Ask()
    {
        int mine = ++asked;
        Post(new Command.WorkAsked(id, 2));
        After(AskAgainAfter, () =>
        {
            if (mine == asked && !busy)
            {
                Ask();
            }
        });
    }

    private void Next()
    {
        if (!mailbox.TryDequeue(out ImmutableArray<Ticket> tickets))
        {
            busy = false;
            Ask();
            return;
        }

        busy = true;
        Fetch(tickets, 5);
    }

    private void Fetch(ImmutableArray<Ticket> tickets, int tries)
    {
        if (Simulation.WeightsOf(tickets[0].Version) is { } weights)
        {
            if (Simulation.Strikes(FaultKind.GeneratorStalls, out Fault stall))
            {
                TimeSpan length = TimeSpan.FromSeconds(20 + (stall.Choice % 200));
                Simulation.QuietUntil(Simulation.Now + length);
                Freeze(length, () => { });
            }

            Sample(weights, tickets, 0);
        }
        else if (tries > 0)
        {
            After(TimeSpan.FromSeconds(1), () => Fetch(tickets, tries - 1));
        }
        else
        {
            Next();
        }
    }

    private void Sample(PolicyWeights weights, ImmutableArray<Ticket> tickets, int index)
    {
        if (index == tickets.Length)
        {
            Next();
            return;
        }

        After(TimeSpan.FromMilliseconds(50 + Simulation.Random.Next(400)), () => Post(new Command.Progress(id)));
        After(TimeSpan.FromMilliseconds(500 + Simulation.Random.Next(400)), () =>
        {
            Answer(weights, tickets[index]);
            Sample(weights, tickets, index + 1);
        });
    }

    private void Answer(PolicyWeights weights, Ticket ticket)
    {
        Digest content = FakeTrainer.ContentOf(weights.Tensors);
        ImmutableArray<Completion> completions = [.. ticket.Indices.Select(index => Truth.Sample(ticket.Group, ticket.Row, index, content))];
        completions = Simulation.Rig.Sampled(id, ticket, completions);
        var honest = new Command.CompletionsArrived(id, ticket, weights.Policy, completions, TimeSpan.FromSeconds(0.5));
        if (Simulation.Strikes(FaultKind.WrongVersion, out _))
        {
            Post(honest with { Ticket = ticket with { Version = ticket.Version.Next } });
        }
        else if (Simulation.Strikes(FaultKind.WrongWeights, out _))
        {
            Digest other = content.Then([7]);
            Post(honest with { Weights = other, Completions = [.. ticket.Indices.Select(index => Truth.Sample(ticket.Group, ticket.Row, index, other))] });
        }
        else if (Simulation.Strikes(FaultKind.AnswersShort, out Fault lacking))
        {
            Post((lacking.Choice % 4) switch
            {
                0 => honest with { Completions = completions[..^1] },
                1 => honest with { Completions = completions.SetItem(0, completions[^1]) },
                2 => honest with { Completions = completions.SetItem(0, completions[0] with { LogProbs = completions[0].LogProbs.SetItem(0, float.NaN) }) },
                _ => honest with { Ticket = ticket with { Row = ticket.Row == 0 ? 1 : ticket.Row - 1 } },
            });
        }
        else
        {
            Post(honest);
            if (Simulation.Strikes(FaultKind.AnswersTwice, out _))
            {
                Post(honest);
            }
        }
    }
}
