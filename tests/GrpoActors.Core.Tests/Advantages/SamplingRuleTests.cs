using GrpoActors.Core.Advantages;
using Xunit;

namespace GrpoActors.Core.Tests.Advantages;

public class SamplingRuleTests
{
    [Fact]
    public void A_group_has_spread_when_two_scorable_rewards_differ()
    {
        Assert.True(SamplingRules.HasSpread([0, 1], []));
        Assert.False(SamplingRules.HasSpread([1, 1], []));
        Assert.False(SamplingRules.HasSpread([0, 1], [true, false]));
        Assert.False(SamplingRules.HasSpread([], []));
    }

    [Theory]
    [InlineData(100, 0)]
    [InlineData(120, 0)]
    [InlineData(130, -0.25)]
    [InlineData(160, -1)]
    [InlineData(200, -1)]
    public void The_overlong_penalty_grows_linearly_through_the_buffer(int tokens, double penalty) =>
        Assert.Equal(penalty, SamplingRules.SoftOverlongPenalty(tokens, maxTokens: 160, bufferTokens: 40));

    [Fact]
    public void A_refill_is_widened_by_the_share_kept_and_stops_at_the_cap()
    {
        Assert.Equal(0, SamplingRules.RefillGroups(wanted: 8, kept: 8, opened: 8, openedMax: 100));
        Assert.Equal(8, SamplingRules.RefillGroups(wanted: 8, kept: 4, opened: 8, openedMax: 100));
        Assert.Equal(8, SamplingRules.RefillGroups(wanted: 8, kept: 0, opened: 8, openedMax: 100));
        Assert.Equal(2, SamplingRules.RefillGroups(wanted: 8, kept: 4, opened: 8, openedMax: 10));
        Assert.Equal(0, SamplingRules.RefillGroups(wanted: 8, kept: 4, opened: 10, openedMax: 10));
    }

    [Fact]
    public void Truncated_rows_leave_the_mask()
    {
        bool[] mask = [true, true, true];
        SamplingRules.MaskTruncated([0, 1, 3], [false, true], mask);
        Assert.Equal([true, false, false], mask);
    }
}
