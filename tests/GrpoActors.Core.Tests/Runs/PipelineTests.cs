using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

public sealed class PipelineTests
{
    public static TheoryData<int, int, bool> Shapes => new()
    {
        { 0, 0, false },
        { 1, 0, false },
        { 2, 0, false },
        { 0, 2, true },
        { 1, 2, true },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void In_canonical_order_the_ledger_does_not_depend_on_the_order_of_messages_or_the_number_of_generators(int lag, int refill, bool drop)
    {
        RunIdentity plan = Plans.Identity(lag: lag, refillRounds: refill, dropZeroSpread: drop, completions: 2);
        RunState first = new ShuffledHost(plan, 1, generators: 1).ToTheEnd().Run;
        for (int seed = 2; seed < 40; seed++)
        {
            RunState other = new ShuffledHost(plan, seed, generators: 1 + (seed % 5)).ToTheEnd().Run;
            Assert.Equal(first.Chain, other.Chain);
            Assert.Equal(first.Policy, other.Policy);
            Assert.Equal(first.Counts, other.Counts);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void In_canonical_order_a_run_killed_again_and_again_ends_with_the_ledger_of_the_undisturbed_one(int lag, int refill, bool drop)
    {
        RunIdentity plan = Plans.Identity(lag: lag, refillRounds: refill, dropZeroSpread: drop, completions: 2);
        RunState undisturbed = new ShuffledHost(plan, 1).ToTheEnd().Run;
        for (int seed = 2; seed < 40; seed++)
        {
            RunState killed = new ShuffledHost(plan, seed).ToTheEnd(killEvery: 12 + (seed % 30)).Run;
            Assert.Equal(undisturbed.Chain, killed.Chain);
            Assert.Equal(undisturbed.Policy, killed.Policy);
        }
    }

    [Fact]
    public void Every_group_is_trained_or_dropped_when_the_run_has_ended()
    {
        foreach (OrderKind order in new[] { OrderKind.Canonical, OrderKind.Arrival })
        {
            for (int seed = 0; seed < 40; seed++)
            {
                RunState run = new ShuffledHost(Plans.Identity(order, lag: seed % 3, dropZeroSpread: true, completions: 2), seed).ToTheEnd(killEvery: seed % 2 == 0 ? 0 : 25).Run;
                Assert.Equal(RunEnd.Completed, run.Ended!.Reason);
                Assert.Equal(run.Counts.GroupsIssued, run.Counts.GroupsTrained + run.Counts.GroupsDropped);
                Assert.Equal(run.Counts.TokensSampled, run.Counts.TokensTrained + run.Counts.TokensDropped);
            }
        }
    }

    [Fact]
    public void A_failed_reward_is_tried_again_and_then_recorded_once_and_never_becomes_a_number()
    {
        int calls = 0;
        var host = new ShuffledHost(Plans.Identity(retries: 2), 3)
        {
            Rewards = (call, completion) =>
            {
                bool hit = call.Group == new GroupId(1, GroupStream.Primary, 1) && completion.Index == 2 && call.Reward == 0;
                calls += hit ? 1 : 0;
                return hit ? new ScoreOutcome.TimedOut(TimeSpan.FromSeconds(1)) : null;
            },
        };
        RunState run = host.ToTheEnd().Run;
        Assert.Equal(3, calls);
        Assert.Equal(1, run.Counts.OutcomesByTiming);
        RunEvent.CompletionsScored scored = host.Journal.OfType<RunEvent.CompletionsScored>().Single(e => e.Group == new GroupId(1, GroupStream.Primary, 1));
        Assert.Null(scored.Completions[2].Reward([1, 0.2]));
        Assert.NotNull(scored.Completions[1].Reward([1, 0.2]));
    }

    [Fact]
    public void A_reward_that_fails_stops_the_run_by_name_where_the_plan_says_so()
    {
        var host = new ShuffledHost(Plans.Identity(onFailure: RewardFailure.Stop), 3)
        {
            Rewards = (call, completion) => call.Reward == 1 && completion.Index == 0 ? new ScoreOutcome.Faulted("it broke") : null,
        };
        host.ToTheEnd();
        Assert.Contains("Reward format failed on completion 1.p.", host.StopReasons.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_with_fewer_than_two_scorable_completions_is_dropped_as_unscorable()
    {
        var host = new ShuffledHost(Plans.Identity(), 3)
        {
            Rewards = (call, completion) => call.Group.Ordinal == 0 && completion.Index > 0 ? new ScoreOutcome.Faulted("it broke") : null,
        };
        host.ToTheEnd();
        Assert.Equal(DropReason.Unscorable, host.Journal.OfType<RunEvent.GroupClosed>().Single(e => e.Group.Ordinal == 0).Reason);
    }

    [Fact]
    public void Canonical_order_keeps_at_most_lag_plus_one_steps_of_groups_open()
    {
        var host = new ShuffledHost(Plans.Identity(lag: 2, groups: 3, steps: 6), 5);
        host.ToTheEnd();
        RunState state = RunState.Begin(Plans.Identity(lag: 2, groups: 3, steps: 6));
        foreach (RunEvent e in host.Journal)
        {
            state = state.Apply(e);
            Assert.True(state.Groups.Count <= 9);
        }
    }
}
