using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>What each completion of a group is worth: the weighted sum of its rewards, but for what a reward vetoes.</summary>
public static class GroupRewards
{
    /// <param name="weights">Shape [rewards].</param>
    /// <returns>Shape [completions]; null: unscorable, or dropped by a veto.</returns>
    public static ImmutableArray<double?> Of(RunIdentity plan, ImmutableArray<double> weights, ImmutableArray<ScoredCompletion> completions)
    {
        double?[] rewards = [.. completions.Select(completion => completion.Reward(weights))];
        double? least = rewards.Min();
        return
        [
            .. rewards.Select((reward, i) => reward is null ? null : VetoOf(plan, completions[i]) switch
            {
                VetoAction.Drop => null,
                VetoAction.GroupLeast => least,
                _ => reward,
            }),
        ];
    }

    /// <summary>Dropping outweighs the group's least; null: no reward vetoes.</summary>
    public static VetoAction? VetoOf(RunIdentity plan, ScoredCompletion completion)
    {
        VetoAction? action = null;
        for (int k = 0; k < plan.Rewards.Length && action != VetoAction.Drop; k++)
        {
            if (plan.Rewards[k].Veto is { } veto && completion.Outcomes[k] is ScoreOutcome.Scored scored && scored.Reward < veto.Below)
            {
                action = veto.Action;
            }
        }

        return action;
    }
}
