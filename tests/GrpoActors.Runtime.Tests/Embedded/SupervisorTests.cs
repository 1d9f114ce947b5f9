using GrpoActors.Actors.Embedded;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Runtime.Tests.Embedded;

public sealed class SupervisorTests
{
    private const int RestartsMax = 3;

    [Theory]
    [InlineData(0, RestartsMax + 1)]
    [InlineData(RestartBudget.StepsPerForgiveness - 1, RestartsMax + 1)]
    [InlineData(RestartBudget.StepsPerForgiveness, 50)]
    [InlineData(2 * RestartBudget.StepsPerForgiveness, 50)]
    public async Task A_failure_is_forgotten_after_a_stretch_of_steps_and_not_before(int stepsBetween, int starts)
    {
        int started = 0;
        long committed = 0;
        Exception? gaveUp = null;
        using var stop = new CancellationTokenSource();
        var supervisor = new Supervisor(RestartsMax, () => committed, new Messages(), new HurriedTime(), failure => gaveUp = failure);
        supervisor.Start(
            "generator-1",
            _ =>
            {
                if (++started == 50)
                {
                    return;
                }

                committed += stepsBetween;
                throw new InvalidOperationException("it broke");
            },
            () => { },
            stop.Token);
        await supervisor.WhenAllStopped();
        Assert.Equal(starts, started);
        Assert.Equal(starts < 50, gaveUp is RunFailedException);
    }

    [Fact]
    public async Task A_worker_that_breaks_again_and_again_at_the_end_of_a_long_run_is_given_up()
    {
        int started = 0;
        long committed = 0;
        Exception? gaveUp = null;
        using var stop = new CancellationTokenSource();
        var supervisor = new Supervisor(RestartsMax, () => committed, new Messages(), new HurriedTime(), failure => gaveUp = failure);
        supervisor.Start(
            "trainer",
            _ =>
            {
                committed += ++started <= 20 ? 100 : 0;
                throw new InvalidOperationException("it broke");
            },
            () => { },
            stop.Token);
        await supervisor.WhenAllStopped();
        Assert.Equal("trainer failed 4 times, the last time with: it broke", gaveUp?.Message);
        Assert.Equal(20 + RestartsMax, started);
    }
}
