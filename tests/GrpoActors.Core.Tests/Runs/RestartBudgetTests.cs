using GrpoActors.Core.Deciding;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

public sealed class RestartBudgetTests
{
    private const int RestartsMax = 3, Steps = RestartBudget.StepsPerForgiveness;

    [Theory]
    [InlineData(0, RestartsMax + 1)]
    [InlineData(Steps - 1, RestartsMax + 1)]
    [InlineData(Steps, null)]
    [InlineData(2 * Steps, null)]
    public void A_failure_is_forgiven_after_a_stretch_of_steps_and_not_before(int stepsBetween, int? exhaustedAfter)
    {
        RestartBudget budget = RestartBudget.Full(RestartsMax, 0);
        int? exhausted = null;
        for (int failure = 1; failure <= 50 && exhausted is null; failure++)
        {
            budget = budget.After((long)failure * stepsBetween);
            exhausted = budget.IsExhausted ? failure : null;
        }

        Assert.Equal(exhaustedAfter, exhausted);
    }

    [Fact]
    public void Steps_committed_long_ago_do_not_pay_for_failures_to_come()
    {
        RestartBudget budget = RestartBudget.Full(RestartsMax, 0).After(1000);
        Assert.Equal(1, budget.Failures);
        budget = budget.After(1000).After(1000).After(1000);
        Assert.Equal(4, budget.Failures);
        Assert.True(budget.IsExhausted);
    }

    [Fact]
    public void A_lost_tail_forgives_nothing_and_costs_nothing() => Assert.Equal(2, RestartBudget.Full(RestartsMax, 0).After(100).After(40).Failures);

    [Fact]
    public void Without_restarts_the_first_failure_exhausts_it()
    {
        Assert.False(RestartBudget.Full(0, 0).IsExhausted);
        Assert.True(RestartBudget.Full(0, 0).After(0).IsExhausted);
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(2, 200)]
    [InlineData(7, 6_400)]
    [InlineData(8, 10_000)]
    [InlineData(1_000_000, 10_000)]
    public void The_pause_doubles_up_to_ten_seconds(int failures, int milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), new RestartBudget(int.MaxValue, failures, 0).Pause);
}
