using System.Collections.Immutable;
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
        ImmutableArray<RewardTally> tallies = RewardTally.After([], row, e.Completions);
        for (int reward = 0; reward < tallies.Length; reward++)
        {
            if (tallies[reward].First is { } first && failed.Add(reward))
            {
                yield return $"Reward \"{plan.Rewards[reward].Name}\" failed {first.ToString().TrimEnd('.')}. Such completions have no reward; further failures are counted, not told.";
            }
        }
    }

    private IEnumerable<string> Abstentions(RunState before, StepInputs inputs)
    {
        ImmutableArray<RewardTally> tallies = RewardTally.Of(before, inputs);
        for (int reward = 0; reward < tallies.Length; reward++)
        {
            if (tallies[reward] is { Scored: 0, Failed: 0, Abstained: > 0 and var all } && abstained.Add(reward))
            {
                yield return $"Reward \"{plan.Rewards[reward].Name}\" abstained on all {all} completions of step {inputs.Step + 1}: it does not apply to these rows.";
            }
        }
    }
}
