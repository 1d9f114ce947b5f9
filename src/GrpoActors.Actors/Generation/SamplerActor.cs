using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;

namespace GrpoActors.Actors.Generation;

/// <summary>Samples tickets together, on the sampling thread of a generator. Owns an engine's sampler.</summary>
internal sealed class SamplerActor : EngineActor
{
    private readonly ISampler sampler;
    private readonly IActorRef generator;
    private PolicyVersion? loaded;

    public SamplerActor(WorkerServices services, string name)
        : base(services, name)
    {
        generator = Context.Parent;
        sampler = services.Setup.Engine.OpenSampler();
        Receive<Sample>(x =>
        {
            Run(x.Tickets);
            generator.Tell(Ready.Instance);
        });
        Receive<VersionReached>(x =>
        {
            if (loaded?.Steps < x.RetireBelow) // the trainer is at work, and can use the memory
            {
                sampler.Unload();
                loaded = null;
            }
        });
    }

    protected override void PreStart()
    {
        base.PreStart();
        generator.Tell(Ready.Instance);
    }

    protected override void PostStop()
    {
        sampler.Dispose();
        base.PostStop();
    }

    private void Run(ImmutableArray<PromptedTicket> tickets)
    {
        if (Services.Weights.Hold(tickets[0].Ticket.Version, Services.Stopping).GetAwaiter().GetResult() is not { } policy)
        {
            return; // another generator has answered: these groups are trained
        }

        try
        {
            if (loaded != policy.Version)
            {
                sampler.Load(policy);
                loaded = policy.Version;
            }
        }
        finally
        {
            Services.Weights.Release(policy); // the sampler has a copy of its own
        }

        RunPlan plan = Services.Setup.Plan;
        GroupPlan groups = plan.Identity.Phases[tickets[0].Ticket.Group.Phase].Groups;
        var seeds = new SeedTree(plan.Identity.Seed);
        SamplePrompt[] asked = [.. tickets.Select(x => new SamplePrompt(Prompt(x), seeds.Sampling(x.Ticket.Group), x.Ticket.Indices))];
        var settings = new SampleSettings(groups.Sampling, groups.MaxCompletionLength, Greedy: false, Services.Setup.StopScanner(groups.Sampling));
        using Activity? activity = RunInstruments.Activities.StartActivity("grpo.sample")?.SetTag("grpo.groups", tickets.Length).SetTag("grpo.version", policy.Version.Steps);
        long started = Stopwatch.GetTimestamp();
        IReadOnlyList<Completion[]> sampled = sampler.Sample(asked, settings, _ => Post(nameof(Command.Progress), Progress.Instance), Services.Stopping);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(started), each = elapsed / tickets.Length;
        Services.Instruments.SamplingDuration.Record(elapsed.TotalSeconds);
        Services.Instruments.SampledTokens.Add(sampled.Sum(group => group.Sum(completion => completion.Tokens.Length)));
        for (int i = 0; i < tickets.Length; i++)
        {
            Post(nameof(Command.CompletionsArrived), new Sampled(tickets[i].Ticket, policy.Policy, [.. sampled[i]], each));
        }
    }

    private int[] Prompt(PromptedTicket ticket) =>
        ticket.Prompt.IsDefault ? Services.Setup.Phases[ticket.Ticket.Group.Phase].Prompt(ticket.Ticket.Row) : ImmutableCollectionsMarshal.AsArray(ticket.Prompt)!;

    internal sealed record Sample(ImmutableArray<PromptedTicket> Tickets);

    internal sealed record Sampled(Ticket Ticket, Digest Weights, ImmutableArray<Completion> Completions, TimeSpan Elapsed);

    internal sealed record Progress
    {
        public static Progress Instance { get; } = new();
    }

    /// <summary>It samples whatever comes next.</summary>
    internal sealed record Ready
    {
        public static Ready Instance { get; } = new();
    }
}
