using System.Diagnostics;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Generation;

/// <summary>A generator: asks for work, is handed tickets, has them sampled, offers each group's completions, asks again.</summary>
/// <remarks>starting -> idle (asks, and again while nothing comes) -> sampling (a heartbeat each second) -> idle</remarks>
internal sealed class GeneratorActor : WorkerActor
{
    private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(1);

    private readonly string sampler;
    private long ask = Stopwatch.GetTimestamp(); // above every ask of an earlier process of this name
    private long? heartbeatAt;
    private bool idle;
    private IActorRef? drains; // told as soon as nothing is held
    private TicketsIssued? held;

    public GeneratorActor(WorkerServices services, string worker, IActorRef run)
        : base(services, worker, run)
    {
        sampler = By.Name;
        Receive<AskAgain>(_ =>
        {
            if (idle)
            {
                Ask();
            }
        });
        Receive<TicketsIssued>(x =>
        {
            if (!idle || x.Ask != ask)
            {
                return; // of an earlier ask, or said twice
            }

            idle = false;
            held = x;
            Bring(x.Weights);
        });
        Receive<WeightsAnnounced>(x =>
        {
            if (x.Weights.Served is not null && x.Weights.Version.Steps >= x.RetireBelow)
            {
                Bring(x.Weights); // early: while the sampler is at work with the version before
            }
        });
        Receive<Brought>(x => Sample(x.Version));
        Receive<Missing>(x =>
        {
            if (held is { } waiting && waiting.Weights.Version == x.Weights.Version)
            {
                Log.WeightsMissing(x.Weights.Version, x.Reason);
                Run.Tell(new WorkReturned(By, $"it cannot get the weights of {x.Weights.Version}: {x.Reason}"));
                Next();
            }
        });
        Receive<SamplerActor.Progress>(_ =>
        {
            if (heartbeatAt is not { } last || services.Time.GetElapsedTime(last) >= HeartbeatEvery)
            {
                heartbeatAt = services.Time.GetTimestamp();
                Run.Tell(new Heartbeat(By));
            }
        });
        Receive<SamplerActor.Sampled>(x => Run.Tell(new CompletionsOffered(By, x.Ticket, x.Weights, x.Elapsed, services.Contents.Offer(x.Completions))));
        Receive<SamplerActor.Ready>(_ => Next());
        Receive<Drain>(_ =>
        {
            drains = Sender;
            if (idle)
            {
                drains.Tell(Drained.Instance);
            }
        });
    }

    protected override void PreStart()
    {
        StartEngine(sampler, () => new SamplerActor(Services, sampler), "grpo.dispatchers.sampling", () =>
        {
            idle = false;
            held = null;
            Run.Tell(new WorkReturned(By, "its sampler failed and is started again"));
        });
        Timers.Repeat(nameof(AskAgain), new AskAgain(), Services.AskAgainAfter);
    }

    protected override void PostStop()
    {
        Run.Tell(new WorkReturned(By, "it leaves"));
        base.PostStop();
    }

    protected override void Reached(VersionReached version) => EngineOf(sampler).Tell(version);

    private void Next()
    {
        ask++;
        idle = true;
        held = null;
        Ask();
        drains?.Tell(Drained.Instance);
    }

    private void Ask()
    {
        if (drains is null)
        {
            Run.Tell(new WorkWanted(By, ask));
        }
    }

    private void Bring(WeightsRef weights)
    {
        Task bring = Services.Contents.Bring(weights);
        if (bring.IsCompletedSuccessfully)
        {
            Sample(weights.Version);
            return;
        }

        _ = bring.PipeTo(Self, Self, () => new Brought(weights.Version), failure => new Missing(weights, FailureTable.Cause(failure).Message));
    }

    private void Sample(PolicyVersion version)
    {
        if (held is { } tickets && tickets.Weights.Version == version)
        {
            EngineOf(sampler).Tell(new SamplerActor.Sample(tickets.Tickets));
            held = null;
        }
    }

    private sealed record AskAgain;

    private sealed record Brought(PolicyVersion Version);

    private sealed record Missing(WeightsRef Weights, string Reason);
}
