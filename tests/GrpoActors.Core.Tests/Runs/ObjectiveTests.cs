using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Tests.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>Several objectives: what a veto takes away, and how a balancer moves weights.</summary>
public sealed class ObjectiveTests
{
    private static readonly GroupId Id = new(1, GroupStream.Primary, 0);

    [Fact]
    public void A_vetoed_completion_is_dropped_or_gets_the_least_of_its_group()
    {
        ImmutableArray<ScoredCompletion> group = [Scored(0, 1, 1), Scored(1, 0.5f, 0), Scored(2, 0.25f, 1), Scored(3, 3, 0)];
        Assert.Equal([1, null, 0.25, null], Rewards(VetoAction.Drop, group).ToArray());
        Assert.Equal([1, 0.25, 0.25, 0.25], Rewards(VetoAction.GroupLeast, group).ToArray());
    }

    [Fact]
    public void Whatever_the_scores_a_vetoed_completion_is_never_worth_more_than_one_that_is_not()
    {
        for (int seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            ImmutableArray<ScoredCompletion> group =
            [
                .. Enumerable.Range(0, 2 + random.Next(7)).Select(i => random.Next(8) == 0
                    ? new ScoredCompletion(Completion(i), [new ScoreOutcome.Faulted("it broke"), new ScoreOutcome.Scored(0)])
                    : Scored(i, random.NextSingle(), random.Next(2))),
            ];
            foreach (VetoAction action in Enum.GetValues<VetoAction>())
            {
                RunIdentity plan = Plan(action);
                ImmutableArray<double?> rewards = Rewards(action, group);
                for (int i = 0; i < group.Length; i++)
                {
                    bool vetoed = GroupRewards.VetoOf(plan, group[i]) is not null;
                    Assert.True(!vetoed || action != VetoAction.Drop || rewards[i] is null, $"seed {seed}");
                    Assert.True(vetoed || rewards[i] == group[i].Reward(plan.RewardWeights), $"seed {seed}: a fault or a veto of another changed it");
                    Assert.True(!vetoed || rewards[i] is null || rewards.All(other => other is null || other >= rewards[i]), $"seed {seed}");
                }
            }
        }
    }

    [Fact]
    public void A_group_in_which_all_is_vetoed_has_no_advantage()
    {
        RunState run = State(Plan(VetoAction.GroupLeast), [Scored(0, 1, 0), Scored(1, 0, 0)]);
        Assert.All(BatchOf.Step(run, Inputs).Rows, row => Assert.Equal(0, row.Advantage));
        RunState dropping = State(Plan(VetoAction.Drop), [Scored(0, 1, 0), Scored(1, 0, 0)]);
        Assert.Equal(DropReason.Unscorable, GroupAggregator.Verdict(dropping, dropping.Groups[Id]));
    }

    [Fact]
    public void The_weight_of_an_objective_below_its_target_rises_and_above_it_falls()
    {
        RunIdentity plan = Plan(null) with { Balancer = new BalancerPlan(ImmutableSortedDictionary<string, double>.Empty.Add("accuracy", 0.75).Add("safety", 0.75), 0.1, 0.1, 10) };
        RunState run = State(plan, [Scored(0, 0, 1), Scored(1, 0.5f, 1)]);
        Assert.Equal(plan.RewardWeights.ToArray(), run.RewardWeights.ToArray());
        RunState next = run.Apply(Committed(run));
        Assert.Equal([1 + (0.1 * 0.5), 1 - (0.1 * 0.25)], next.Balance.ToArray());
        Assert.Equal(plan.RewardWeights.Zip(next.Balance, (weight, factor) => weight * factor), next.RewardWeights.ToArray());
        Assert.Equal(["accuracy", "safety"], ObjectiveLevel.Of(run, Inputs).Select(level => level.Name));
    }

    [Fact]
    public void Factors_stay_finite_and_within_their_bounds_and_without_a_balancer_there_are_none()
    {
        var balancer = new BalancerPlan(ImmutableSortedDictionary<string, double>.Empty.Add("accuracy", 0.5), 0.9, 0.2, 5);
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            double factor = 1;
            for (int step = 0; step < 50; step++)
            {
                factor = balancer.Next(factor, 0.5, (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(30)));
                Assert.InRange(factor, 0.2, 5);
            }
        }

        RunState run = State(Plan(null), [Scored(0, 0, 1), Scored(1, 1, 1)]);
        Assert.True(run.Apply(Committed(run)).Balance.IsEmpty);
    }

    [Fact]
    public void An_objective_that_nothing_scored_keeps_its_factor()
    {
        RunIdentity plan = Plan(null) with { Balancer = new BalancerPlan(ImmutableSortedDictionary<string, double>.Empty.Add("safety", 1), 0.5, 0.1, 10) };
        RunState run = State(plan, [Silent(0), Silent(1)]);
        Assert.Equal([1.0, 1.0], run.Apply(Committed(run)).Balance.ToArray());
    }

    [Fact]
    public void A_plan_without_objectives_veto_and_balancer_is_written_as_before()
    {
        string json = PlanIdentity.CanonicalJson(Runs.Plans.Identity());
        Assert.DoesNotContain("balancer", json, StringComparison.Ordinal);
        Assert.DoesNotContain("veto", json, StringComparison.Ordinal);
        Assert.DoesNotContain("\"objective\":null", json, StringComparison.Ordinal);
        RunIdentity plan = Plan(VetoAction.Drop) with { Balancer = new BalancerPlan(ImmutableSortedDictionary<string, double>.Empty.Add("safety", 1), 0.5, 0.1, 10) };
        Assert.NotEqual(PlanIdentity.IdentityDigest(Plan(null)), PlanIdentity.IdentityDigest(plan));
        RunPlan read = PlanIdentity.Parse(PlanIdentity.PlanJson(new RunPlan(plan, Runs.Plans.Operation), []));
        Assert.Equal(PlanIdentity.IdentityDigest(plan), PlanIdentity.IdentityDigest(read.Identity));
    }

    [Theory]
    [InlineData("rewards.answer.on_veto", "drop", "rewards.answer.on_veto", "veto_below is missing")]
    [InlineData("balancer", "{\"targets\": {\"anser\": 1}}", "balancer.targets", "Did you mean answer?")]
    [InlineData("balancer", "{}", "balancer.targets", "is missing")]
    [InlineData("balancer", "{\"targets\": {\"answer\": 1}, \"rate\": 1}", "balancer.rate", "")]
    public void A_mistake_is_named_by_its_key(string key, string value, string wrong, string words)
    {
        ConfigError error = Assert.Single(RunFiles.Read((key, value)).Errors);
        Assert.Equal(wrong, error.Key);
        Assert.Contains(words, error.ToString(), StringComparison.Ordinal);
    }

    private static StepInputs Inputs { get; } = new(0, 1, PhaseKind.Grpo, [Id], 0, 0, [], 1, 0, 1e-4, AdaptiveState.Neutral, null);

    private static RunEvent.StepCommitted Committed(RunState run)
    {
        var outputs = new StepOutputs(false, BatchOf.Step(run, Inputs).Digest, Digest.Of("update"), run.Policy.Then(Digest.Of("update")), [], AdaptiveState.Neutral);
        return new RunEvent.StepCommitted(Inputs, outputs, Ledger.Next(run, Inputs, outputs), new StepTimings(TimeSpan.Zero, TimeSpan.Zero));
    }

    private static ImmutableArray<double?> Rewards(VetoAction action, ImmutableArray<ScoredCompletion> group) => GroupRewards.Of(Plan(action), Plan(action).RewardWeights, group);

    /// <summary>Accuracy at weight 1, safety at weight 0: it only vetoes.</summary>
    private static RunIdentity Plan(VetoAction? action)
    {
        RunIdentity plan = Runs.Plans.Identity(sftSteps: 0, groups: 1, evaluate: false);
        return plan with
        {
            Rewards =
            [
                plan.Rewards[0] with { Objective = "accuracy" },
                plan.Rewards[1] with { Weight = action is null ? 0.2 : 0, Objective = "safety", Veto = action is { } what ? new VetoPlan(0.5, what) : null },
            ],
        };
    }

    private static RunState State(RunIdentity plan, ImmutableArray<ScoredCompletion> completions)
    {
        RunState run = RunState.Begin(plan) with { Phase = 1, Started = true, PrimaryNext = 1 };
        return run with { Groups = run.Groups.Add(Id, new GroupState(Id, 0, new PolicyVersion(0), 0, 0, GroupFate.Kept, completions, DropReason.None, 0)) };
    }

    private static ScoredCompletion Scored(int index, float accuracy, float safety) => new(Completion(index), [new ScoreOutcome.Scored(accuracy), new ScoreOutcome.Scored(safety)]);

    private static ScoredCompletion Silent(int index) => new(Completion(index), [new ScoreOutcome.Scored(1), ScoreOutcome.NotApplicable]);

    private static Completion Completion(int index) => new(index, [3, 4], [-1f, -1f], FinishReason.Eos);
}
