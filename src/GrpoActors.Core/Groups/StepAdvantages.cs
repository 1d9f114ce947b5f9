using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Groups;

/// <summary>Advantages of a step's rows, from their rewards and, with a penalty in the reward, from what the reference policy says of their tokens.</summary>
public static class StepAdvantages
{
    /// <param name="rows">Those of one group lie together.</param>
    /// <param name="weights">Shape [rewards]: what GDPO sums its normalised rewards with; no other estimator reads it.</param>
    /// <returns>An unscorable row gets 0 and enters no mean.</returns>
    /// <exception cref="ArgumentException">The estimator needs more than that: a value function, greedy answers, rewards of single steps.</exception>
    public static AdvantageResult Of(AdvantagePlan plan, IReadOnlyList<TrainingRow> rows, IReadOnlyList<double> weights) =>
        AdvantageEstimation.Estimate(plan, Inputs(rows, weights));

    /// <summary>The same with <paramref name="penalty"/> taken off the rewards first.</summary>
    /// <param name="kl">Shape [tokens]: the estimate of each completion token, row after row; finite.</param>
    public static AdvantageResult Of(AdvantagePlan plan, IReadOnlyList<TrainingRow> rows, KlInRewardPart penalty, ReadOnlySpan<double> kl)
    {
        AdvantageInputs inputs = Inputs(rows, []);
        return AdvantageEstimation.Estimate(plan, inputs with
        {
            Rewards = AdvantageEstimation.WithKlInRowReward(inputs, kl, penalty.Coefficient),
            TokenRewards = penalty.WholeOutput ? [] : AdvantageEstimation.WithKlInReward(inputs, kl, penalty.Coefficient),
        });
    }

    private static AdvantageInputs Inputs(IReadOnlyList<TrainingRow> rows, IReadOnlyList<double> weights)
    {
        int[] starts = new int[rows.Count + 1], groups = new int[rows.Count];
        for (int i = 0; i < rows.Count; i++)
        {
            starts[i + 1] = starts[i] + rows[i].Completion.Tokens.Length;
            groups[i] = i == 0 ? 0 : rows[i].Id.Group == rows[i - 1].Id.Group ? groups[i - 1] : groups[i - 1] + 1;
        }

        bool[] scorable = [.. rows.Select(row => row.Reward is not null)];
        return new AdvantageInputs
        {
            RowStarts = starts,
            Mask = scorable.All(known => known) ? [] : [.. rows.SelectMany((row, i) => Enumerable.Repeat(scorable[i], row.Completion.Tokens.Length))],
            Groups = groups,
            Rewards = [.. rows.Select(row => row.Reward ?? double.NaN)],
            Scorable = scorable,
            RewardColumns = [.. weights.Select((_, k) => rows.Select(row => row.Reward is null ? double.NaN : row.RewardsByFunction[k]).ToArray())],
            RewardWeights = [.. weights],
        };
    }
}
