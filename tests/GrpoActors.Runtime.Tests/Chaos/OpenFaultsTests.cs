using GrpoActors.Runtime.Chaos;
using Xunit;

namespace GrpoActors.Runtime.Tests.Chaos;

public sealed class OpenFaultsTests
{
    private static readonly Dictionary<string, ReachCount> Reached = new(StringComparer.Ordinal) { ["create"] = new(1, 0), ["append StepCommitted"] = new(9, 8) };

    [Fact]
    public void What_befalls_only_a_killed_run_waits_for_a_kill_half_way_and_comes_next()
    {
        var torn = new ChaosFault.Torn(TornFile.Checkpoint, 0.5);
        var open = new OpenFaults([torn], Reached, seed: 1);
        Assert.Equal(new ChaosFault.AtPoint("append StepCommitted", 4), Assert.Single(open.Next(first: true).Points));
        Assert.Equal(torn, open.Next(first: false).Other);
        Assert.Empty(open.Next(first: true).Points);
        Assert.False(open.Any());
    }

    [Fact]
    public void A_point_stays_until_it_has_killed()
    {
        var open = new OpenFaults([new ChaosFault.AtPoint("append StepCommitted", 3)], Reached, seed: 1);
        Assert.Single(open.Next(first: true).Points);
        Assert.Single(open.Next(first: false).Points);
        open.Happened("append StepCommitted");
        Assert.False(open.Any());
    }
}
