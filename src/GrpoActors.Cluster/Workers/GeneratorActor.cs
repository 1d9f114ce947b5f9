using System.Diagnostics;
using Akka.Actor;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Workers;

/// <summary>A generator: asks for work, is handed tickets, samples them, offers each group's completions, asks again.</summary>
/// <remarks>idle (asks, and again while nothing comes) -> sampling (a sign of life each second) -> idle</remarks>
internal sealed class GeneratorActor : WorkerActor
{
    private static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(1);

    private readonly Generator generator;
    private long ask = Stopwatch.GetTimestamp(); // above every ask of an earlier process of this name
    private long aliveAt;
    private bool idle;
    private IActorRef? drains; // told as soon as nothing is held
    private TicketsIssued? held;

    public GeneratorActor(NodeServices node, string worker, IActorRef coordinator)
        : base(node, worker, coordinator)
    {
        generator = new Generator(By.Id, node.Setup, node.Weights, groupsMax: 1, command => Myself.Tell(command));
        Receive<Command.GeneratorJoined>(_ => { });
        Receive<Command.WorkAsked>(_ =>
        {
            ask++;
            idle = true;
            held = null;
            Ask();
            drains?.Tell(Drained.Instance);
        });
        Receive<Drain>(_ =>
        {
            drains = Sender;
            if (idle)
            {
                drains.Tell(Drained.Instance);
            }
        });
        Receive<AskAgain>(_ =>
        {
            if (idle)
            {
                Ask();
            }
        });
        Receive<Command.Progress>(_ =>
        {
            if (Stopwatch.GetElapsedTime(aliveAt) > SignOfLife)
            {
                aliveAt = Stopwatch.GetTimestamp();
                Coordinator.Tell(new WorkGoesOn(By));
            }
        });
        Receive<Command.CompletionsArrived>(x => Coordinator.Tell(new CompletionsOffered(By, x.Ticket, x.Weights, x.Elapsed, node.Shelf.Put(CompletionsContent.Encode(x.Completions)))));
        Receive<TicketsIssued>(x =>
        {
            if (!idle || x.Ask != ask)
            {
                return; // of an earlier ask, or said twice
            }

            idle = false;
            held = x;
            Bring(x.Weights);
            generator.Send(x.Tickets);
        });
        Receive<WeightsAnnounced>(x =>
        {
            Retire(x.RetireBelow);
            if (x.Weights.Version.Steps >= x.RetireBelow)
            {
                Bring(x.Weights);
            }
        });
        Receive<Missing>(x =>
        {
            if (held?.Weights.Version == x.Weights.Version)
            {
                Log.LogWarning("The weights of {Version} cannot be had: {Reason}", x.Weights.Version, x.Reason);
                Coordinator.Tell(new WorkDropped(By, $"it cannot get the weights of {x.Weights.Version}: {x.Reason}"));
                Bring(x.Weights); // its thread waits for them until they come or are retired
            }
        });
        Receive<Crashed>(_ => Coordinator.Tell(new WorkDropped(By, "its sampler failed and is started again")));
    }

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(AskAgain), new AskAgain(), Node.AskAgainAfter);
        StartThread("sampling", generator.Work, () => Myself.Tell(new Crashed()));
    }

    protected override void PostStop()
    {
        Coordinator.Tell(new WorkDropped(By, "it leaves"));
        base.PostStop();
    }

    protected override void HasGivenUp(Exception failure) => Node.Standing.Failed(failure.Message);

    private void Ask()
    {
        if (drains is null)
        {
            Coordinator.Tell(new WorkWanted(By, ask));
        }
    }

    private sealed record AskAgain;

    private sealed record Crashed;
}
