using GrpoActors.Core.Advantages;
using GrpoActors.Core.Tests.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Advantages;

public class AdvantageTests
{
    private static double[] Of(AdvantagePlan plan, double[] rewards, int[] groups, bool[]? scorable = null)
    {
        var advantages = new double[rewards.Length];
        GroupAdvantages.Estimate(plan, rewards, scorable ?? [], groups, advantages);
        return advantages;
    }

    [Fact]
    public void Equal_rewards_give_zero_not_NaN()
    {
        foreach (var plan in new[] { AdvantagePlan.Trl, AdvantagePlan.Verl, AdvantagePlan.Paper, AdvantagePlan.TrlAsync, AdvantagePlan.Paper with { Scale = AdvantageScale.Batch } })
            Assert.Equal([0, 0, 0], Of(plan, [0.5, 0.5, 0.5], [7, 7, 7]));
    }

    [Fact]
    public void A_group_of_one_gets_zero_in_TRL_and_its_score_in_verl()
    {
        Assert.Equal([0.0], Of(AdvantagePlan.Trl, [3], [0]));
        Assert.Equal([3 / (1 + 1e-6)], Of(AdvantagePlan.Verl, [3], [0]));
        Assert.Equal([3.0], Of(AdvantagePlan.Verl with { Estimator = AdvantageEstimator.LeaveOneOut }, [3], [0]));
    }

    [Fact]
    public void An_unscorable_completion_gets_zero_and_moves_nobody_else()
    {
        double[] without = Of(AdvantagePlan.Trl, [1, 0, 1], [0, 0, 0]), with = Of(AdvantagePlan.Trl, [1, 0, 99, 1], [0, 0, 0, 0], [true, true, false, true]);
        Assert.Equal([without[0], without[1], 0, without[2]], with);
        Assert.Equal([0.0, 0], Of(AdvantagePlan.Trl, [1, 0], [0, 0], [true, false]));
    }

    [Fact]
    public void A_reward_that_is_not_finite_is_refused_with_its_row() =>
        Assert.Contains("row 1", Assert.Throws<ArgumentException>(() => Of(AdvantagePlan.Trl, [1, double.NaN], [0, 0])).Message);

    [Fact]
    public void Leave_one_out_is_the_reward_less_the_mean_of_the_others() =>
        Assert.Equal([1 - 0.5 / 3, -1.5 / 3, 0.5 - 1.0 / 3, -1.5 / 3], Of(AdvantagePlan.Paper with { Estimator = AdvantageEstimator.LeaveOneOut }, [1, 0, 0.5, 0], [0, 0, 0, 0]), (x, y) => Math.Abs(x - y) < 1e-15);

    [Fact]
    public void Reordering_completions_moves_their_advantages_along_with_them()
    {
        var random = new SplitMix(1);
        double[] rewards = [.. Enumerable.Range(0, 12).Select(_ => random.Next())];
        int[] groups = [.. Enumerable.Range(0, 12).Select(i => i / 4)], order = [11, 3, 4, 0, 7, 9, 1, 10, 2, 8, 5, 6];
        foreach (var plan in new[] { AdvantagePlan.Trl, AdvantagePlan.Verl with { Scale = AdvantageScale.Batch }, AdvantagePlan.Verl with { Estimator = AdvantageEstimator.PassAtK } })
        {
            double[] straight = Of(plan, rewards, groups), shuffled = Of(plan, [.. order.Select(i => rewards[i])], [.. order.Select(i => groups[i])]);
            for (int i = 0; i < 12; i++)
                Assert.Equal(straight[order[i]], shuffled[i], 1e-12);
        }
    }

    [Fact]
    public void Share_of_groups_without_spread_counts_completions()
    {
        Assert.Equal(0.5, GroupAdvantages.FractionWithoutSpread(AdvantagePlan.Trl, [1, 1, 0, 1], [], [0, 0, 1, 1]));
        Assert.Equal(0, GroupAdvantages.FractionWithoutSpread(AdvantagePlan.Trl with { Scale = AdvantageScale.Batch }, [1, 1, 0, 1], [], [0, 0, 1, 1]));
    }

    [Fact]
    public void Process_supervision_sums_the_normalised_rewards_of_the_steps_still_to_come()
    {
        // Step rewards 1, 0 | 0, 1: mean 1/2, deviation sqrt(1/3), so each is +-sqrt(3)/2.
        var inputs = new AdvantageInputs { RowStarts = [0, 5, 8], Groups = [0, 0], Steps = [[(1, 1), (4, 0)], [(0, 0), (2, 1)]] };
        var result = AdvantageEstimation.Estimate(AdvantagePlan.Paper with { Estimator = AdvantageEstimator.ProcessSupervision }, inputs);
        double z = Math.Sqrt(3) / 2;
        Assert.Equal([0, 0, -z, -z, -z, 0, z, z], result.Advantages, (x, y) => Math.Abs(x - y) < 1e-15);
    }

    [Fact]
    public void Gae_with_lambda_one_is_return_less_value_before_it_is_whitened()
    {
        var inputs = new AdvantageInputs { RowStarts = [0, 3], Groups = [0], Rewards = [1], Values = [0.2, 0.4, 0.1] };
        var result = AdvantageEstimation.Estimate(AdvantagePlan.Verl with { Estimator = AdvantageEstimator.Gae, Gamma = 0.5 }, inputs);
        Assert.Equal([0.25, 0.5, 1], result.Returns, (x, y) => Math.Abs(x - y) < 1e-15);
        Assert.Equal(0, result.Advantages.Sum(), 1e-7);
    }

    [Fact]
    public void Gdpo_of_TRL_normalises_each_reward_then_the_sum_over_the_batch()
    {
        var plan = AdvantagePlan.Trl with { Estimator = AdvantageEstimator.Gdpo };
        var inputs = new AdvantageInputs { RowStarts = [0, 1, 2], Groups = [0, 0], RewardColumns = [[1, 0], [double.NaN, double.NaN]], RewardWeights = [2, 1] };
        double z = 0.5 / (Math.Sqrt(0.5) + 1e-4) * 2, deviation = z * Math.Sqrt(2);
        Assert.Equal([z / (deviation + 1e-4), -z / (deviation + 1e-4)], AdvantageEstimation.Estimate(plan, inputs).Advantages, (x, y) => Math.Abs(x - y) < 1e-14);
    }

    [Fact]
    public void Advantages_are_clipped_where_asked() =>
        Assert.Equal([1.0, -1.0], Of(AdvantagePlan.Paper with { Scale = AdvantageScale.None, ClipAt = 1 }, [10, 0], [0, 0]));

    [Fact]
    public void Kl_in_the_reward_is_taken_off_tokens_or_rows()
    {
        var inputs = new AdvantageInputs { RowStarts = [0, 2], Groups = [0], Rewards = [1] };
        Assert.Equal([-0.1, 0.8], AdvantageEstimation.WithKlInReward(inputs, [1, 2], 0.1), (x, y) => Math.Abs(x - y) < 1e-15);
        Assert.Equal([0.7], AdvantageEstimation.WithKlInRowReward(inputs, [1, 2], 0.1), (x, y) => Math.Abs(x - y) < 1e-15);
    }
}
