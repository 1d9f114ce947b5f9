using Akka.TestKit;
using GrpoActors.Actors.Supervision;
using GrpoActors.Hub.Tests;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class MessageTimersTests : ActorSpec
{
    private readonly SteppedTime time = new();
    private readonly MessageTimers timers;

    public MessageTimersTests() => timers = new MessageTimers(time, TestActor);

    [Fact]
    public void A_message_comes_when_its_time_has_passed_and_not_before_however_long_that_is()
    {
        timers.Set("deadline", "passed", TimeSpan.FromDays(60));
        time.Pass(TimeSpan.FromDays(1));
        for (int day = 2; day < 60; day++)
        {
            time.Pass(TimeSpan.FromDays(1));
        }

        ExpectNoMsg(0);
        time.Pass(TimeSpan.FromDays(1));
        ExpectMsg("passed");
    }

    [Fact]
    public void One_that_is_set_again_under_its_key_comes_once_and_late()
    {
        timers.Set("deadline", "first", TimeSpan.FromSeconds(5));
        timers.Set("deadline", "second", TimeSpan.FromSeconds(8));
        timers.Set("other", "other", TimeSpan.FromSeconds(9));
        timers.Cancel("nothing");
        time.Pass(TimeSpan.FromSeconds(7));
        timers.CancelAllBut("deadline");
        time.Pass(TimeSpan.FromSeconds(7));
        ExpectMsg("second");
        ExpectNoMsg(0);
    }

    [Fact]
    public void One_that_repeats_does_so_until_it_is_cancelled()
    {
        timers.Repeat("ask", "again", TimeSpan.FromSeconds(2));
        time.Pass(TimeSpan.FromSeconds(2));
        time.Pass(TimeSpan.FromSeconds(2));
        ExpectMsg("again");
        ExpectMsg("again");
        timers.Dispose();
        time.Pass(TimeSpan.FromSeconds(2));
        ExpectNoMsg(0);
    }
}
