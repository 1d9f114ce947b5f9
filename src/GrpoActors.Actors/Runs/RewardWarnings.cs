using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Runs;

/// <summary>Says at once, and once in a process, that a reward fails, or abstains throughout a step; the counts stand in the step lines, the metrics and the result.</summary>
internal sealed class RewardWarnings(RunIdentity plan)
{
    private readonly HashSet<int> failed = [], abstained = [];

    /// <param name="events">Durable.</param>
    public IEnumerable<string> Of(IEnumerable<FoldedEvent> events) => events.SelectMany(e => e.Event switch
    {
        RunEvent.CompletionsScored x => Failures(e.Before.Groups[x.Group].Row, x),
        RunEvent.StepCommitted { Inputs: { Kind: PhaseKind.Grpo } inputs } => Abstentions(e.Before, inputs),
        _ => [],
    });

    private IEnumerable<string> Failures(long row, RunEvent.CompletionsScored e)
    {
        for (int reward = 0; reward < plan.Rewards.Length; reward++)
        {
            if (!failed.Contains(reward) && e.Completions.Select(completion => completion.Outcomes[reward]).FirstOrDefault(outcome => outcome is ScoreOutcome.TimedOut or ScoreOutcome.Faulted) is { } outcome)
            {
                failed.Add(reward);
                yield return $"Reward \"{plan.Rewards[reward].Name}\" failed {new RewardFault(row, ScoreOutcome.Describe(outcome).TrimEnd('.'))}. Such completions have no reward; further failures are counted, not told.";
            }
        }
    }

    private IEnumerable<string> Abstentions(RunState before, StepInputs inputs)
    {
        var tallies = RewardTally.Of(plan.Rewards.Length, Ledger.Settled(before, inputs).Select(group => (group.Row, group.Completions)));
        for (int reward = 0; reward < tallies.Length; reward++)
        {
            if (tallies[reward] is { Scored: 0, Failed: 0, Abstained: > 0 and var all } && abstained.Add(reward))
            {
                yield return $"Reward \"{plan.Rewards[reward].Name}\" abstained on all {all} completions of step {inputs.Step + 1}: it does not apply to these rows.";
            }
        }
    }
}
