using System.Collections.Immutable;
using System.Diagnostics;
using System.Threading.Channels;
using GrpoActors.Core;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Workers;

/// <summary>Pulls tickets, samples them together, sends each group's completions, asks again. Owns a sampler and nothing of the run.</summary>
internal sealed class Generator(WorkerId id, RunSetup setup, WeightStore weights, int groupsMax, Action<Command> post)
{
    private readonly Channel<ImmutableArray<Ticket>> mailbox = Channel.CreateUnbounded<ImmutableArray<Ticket>>();

    public WorkerId Id => id;

    public void Send(ImmutableArray<Ticket> tickets) => mailbox.Writer.TryWrite(tickets);

    public void Work(CancellationToken stop)
    {
        while (mailbox.Reader.TryRead(out _))
        {
            // tickets sent to the instance that crashed: the pool has issued them again
        }

        using ISampler sampler = setup.Engine.OpenSampler();
        PolicyVersion? loaded = null;
        post(new Command.GeneratorJoined(id));
        while (true)
        {
            post(new Command.WorkAsked(id, groupsMax));
            ImmutableArray<Ticket> tickets = Next(sampler, ref loaded, stop);
            if (weights.Hold(tickets[0].Version, stop).GetAwaiter().GetResult() is not { } policy)
            {
                continue; // somebody else has answered: these groups are trained
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
                weights.Release(policy); // the sampler has a copy of its own
            }

            Sample(sampler, policy.Policy, tickets, stop);
        }
    }

    /// <summary>The next tickets. Where the loaded version is retired before they come, its memory is given back meanwhile: the trainer is at work and can use it.</summary>
    private ImmutableArray<Ticket> Next(ISampler sampler, ref PolicyVersion? loaded, CancellationToken stop)
    {
        Task<ImmutableArray<Ticket>> next = mailbox.Reader.ReadAsync(stop).AsTask();
        if (loaded is { } version && Task.WhenAny(next, weights.Retired(version)).GetAwaiter().GetResult() != next)
        {
            sampler.Unload();
            loaded = null;
        }

        return next.GetAwaiter().GetResult();
    }

    private void Sample(ISampler sampler, Digest policy, ImmutableArray<Ticket> tickets, CancellationToken stop)
    {
        int phase = tickets[0].Group.Phase;
        GroupPlan plan = setup.Plan.Identity.Phases[phase].Groups;
        var seeds = new SeedTree(setup.Plan.Identity.Seed);
        PromptTable prompts = setup.Phases[phase];
        SamplePrompt[] asked = [.. tickets.Select(ticket => new SamplePrompt(prompts.Prompt(ticket.Row), seeds.Sampling(ticket.Group), ticket.Indices))];
        var settings = new SampleSettings(plan.Sampling, plan.MaxCompletionLength, Greedy: false, setup.StopScanner(plan.Sampling));
        long started = Stopwatch.GetTimestamp();
        IReadOnlyList<Completion[]> sampled = sampler.Sample(asked, settings, _ => post(new Command.Progress(id)), stop);
        TimeSpan each = Stopwatch.GetElapsedTime(started) / tickets.Length;
        for (int i = 0; i < tickets.Length; i++)
        {
            post(new Command.CompletionsArrived(id, tickets[i], policy, [.. sampled[i]], each));
        }
    }
}
