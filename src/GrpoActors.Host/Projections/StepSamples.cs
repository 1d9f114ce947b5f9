using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Scoring;
using GrpoActors.Host.Reports;

namespace GrpoActors.Host.Projections;

/// <param name="Finish">Lower-case name of the finish reason.</param>
public sealed record StepSample(CompletionId Id, SampleReport Report, int Tokens, string Finish);

/// <summary>What a person may read of a step: its first groups, whole, with the advantages that they were trained with.</summary>
/// <param name="promptOf">Text of a phase's data row.</param>
/// <param name="decode">Text of a completion.</param>
/// <param name="groups">How many groups of a step are shown, at most.</param>
public sealed class StepSamples(RunIdentity plan, Func<int, long, string> promptOf, Func<Completion, string> decode, int groups = 2)
{
    public ImmutableArray<StepSample> Of(CommittedStep step)
    {
        if (step.Groups.IsEmpty)
        {
            return [];
        }

        double[] advantages = Advantages(step);
        var samples = ImmutableArray.CreateBuilder<StepSample>();
        int row = 0;
        foreach (TrainedGroup group in step.Groups.Take(groups))
        {
            string prompt = promptOf(step.Inputs.Phase, group.Row);
            foreach (ScoredCompletion scored in group.Completions)
            {
                ImmutableArray<SampleReward> rewards =
                [
                    .. scored.Outcomes.Select((outcome, k) => new SampleReward(plan.Rewards[k].Name, outcome is ScoreOutcome.Scored x ? x.Reward : null)),
                ];
                var report = new SampleReport(prompt, decode(scored.Completion), rewards, scored.Reward(plan.RewardWeights), advantages[row++]);
                samples.Add(new StepSample(
                    new CompletionId(group.Id, scored.Completion.Index), report, scored.Completion.Tokens.Length, scored.Completion.Finish.ToString().ToLowerInvariant()));
            }
        }

        return samples.ToImmutable();
    }

    /// <summary>Of all the step's completions: some estimators look at the whole batch.</summary>
    private double[] Advantages(CommittedStep step)
    {
        (double? Reward, int Group)[] rows = [.. step.Groups.SelectMany((group, index) => group.Completions.Select(scored => (scored.Reward(plan.RewardWeights), index)))];
        double[] advantages = new double[rows.Length];
        GroupAdvantages.Estimate(
            step.Phase.Groups.Objective.Advantages,
            [.. rows.Select(row => row.Reward ?? double.NaN)],
            [.. rows.Select(row => row.Reward is not null)],
            [.. rows.Select(row => row.Group)],
            advantages);
        return advantages;
    }
}
