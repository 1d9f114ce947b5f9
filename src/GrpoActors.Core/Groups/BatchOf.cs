using System.Collections.Immutable;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Core.Groups;

/// <summary>A step's batch with its advantages: a pure function of the groups that the journal holds.</summary>
public static class BatchOf
{
    /// <param name="run">The state before the step is committed.</param>
    public static TrainingBatch Step(RunState run, StepInputs inputs)
    {
        var rows = ImmutableArray.CreateBuilder<TrainingRow>();
        var groupOfRow = new List<int>();
        for (int index = 0; index < inputs.Groups.Length; index++)
        {
            GroupState group = run.Groups[inputs.Groups[index]];
            foreach (ScoredCompletion scored in group.Completions)
            {
                ImmutableArray<double> byFunction = [.. scored.Outcomes.Select(outcome => outcome is ScoreOutcome.Scored x ? x.Reward : double.NaN)];
                rows.Add(new TrainingRow(
                    new CompletionId(group.Id, scored.Completion.Index), group.Row, group.Version, scored.Completion, scored.Reward(run.Plan.RewardWeights), byFunction, 0));
                groupOfRow.Add(index);
            }
        }

        if (rows.Count > 0)
        {
            double[] advantages = Advantages(run.Plan.Phases[inputs.Phase].Groups.Objective.Advantages, rows, [.. groupOfRow], [.. run.Plan.RewardWeights]);
            for (int i = 0; i < rows.Count; i++)
            {
                rows[i] = rows[i] with { Advantage = advantages[i] };
            }
        }

        ImmutableArray<TrainingRow> batch = rows.ToImmutable();
        return new TrainingBatch(inputs, batch, DigestOf(inputs, batch));
    }

    /// <summary>One number a row. An unscorable row gets 0 and enters no mean; what an estimator whitens over tokens is constant in each row.</summary>
    /// <exception cref="ArgumentException">The estimator needs more than rewards and lengths: no plan that was checked has one.</exception>
    private static double[] Advantages(AdvantagePlan plan, IReadOnlyList<TrainingRow> rows, int[] groups, double[] weights)
    {
        if (!plan.FollowsFromRewards)
        {
            throw new ArgumentException($"Advantages by {plan.Estimator} need more than a step's rewards and lengths.");
        }

        int[] starts = new int[rows.Count + 1];
        for (int i = 0; i < rows.Count; i++)
        {
            starts[i + 1] = starts[i] + rows[i].Completion.Tokens.Length;
        }

        bool[] scorable = [.. rows.Select(row => row.Reward is not null)];
        AdvantageResult result = AdvantageEstimation.Estimate(plan, new AdvantageInputs
        {
            RowStarts = starts,
            Mask = scorable.All(known => known) ? [] : [.. rows.SelectMany((row, i) => Enumerable.Repeat(scorable[i], row.Completion.Tokens.Length))],
            Groups = groups,
            Rewards = [.. rows.Select(row => row.Reward ?? double.NaN)],
            Scorable = scorable,
            RewardColumns = [.. weights.Select((_, k) => rows.Select(row => row.Reward is null ? double.NaN : row.RewardsByFunction[k]).ToArray())],
            RewardWeights = weights,
        });
        return result.PerToken ? [.. rows.Select((_, i) => result.Advantages[starts[i]])] : result.Advantages;
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
