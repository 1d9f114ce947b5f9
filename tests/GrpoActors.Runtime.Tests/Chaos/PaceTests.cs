using GrpoActors.Runtime.Chaos;
using Xunit;

namespace GrpoActors.Runtime.Tests.Chaos;

public sealed class PaceTests
{
    [Theory]
    [InlineData(10, 2)]
    [InlineData(2, 10)]
    public void Moments_meet_runs_of_a_machine_that_has_become_faster_or_slower(double measured, double really)
    {
        var pace = new Pace(TimeSpan.FromSeconds(measured));
        var random = new Random(1);
        int met = 0;
        for (int i = 0; i < 60; i++)
        {
            TimeSpan moment = random.NextDouble() * pace.Now;
            if (moment > TimeSpan.FromSeconds(really))
            {
                pace.CameTooLate();
            }
            else if (moment < TimeSpan.FromSeconds(really * 0.4)) // so long it starts
            {
                pace.CameTooEarly();
            }
            else
            {
                met++;
            }
        }

        Assert.InRange(met, 20, 60);
    }

    [Fact]
    public void A_run_that_went_all_the_way_is_the_measure_within_reason()
    {
        var pace = new Pace(TimeSpan.FromSeconds(3));
        pace.Measured(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.FromSeconds(7), pace.Now);
        pace.Measured(TimeSpan.Zero);
        Assert.Equal(TimeSpan.FromSeconds(3) / 32, pace.Now);
    }
}
