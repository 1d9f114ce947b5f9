using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Runtime.Tests.Embedded;

public sealed class ScoreCallsTests
{
    private readonly ScoreCalls calls = new();

    [Fact]
    public void A_call_that_waits_is_not_queued_again()
    {
        calls.Add(Call(1));
        calls.Add(Call(1));
        calls.Add(Call(2));
        Assert.Equal([1, 2], Taken());
    }

    [Fact]
    public void A_call_that_was_taken_can_be_asked_for_again()
    {
        calls.Add(Call(1));
        Assert.Equal(1, calls.Take(CancellationToken.None).Row);
        calls.Add(Call(1)); // whoever took it stands still
        Assert.Equal([1], Taken());
    }

    [Fact]
    public void A_call_that_was_answered_meanwhile_is_passed_over()
    {
        calls.Add(Call(1));
        ScoreCall slow = calls.Take(CancellationToken.None);
        calls.Add(Call(1));
        calls.Add(Call(2));
        calls.Answered(slow);
        Assert.Equal([2], Taken());
        calls.Add(Call(1)); // the answer did not count: asked for once more, it is scored once
        Assert.Equal([1], Taken());
    }

    private static ScoreCall Call(long row) => new(new GroupId(0, GroupStream.Primary, row), row, 0, [], 0);

    private List<long> Taken()
    {
        var taken = new List<long>();
        calls.Add(Call(99));
        for (ScoreCall call = calls.Take(CancellationToken.None); call.Row != 99; call = calls.Take(CancellationToken.None))
        {
            taken.Add(call.Row);
        }

        return taken;
    }
}
