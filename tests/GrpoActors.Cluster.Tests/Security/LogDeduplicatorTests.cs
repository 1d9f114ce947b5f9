using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Bulk;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class LogDeduplicatorTests
{
    private readonly PassingTime time = new(TimeSpan.Zero);

    [Fact]
    public void A_key_is_logged_again_after_ten_minutes_and_counted_always()
    {
        var log = new LogDeduplicator(time);
        Assert.Equal([true, false, true], new[] { "a", "a", "b" }.Select(log.IsFirst));
        time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal([true, false], new[] { "a", "a" }.Select(log.IsFirst));
        Assert.Equal(5, log.Total);
    }

    [Fact]
    public void A_thousand_keys_leave_no_room_for_further_ones_until_they_are_old()
    {
        var log = new LogDeduplicator(time);
        Assert.Equal(1024, Enumerable.Range(0, 2000).Count(i => log.IsFirst($"{i}")));
        time.Advance(TimeSpan.FromMinutes(10));
        Assert.True(log.IsFirst("another"));
    }
}
