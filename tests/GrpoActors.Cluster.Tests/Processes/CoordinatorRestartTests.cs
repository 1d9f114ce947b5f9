using System.Diagnostics;
using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>Four processes with the shipped configuration, as docs/cluster.md starts them.</summary>
public sealed class CoordinatorRestartTests(ITestOutputHelper output)
{
    /// <summary>Of a node, from the coordinator's death to the next step.</summary>
    private const int LogLinesMax = 10;

    [Fact]
    public async Task A_coordinator_that_is_killed_and_comes_back_three_seconds_later_costs_no_other_node_its_place()
    {
        using var cluster = new TinyCluster("phases.grpo.steps=150") { IsHurried = false, Away = TimeSpan.FromSeconds(3) };
        string expected = await cluster.OnOneMachine();
        cluster.Start("c", "coordinator");
        cluster.Start("t", "trainer");
        cluster.Start("g", "generator");
        cluster.Start("s", "scorer");
        Task<string> finished = cluster.Finished();
        await cluster.MoreSteps(3, finished);
        int[] before = [.. cluster.Nodes.Select(Lines)];
        Assert.True(cluster.Nodes[0].Kill());
        long killed = Stopwatch.GetTimestamp();
        await cluster.MoreSteps(1, finished);
        TimeSpan until = Stopwatch.GetElapsedTime(killed);
        int[] lines = [.. cluster.Nodes.Select((node, i) => Lines(node) - before[i])];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Next step {until.TotalSeconds:0.0} s after the kill, {(until - cluster.Away).TotalSeconds:0.0} s after the start of the new process; lines of log: {string.Join(", ", cluster.Nodes.Select((node, i) => $"{node.Name} {lines[i]}"))}"));
        Assert.DoesNotContain("put this node out", cluster.Logs(), StringComparison.Ordinal);
        Assert.All(lines, count => Assert.True(count <= LogLinesMax, cluster.Logs()));
        Assert.Equal(expected, await finished);
        Assert.Empty(cluster.Findings());
    }

    /// <summary>But for those that tell of a step.</summary>
    private static int Lines(TinyCluster.Keeper node) => node.Log.Split('\n').Count(line => line.Length > 0 && !line.Contains(" tok/s ", StringComparison.Ordinal));
}
