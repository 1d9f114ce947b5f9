using System.Collections.Immutable;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Groups;

/// <summary>A step's batch with its advantages: a pure function of the groups that the journal holds.</summary>
public static class BatchOf
{
    /// <param name="run">The state before the step is committed.</param>
    public static TrainingBatch Step(RunState run, StepInputs inputs)
    {
        ImmutableArray<TrainingRow> batch = Rows(run.Plan, run.RewardWeights, inputs.Phase, inputs.Groups.Select(id => run.Groups[id]).Select(group => (group.Id, group.Row, group.Version, group.Completions)));
        return new TrainingBatch(inputs, batch, DigestOf(inputs, batch));
    }

    /// <summary>The completions of a step's groups with their rewards and advantages.</summary>
    /// <param name="weights">Shape [rewards]: <see cref="RunState.RewardWeights"/> of the state before the step.</param>
    public static ImmutableArray<TrainingRow> Rows(
        RunIdentity plan, ImmutableArray<double> weights, int phase, IEnumerable<(GroupId Id, long Row, PolicyVersion Version, ImmutableArray<ScoredCompletion> Completions)> groups)
    {
        var rows = ImmutableArray.CreateBuilder<TrainingRow>();
        foreach (var group in groups)
        {
            ImmutableArray<double?> rewards = GroupRewards.Of(plan, weights, group.Completions);
            for (int i = 0; i < rewards.Length; i++)
            {
                ScoredCompletion scored = group.Completions[i];
                ImmutableArray<double> byFunction = [.. scored.Outcomes.Select(outcome => outcome is ScoreOutcome.Scored x ? x.Reward : double.NaN)];
                rows.Add(new TrainingRow(
                    new CompletionId(group.Id, scored.Completion.Index), group.Row, group.Version, scored.Completion, rewards[i], byFunction, 0));
            }
        }

        double[] advantages = rows.Count == 0 ? [] : Advantages(plan.Phases[phase].Groups.Objective.Advantages, rows, weights);
        for (int i = 0; i < rows.Count; i++)
        {
            rows[i] = rows[i] with { Advantage = advantages[i] };
        }

        return rows.ToImmutable();
    }

    /// <summary>One number a row; 0 where the trainer finishes what has one number a token. What an estimator whitens over tokens is constant in each row.</summary>
    /// <exception cref="ArgumentException">The estimator needs what a run does not have: no plan that was checked has one.</exception>
    private static double[] Advantages(AdvantagePlan plan, IReadOnlyList<TrainingRow> rows, IReadOnlyList<double> weights)
    {
        if (plan.Missing is { } missing)
        {
            throw new ArgumentException($"Advantages by {plan.Estimator} need {missing}.");
        }

        if (!plan.FollowsFromRewards)
        {
            return new double[rows.Count];
        }

        AdvantageResult result = StepAdvantages.Of(plan, rows, weights);
        if (!result.PerToken)
        {
            return result.Advantages;
        }

        var advantages = new double[rows.Count];
        for (int i = 0, start = 0; i < rows.Count; start += rows[i++].Completion.Tokens.Length)
        {
            advantages[i] = rows[i].Completion.Tokens.Length == 0 ? 0 : result.Advantages[start];
        }

        return advantages;
    }

    private static Digest DigestOf(StepInputs inputs, ImmutableArray<TrainingRow> rows)
    {
        var record = new LedgerRecord();
        record.Add(inputs.FirstExample);
        record.Add(inputs.Examples);
        record.Add(rows.Length);
        foreach (TrainingRow row in rows)
        {
            record.Add(row.Id.Group);
            record.Add(row.Row);
            record.Add(row.Version.Steps);
            record.Add(row.Completion);
            foreach (double reward in row.RewardsByFunction)
            {
                record.Add(double.IsNaN(reward) ? double.NaN : reward);
            }

            record.Add(row.Advantage);
        }

        return Digest.Of(record.Bytes);
    }
}
