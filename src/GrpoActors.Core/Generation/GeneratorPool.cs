using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Generation;

/// <summary>
/// Decides which generator samples what. Work is pulled: a generator asks, is handed tickets under a lease, and asks again. A ticket plus a
/// seed gives the same tokens anywhere, so the first complete answer is taken from whoever sends it, and only silence ends a lease.
/// </summary>
public static class GeneratorPool
{
    public static Decision<GeneratorMemory> Decide(RunState run, GeneratorMemory memory, Command command) => command switch
    {
        Command.Reconsider => Assign(run, memory.Forget(run), []),
        Command.VersionPublished x => Assign(run, memory with { Published = memory.Published.Add(x.Version.Steps) }, []),
        Command.GeneratorJoined x => Assign(run, memory.Release(x.Generator), []),
        Command.GeneratorLeft x => Assign(run, memory.Release(x.Generator), []),
        Command.WorkAsked x => Assign(run, memory.Release(x.Generator).Ask(x.Generator, x.GroupsMax), []),
        Command.Progress x => Prolong(memory, x.Generator),
        Command.CompletionsArrived x => Take(run, memory, x),
        Command.DeadlinePassed { Deadline.For: Waits.Ticket } x => Expire(run, memory, x.Deadline),
        Command.DeadlinePassed { Deadline.For: Waits.Work } x when memory.Unclaimed == x.Deadline => Assign(run, memory with { Unclaimed = null }, []),
        _ => Decision<GeneratorMemory>.Nothing(memory),
    };

    private static Decision<GeneratorMemory> Assign(RunState run, GeneratorMemory memory, ImmutableArray<Effect> effects)
    {
        ReadOnlySpan<GroupState> available = memory.Asking.IsEmpty ? [] : Available(run, memory);
        foreach ((WorkerId generator, int most) in memory.Asking) // first asked, first served
        {
            ImmutableArray<Ticket> tickets = Issue(run, available[..OfOneVersion(available, most)]);
            if (tickets.IsEmpty)
            {
                break;
            }

            available = available[tickets.Length..];
            int attempt = memory.Attempts.GetValueOrDefault(generator) + 1;
            memory = memory with
            {
                Asking = memory.Asking.RemoveAt(0),
                Attempts = memory.Attempts.SetItem(generator, attempt),
                Leases = memory.Leases.SetItems(tickets.Select(ticket => KeyValuePair.Create(ticket.Group, generator))),
            };
            effects = effects.AddRange(
                new Effect.SendTickets(generator, tickets),
                new Effect.SetDeadline(Deadline(generator, attempt), memory.Silence));
        }

        return NameUnclaimed(run, memory, effects);
    }

    /// <summary>Groups that could be sampled while no generator works or asks: a wait like any other, with a deadline at which its ids are told.</summary>
    private static Decision<GeneratorMemory> NameUnclaimed(RunState run, GeneratorMemory memory, ImmutableArray<Effect> effects)
    {
        GroupState[] available = memory.Leases.IsEmpty && memory.Asking.IsEmpty ? Available(run, memory) : [];
        int unclaimed = OfOneVersion(available, int.MaxValue);
        if (unclaimed == 0)
        {
            return new(memory with { Unclaimed = null }, [], effects);
        }

        if (memory.Unclaimed is not null)
        {
            return new(memory, [], effects);
        }

        int count = memory.UnclaimedCount + 1;
        string ids = string.Join(", ", available.Take(Math.Min(3, unclaimed)).Select(group => group.Id)) + (unclaimed > 3 ? $" and {unclaimed - 3} more" : "");
        var deadline = new DeadlineId(Waits.Work, $"for groups {ids}", count);
        return new(memory with { Unclaimed = deadline, UnclaimedCount = count }, [], effects.Add(new Effect.SetDeadline(deadline, memory.Silence)));
    }

    /// <summary>What may be handed out, the oldest work first.</summary>
    private static GroupState[] Available(RunState run, GeneratorMemory memory) =>
    [
        .. run.Groups.Values
            .Where(group => group.Fate == GroupFate.Open && memory.Published.Contains(group.Version.Steps) && !memory.Leases.ContainsKey(group.Id) && !memory.Delivered.Contains(group.Id))
            .OrderBy(group => group.Step)
            .ThenBy(group => group.Id),
    ];

    /// <summary>How many of the first groups go out together: at most so many, all of one version, since a sampler loads one at a time.</summary>
    private static int OfOneVersion(ReadOnlySpan<GroupState> groups, int most)
    {
        int count = 0;
        while (count < groups.Length && count < most && groups[count].Version == groups[0].Version)
        {
            count++;
        }

        return count;
    }

    private static ImmutableArray<Ticket> Issue(RunState run, ReadOnlySpan<GroupState> groups)
    {
        var tickets = ImmutableArray.CreateBuilder<Ticket>(groups.Length);
        foreach (GroupState group in groups)
        {
            tickets.Add(Issue(run, group));
        }

        return tickets.MoveToImmutable();
    }

    private static Ticket Issue(RunState run, GroupState group) =>
        new(group.Id, group.Row, [.. Enumerable.Range(0, run.PhasePlan!.Groups.NumGenerations)], group.Version);

    private static Decision<GeneratorMemory> Take(RunState run, GeneratorMemory memory, Command.CompletionsArrived arrived)
    {
        GroupId id = arrived.Ticket.Group;
        bool answersAnOpenTicket =
            run.Groups.TryGetValue(id, out GroupState? group) && group.Fate == GroupFate.Open && !memory.Delivered.Contains(id) && arrived.Ticket.Version == group.Version;
        if (!answersAnOpenTicket)
        {
            return Decision<GeneratorMemory>.Nothing(memory);
        }

        bool usable = arrived.Ticket.Row == group!.Row && IsComplete(run, arrived) && run.Policies.TryGetValue(group!.Version.Steps, out Digest policy) && policy == arrived.Weights;
        memory = memory with { Leases = memory.Leases.Remove(id) };
        return usable // the ticket as it was issued: nothing of the answer but tokens and log-probs goes on
            ? Assign(run, memory with { Delivered = memory.Delivered.Add(id) }, [new Effect.HandOn(arrived with { Ticket = Issue(run, group!) })])
            : Assign(run, memory, []); // an answer with other weights, to another row or short of completions is no answer: the ticket goes out again
    }

    /// <summary>All completions, in order, each with a finite log-prob for each token.</summary>
    private static bool IsComplete(RunState run, Command.CompletionsArrived arrived)
    {
        if (arrived.Completions.Length != run.PhasePlan!.Groups.NumGenerations)
        {
            return false;
        }

        for (int i = 0; i < arrived.Completions.Length; i++)
        {
            Completion completion = arrived.Completions[i];
            bool whole = completion.Index == i && completion.Tokens.Length > 0 && completion.Tokens.Length == completion.LogProbs.Length;
            if (!whole || !float.IsFinite(completion.KeptMass) || completion.LogProbs.Any(logProb => !float.IsFinite(logProb)))
            {
                return false;
            }
        }

        return true;
    }

    private static Decision<GeneratorMemory> Prolong(GeneratorMemory memory, WorkerId generator)
    {
        if (!memory.Leases.ContainsValue(generator))
        {
            return Decision<GeneratorMemory>.Nothing(memory);
        }

        int attempt = memory.Attempts.GetValueOrDefault(generator) + 1;
        return new(
            memory with { Attempts = memory.Attempts.SetItem(generator, attempt) },
            [],
            [new Effect.SetDeadline(Deadline(generator, attempt), memory.Silence)]);
    }

    private static Decision<GeneratorMemory> Expire(RunState run, GeneratorMemory memory, DeadlineId deadline)
    {
        foreach (WorkerId generator in memory.Leases.Values.Distinct())
        {
            if (deadline == Deadline(generator, memory.Attempts.GetValueOrDefault(generator)))
            {
                return Assign(run, memory.Release(generator), []);
            }
        }

        return Decision<GeneratorMemory>.Nothing(memory);
    }

    internal static DeadlineId Deadline(WorkerId generator, int attempt) => new(Waits.Ticket, generator.Name, attempt);
}

/// <summary>What a crash may forget: who works on what.</summary>
/// <param name="Silence">A lease ends after this long without a word.</param>
/// <param name="Asking">Idle generators and how many groups each takes, in the order in which they asked.</param>
/// <param name="Delivered">Groups whose completions are with the ScorerPool.</param>
/// <param name="Attempts">Counts a generator's deadlines, so that an outdated one is told from the present one.</param>
/// <param name="Unclaimed">The wait for any generator to ask; null while one works or asks.</param>
public sealed record GeneratorMemory(
    TimeSpan Silence, ImmutableSortedSet<long> Published, ImmutableList<(WorkerId Generator, int GroupsMax)> Asking, ImmutableSortedDictionary<GroupId, WorkerId> Leases,
    ImmutableSortedSet<GroupId> Delivered, ImmutableDictionary<WorkerId, int> Attempts, DeadlineId? Unclaimed = null, int UnclaimedCount = 0)
{
    public static GeneratorMemory Empty(TimeSpan silence) => new(
        silence, [], [], ImmutableSortedDictionary<GroupId, WorkerId>.Empty, [], ImmutableDictionary<WorkerId, int>.Empty);

    internal GeneratorMemory Release(WorkerId generator) => this with
    {
        Asking = Asking.RemoveAll(asking => asking.Generator == generator),
        Leases = Leases.RemoveRange(Leases.Where(lease => lease.Value == generator).Select(lease => lease.Key)),
    };

    internal GeneratorMemory Ask(WorkerId generator, int groupsMax) => this with { Asking = Asking.Add((generator, groupsMax)) };

    /// <summary>Drops what the run no longer has open.</summary>
    internal GeneratorMemory Forget(RunState run)
    {
        bool Gone(GroupId id) => !run.Groups.TryGetValue(id, out GroupState? group) || group.Fate != GroupFate.Open;
        return this with
        {
            Leases = Leases.RemoveRange(Leases.Keys.Where(Gone)),
            Delivered = Delivered.Except(Delivered.Where(Gone)),
            Published = Published.Except(Published.Where(version => !run.Policies.ContainsKey(version))),
        };
    }
}
