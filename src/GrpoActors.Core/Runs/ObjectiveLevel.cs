using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>Where one of several objectives stands in a step.</summary>
/// <param name="Mean">Over all scores that its rewards gave the completions of the groups that the step settles, dropped groups included; null where there is none.</param>
/// <param name="Factor">What the balancer multiplies the weights of its rewards by in this step; 1 without one.</param>
/// <param name="Vetoed">Completions that one of its rewards vetoed.</param>
public sealed record ObjectiveLevel(string Name, double? Mean, double Factor, int Vetoed)
{
    /// <summary>Each objective in the order in which rewards name them; a reward that names none is one by itself.</summary>
    /// <param name="run">Before the step is committed.</param>
    public static ImmutableArray<ObjectiveLevel> Of(RunState run, StepInputs inputs)
    {
        ImmutableArray<RewardPlan> rewards = run.Plan.Rewards;
        ScoredCompletion[] completions = [.. Ledger.Settled(run, inputs).SelectMany(group => group.Completions)];
        var levels = ImmutableArray.CreateBuilder<ObjectiveLevel>();
        foreach (string name in rewards.Select(reward => reward.ObjectiveName).Distinct(StringComparer.Ordinal))
        {
            int[] own = [.. Enumerable.Range(0, rewards.Length).Where(k => rewards[k].ObjectiveName == name)];
            double sum = 0;
            int scores = 0, vetoed = 0;
            foreach (ScoredCompletion completion in completions)
            {
                bool isVetoed = false;
                foreach (int k in own)
                {
                    if (completion.Outcomes[k] is ScoreOutcome.Scored scored)
                    {
                        (sum, scores) = (sum + scored.Reward, scores + 1);
                        isVetoed |= rewards[k].Veto is { } veto && scored.Reward < veto.Below;
                    }
                }

                vetoed += isVetoed ? 1 : 0;
            }

            levels.Add(new ObjectiveLevel(name, scores == 0 ? null : sum / scores, run.Balance.IsEmpty ? 1 : run.Balance[own[0]], vetoed));
        }

        return levels.ToImmutable();
    }
}
