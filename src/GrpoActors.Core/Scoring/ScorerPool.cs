using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Scoring;

/// <summary>Decides which reward runs on what, and how often a failed call is tried again. A failed reward is an outcome, never 0.</summary>
public static class ScorerPool
{
    public static Decision<ScorerMemory> Decide(RunState run, ScorerMemory memory, Command command) => command switch
    {
        Command.Reconsider => Decision<ScorerMemory>.Nothing(memory.Forget(run)),
        Command.CompletionsArrived x when !memory.InFlight.ContainsKey(x.Ticket.Group) => Start(run, memory, x),
        Command.ScoreArrived x => Record(run, memory, x),
        Command.DeadlinePassed { Deadline: { For: Waits.Score } late } => CallAgain(run, memory, late),
        _ => Decision<ScorerMemory>.Nothing(memory),
    };

    private static Decision<ScorerMemory> Start(RunState run, ScorerMemory memory, Command.CompletionsArrived arrived)
    {
        int rewards = run.Plan.Rewards.Length;
        ImmutableArray<ScoreCall> calls =
            [.. Enumerable.Range(0, rewards).Select(reward => new ScoreCall(arrived.Ticket.Group, arrived.Ticket.Row, reward, arrived.Completions, 0))];
        ScoreOutcome?[] unknown = new ScoreOutcome?[rewards * arrived.Completions.Length];
        var scoring = new Scoring(arrived, [.. unknown], calls.ToImmutableDictionary(call => call.Reward), ImmutableDictionary<int, int>.Empty);
        return new(
            memory with { InFlight = memory.InFlight.Add(arrived.Ticket.Group, scoring) },
            [],
            [.. calls.SelectMany(call => Run(run, call, 0))]);
    }

    private static Decision<ScorerMemory> Record(RunState run, ScorerMemory memory, Command.ScoreArrived arrived)
    {
        ScoreCall call = arrived.Call;
        bool awaited = memory.InFlight.TryGetValue(call.Group, out Scoring? scoring) && scoring.Calls.TryGetValue(call.Reward, out ScoreCall? pending)
            && pending.Attempt == call.Attempt && arrived.Outcomes.Length == pending.Completions.Length && IsOf(call, pending);
        if (!awaited)
        {
            return Decision<ScorerMemory>.Nothing(memory);
        }

        arrived = arrived with { Outcomes = [.. arrived.Outcomes.Select(Finite)] };
        RewardPlan reward = run.Plan.Rewards[call.Reward];
        var outcomes = scoring!.Outcomes.ToBuilder();
        var failed = ImmutableArray.CreateBuilder<Completion>();
        for (int i = 0; i < call.Completions.Length; i++)
        {
            outcomes[(call.Completions[i].Index * run.Plan.Rewards.Length) + call.Reward] = arrived.Outcomes[i];
            if (IsFailure(arrived.Outcomes[i]))
            {
                failed.Add(call.Completions[i]);
            }
        }

        scoring = scoring with { Outcomes = outcomes.ToImmutable(), Calls = scoring.Calls.Remove(call.Reward) };
        if (failed.Count > 0 && call.Attempt < reward.Retries)
        {
            ScoreCall again = call with { Completions = failed.ToImmutable(), Attempt = call.Attempt + 1 };
            scoring = scoring with { Calls = scoring.Calls.Add(call.Reward, again) };
            return new(memory.With(call.Group, scoring with { Issues = scoring.Issues.Remove(call.Reward) }), [], Run(run, again, 0));
        }

        if (failed.Count > 0 && run.Plan.OnRewardFailure == RewardFailure.Stop)
        {
            string failure = $"Reward {reward.Name} failed on completion {new CompletionId(call.Group, failed[0].Index)}: {ScoreOutcome.Describe(arrived.Outcomes.First(IsFailure))}";
            return new(memory.With(call.Group, scoring), [], [new Effect.StopRun(failure)]);
        }

        return scoring.Calls.IsEmpty
            ? new(memory with { InFlight = memory.InFlight.Remove(call.Group) }, [Scored(run, scoring)], [])
            : new(memory.With(call.Group, scoring), [], []);
    }

    private static RunEvent.CompletionsScored Scored(RunState run, Scoring scoring)
    {
        int rewards = run.Plan.Rewards.Length;
        Command.CompletionsArrived arrived = scoring.Arrived;
        ImmutableArray<ScoredCompletion> completions =
        [
            .. arrived.Completions.Select(completion => new ScoredCompletion(
                completion,
                [.. Enumerable.Range(0, rewards).Select(reward => scoring.Outcomes[(completion.Index * rewards) + reward]!)])),
        ];
        return new RunEvent.CompletionsScored(
            arrived.Ticket.Group, arrived.Ticket.Version, arrived.Weights, completions, new Provenance(arrived.Generator.Name, arrived.Elapsed, TimeSpan.Zero));
    }

    /// <summary>A call whose answer is overdue was lost with its worker: the same attempt goes out again, and is no outcome.</summary>
    private static Decision<ScorerMemory> CallAgain(RunState run, ScorerMemory memory, DeadlineId late)
    {
        foreach ((GroupId group, Scoring scoring) in memory.InFlight)
        {
            foreach (ScoreCall call in scoring.Calls.Values)
            {
                int issue = scoring.Issues.GetValueOrDefault(call.Reward);
                if (Deadline(run, call, issue) == late)
                {
                    return new(memory.With(group, scoring with { Issues = scoring.Issues.SetItem(call.Reward, issue + 1) }), [], Run(run, call, issue + 1));
                }
            }
        }

        return Decision<ScorerMemory>.Nothing(memory);
    }

    private static ImmutableArray<Effect> Run(RunState run, ScoreCall call, int issue)
    {
        TimeSpan budget = run.Plan.Rewards[call.Reward].Deadline;
        TimeSpan overdue = (budget * 2) + TimeSpan.FromSeconds(10); // side by side, all completions are over within one and a half deadlines
        return [new Effect.RunScorer(call), new Effect.SetDeadline(Deadline(run, call, issue), overdue)];
    }

    internal static DeadlineId Deadline(RunState run, ScoreCall call, int issue) =>
        new(Waits.Score, $"{call.Group} {run.Plan.Rewards[call.Reward].Name} try {call.Attempt + 1}", issue);

    /// <summary>The answer is about the very completions that are waited for, not about others that a group of the same name once had.</summary>
    private static bool IsOf(ScoreCall answered, ScoreCall pending)
    {
        if (answered.Row != pending.Row || answered.Completions.Length != pending.Completions.Length)
        {
            return false;
        }

        for (int i = 0; i < pending.Completions.Length; i++)
        {
            if (answered.Completions[i].Index != pending.Completions[i].Index || !answered.Completions[i].Tokens.AsSpan().SequenceEqual(pending.Completions[i].Tokens.AsSpan()))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A reward that is no number is a fault, whoever let it through.</summary>
    private static ScoreOutcome Finite(ScoreOutcome outcome) =>
        outcome is ScoreOutcome.Scored { Reward: var reward } && !float.IsFinite(reward) ? new ScoreOutcome.Faulted($"It returned {reward}; a reward is a finite number.") : outcome;

    private static bool IsFailure(ScoreOutcome outcome) => outcome is ScoreOutcome.TimedOut or ScoreOutcome.Faulted;
}

/// <summary>What a crash may forget: completions that are sampled and not yet scored. They are sampled again, to the same bits.</summary>
public sealed record ScorerMemory(ImmutableSortedDictionary<GroupId, Scoring> InFlight)
{
    public static ScorerMemory Empty { get; } = new(ImmutableSortedDictionary<GroupId, Scoring>.Empty);

    internal ScorerMemory With(GroupId group, Scoring scoring) => this with { InFlight = InFlight.SetItem(group, scoring) };

    internal ScorerMemory Forget(RunState run) => this with
    {
        InFlight = InFlight.RemoveRange(InFlight.Keys.Where(id => !run.Groups.TryGetValue(id, out GroupState? group) || group.Fate != GroupFate.Open)),
    };
}

/// <param name="Outcomes">Shape [completions x rewards], row-major; null: not known yet.</param>
/// <param name="Calls">By reward, what is being waited for.</param>
/// <param name="Issues">By reward, how often the present attempt was lost and called again; 0 where absent.</param>
public sealed record Scoring(
    Command.CompletionsArrived Arrived, ImmutableArray<ScoreOutcome?> Outcomes, ImmutableDictionary<int, ScoreCall> Calls, ImmutableDictionary<int, int> Issues);
