using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Runtime.Projections;

/// <param name="Finish">Lower-case name of the finish reason.</param>
public sealed record StepSample(CompletionId Id, SampleReport Report, int Tokens, string Finish);

/// <summary>What a person may read of a step: its first groups, whole, with the advantages that follow from their rewards.</summary>
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

        var samples = ImmutableArray.CreateBuilder<StepSample>();
        int shown = step.Groups.Take(groups).Sum(group => group.Completions.Length);
        foreach (TrainingRow row in BatchOf.Rows(plan, step.Weights, step.Inputs.Phase, step.Groups.Select(group => (group.Id, group.Row, group.Version, group.Completions))).Take(shown))
        {
            ImmutableArray<SampleReward> rewards = [.. row.RewardsByFunction.Select((reward, k) => new SampleReward(plan.Rewards[k].Name, double.IsNaN(reward) ? null : (float)reward))];
            var report = new SampleReport(promptOf(step.Inputs.Phase, row.Row), decode(row.Completion), rewards, row.Reward, row.Advantage);
            samples.Add(new StepSample(row.Id, report, row.Completion.Tokens.Length, row.Completion.Finish.ToString().ToLowerInvariant()));
        }

        return samples.ToImmutable();
    }
}
