using System.Collections.Immutable;
using GrpoActors.Core.Completions;

namespace GrpoActors.Core.Runs;

/// <summary>How often one reward scored, abstained and failed: its outcomes on one completion each, after all retries.</summary>
/// <param name="Failed">It threw, crashed, returned no finite number, or ran out of time.</param>
/// <param name="First">Its first failure; null where there is none.</param>
public sealed record RewardTally(long Scored, long Abstained, long Failed, RewardFault? First = null)
{
    public static RewardTally Zero { get; } = new(0, 0, 0);

    public long Outcomes => Scored + Abstained + Failed;

    /// <summary>One for each reward, over all groups that a step settles.</summary>
    /// <param name="run">Before the step is committed.</param>
    public static ImmutableArray<RewardTally> Of(RunState run, StepInputs inputs) => Ledger.Settled(run, inputs)
        .Aggregate(ImmutableArray.CreateRange(Enumerable.Repeat(Zero, run.Plan.Rewards.Length)), (tallies, group) => After(tallies, group.Row, group.Completions));

    /// <param name="tallies">One for each reward; empty: nothing was counted yet.</param>
    /// <param name="row">Data row of the group's prompt, from 0.</param>
    public static ImmutableArray<RewardTally> After(ImmutableArray<RewardTally> tallies, long row, ImmutableArray<ScoredCompletion> completions)
    {
        if (completions.IsEmpty)
        {
            return tallies;
        }

        var after = (tallies.IsEmpty ? [.. Enumerable.Repeat(Zero, completions[0].Outcomes.Length)] : tallies).ToBuilder();
        foreach (ScoredCompletion completion in completions)
        {
            for (int reward = 0; reward < after.Count; reward++)
            {
                after[reward] = after[reward].After(row, completion.Outcomes[reward]);
            }
        }

        return after.MoveToImmutable();
    }

    private RewardTally After(long row, ScoreOutcome outcome) => outcome switch
    {
        ScoreOutcome.Scored => this with { Scored = Scored + 1 },
        ScoreOutcome.Abstained => this with { Abstained = Abstained + 1 },
        _ => this with { Failed = Failed + 1, First = First ?? new RewardFault(row, ScoreOutcome.Describe(outcome)) },
    };
}

/// <param name="Row">Data row of the prompt, from 0 as everywhere in the journal.</param>
/// <param name="Reason">One sentence.</param>
public sealed record RewardFault(long Row, string Reason)
{
    /// <summary>Rows count from 1 where people read them.</summary>
    public override string ToString() => $"on data row {Row + 1}: {Reason}";
}
