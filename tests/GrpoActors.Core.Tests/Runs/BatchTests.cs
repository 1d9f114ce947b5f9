using System.Collections.Immutable;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Tests.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

public sealed class BatchTests
{
    // One group: rewards 1, 0, 1 and a completion that a reward failed on; lengths 1, 2, 3, 4.
    [Theory]
    [InlineData(AdvantageEstimator.Grpo, false)]
    [InlineData(AdvantageEstimator.LeaveOneOut, false)]
    [InlineData(AdvantageEstimator.Gpg, false)]
    [InlineData(AdvantageEstimator.Opo, false)]
    [InlineData(AdvantageEstimator.Gdpo, false)]
    [InlineData(AdvantageEstimator.Gdpo, true)]
    [InlineData(AdvantageEstimator.ReinforcePlusPlus, false)]
    [InlineData(AdvantageEstimator.ReinforcePlusPlusBaseline, false)]
    public void What_follows_from_rewards_gives_a_batch_and_an_unscorable_completion_gets_0(AdvantageEstimator estimator, bool whiten)
    {
        double[] advantages = Advantages(new AdvantagePlan { Estimator = estimator, WhitenOverTokens = whiten, Scale = AdvantageScale.None });
        Assert.Equal(0, advantages[3]);
        Assert.All(advantages, a => Assert.True(double.IsFinite(a)));
        Assert.Contains(advantages, a => a > 0);
        Assert.DoesNotContain(advantages[..3], a => a > 0 && a < advantages[1]); // the wrong answer never gets the most
    }

    [Fact]
    public void Opo_subtracts_the_mean_weighted_by_length() =>
        Assert.Equal([1 - (4.0 / 6), 0 - (4.0 / 6), 1 - (4.0 / 6), 0], Advantages(new AdvantagePlan { Estimator = AdvantageEstimator.Opo }));

    [Fact]
    public void Reinforce_plus_plus_whitens_over_the_tokens_of_scorable_completions()
    {
        double mean = 4.0 / 6, deviation = Math.Sqrt(((4 * (1 - mean) * (1 - mean)) + (2 * mean * mean)) / 5);
        double[] found = Advantages(new AdvantagePlan { Estimator = AdvantageEstimator.ReinforcePlusPlus });
        double[] expected = [(1 - mean) / deviation, (0 - mean) / deviation, (1 - mean) / deviation, 0];
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
    }

    [Theory]
    [InlineData(AdvantageEstimator.ReMax)]
    [InlineData(AdvantageEstimator.Gae)]
    [InlineData(AdvantageEstimator.ProcessSupervision)]
    public void What_needs_more_is_refused_by_name(AdvantageEstimator estimator)
    {
        var refused = Assert.Throws<ArgumentException>(() => Advantages(new AdvantagePlan { Estimator = estimator }));
        Assert.Contains(estimator.ToString(), refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gae")]
    [InlineData("remax")]
    public void A_run_file_that_asks_for_it_is_refused_when_it_is_read(string estimator)
    {
        ConfigError error = RunFiles.Read(("phases.grpo.adv_estimator", estimator)).Errors.Single();
        Assert.Equal("phases.grpo.adv_estimator", error.Key);
        Assert.Contains(estimator, error.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("opo")]
    [InlineData("gdpo")]
    [InlineData("reinforce_plus_plus")]
    [InlineData("reinforce_plus_plus_baseline")]
    public void A_run_file_may_ask_for_the_others(string estimator) => Assert.Empty(RunFiles.Read(("phases.grpo.adv_estimator", estimator)).Errors);

    [Theory]
    [InlineData(true, DropReason.None, 0f, 1f, 1f)]
    [InlineData(true, DropReason.NoSpread, 1f, 1f, 1f)]
    [InlineData(false, DropReason.None, 1f, 1f, 1f)]
    [InlineData(true, DropReason.NoSpread, 1f, 1f, null)] // an unscorable completion is no other reward
    [InlineData(true, DropReason.None, 0f, 1f, null)]
    [InlineData(true, DropReason.Unscorable, 1f, null, null)]
    public void A_group_without_spread_among_its_scorable_completions_is_dropped_where_the_plan_says_so(bool drop, DropReason reason, float? first, float? second, float? third)
    {
        RunState run = RunState.Begin(Plans.Identity(sftSteps: 0, groups: 1, evaluate: false, dropZeroSpread: drop)) with { Phase = 1 };
        var group = new GroupState(new GroupId(1, GroupStream.Primary, 0), 0, new PolicyVersion(0), 0, 0, GroupFate.Scored, [Scored(0, first), Scored(1, second), Scored(2, third)], DropReason.None, 0);
        Assert.Equal(reason, GroupAggregator.Verdict(run, group));
    }

    private static double[] Advantages(AdvantagePlan advantages)
    {
        RunIdentity plan = Plans.Identity(sftSteps: 0, groups: 1, evaluate: false);
        PhasePlan phase = plan.Phases[1];
        plan = plan with { Phases = plan.Phases.SetItem(1, phase with { Group = phase.Groups with { Objective = phase.Groups.Objective with { Advantages = advantages } } }) };
        var id = new GroupId(1, GroupStream.Primary, 0);
        ImmutableArray<ScoredCompletion> completions = [Scored(0, 1), Scored(1, 0), Scored(2, 1), Scored(3, null)];
        var group = new GroupState(id, 0, new PolicyVersion(0), 0, 0, GroupFate.Kept, completions, DropReason.None, 0);
        RunState run = RunState.Begin(plan) with { Phase = 1 };
        run = run with { Groups = run.Groups.Add(id, group) };
        var inputs = new StepInputs(0, 1, PhaseKind.Grpo, [id], 0, 0, [], 1, 0, 1e-4, AdaptiveState.Neutral, null);
        return [.. BatchOf.Step(run, inputs).Rows.Select(row => row.Advantage)];
    }

    private static ScoredCompletion Scored(int index, float? reward) => new(
        new Completion(index, [.. Enumerable.Range(3, index + 1)], [.. Enumerable.Repeat(-1f, index + 1)], FinishReason.Eos),
        [reward is { } r ? new ScoreOutcome.Scored(r) : new ScoreOutcome.Faulted("it broke"), new ScoreOutcome.Scored(0)]);
}
