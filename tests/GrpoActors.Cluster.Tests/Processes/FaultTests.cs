using System.Diagnostics;
using System.Globalization;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Workers;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>Nodes that freeze, come and go, and a network that falls in two, in mid-run: the hashes are those of the undisturbed run and the journal's audit is clean.</summary>
public sealed class FaultTests(ITestOutputHelper output)
{
    /// <summary>Longer than the failure detector (6 s), the resolver (3 s) and the lease (3 s) of <see cref="TinyRunFiles"/> together.</summary>
    private static readonly TimeSpan Frozen = TimeSpan.FromSeconds(14);

    /// <summary>The trainer in every run of the tests; each node in turn where <c>GRPO_CLUSTER_FAULTS=all</c>.</summary>
    public static TheoryData<string> FrozenNodes => Environment.GetEnvironmentVariable("GRPO_CLUSTER_FAULTS") == "all" ? ["g1", "s", "t", "c"] : ["t"];

    [Theory]
    [MemberData(nameof(FrozenNodes))]
    public async Task A_node_that_is_frozen_until_it_is_given_up_and_then_goes_on_changes_no_hash(string frozen)
    {
        using TinyCluster cluster = Started(out string expected, out Task<string> finished);
        TinyCluster.Keeper node = cluster.Nodes.Single(keeper => keeper.Name == frozen);
        await cluster.MoreSteps(3, finished);
        node.Freeze();
        int before = cluster.Steps;
        await Task.Delay(Frozen);
        int meanwhile = cluster.Steps - before;
        node.Thaw();
        long thawed = Stopwatch.GetTimestamp();
        await cluster.MoreSteps(1, finished);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{frozen} frozen for {Frozen.TotalSeconds:0} s: {meanwhile} steps meanwhile, the next one {Stopwatch.GetElapsedTime(thawed).TotalSeconds:0.0} s after it went on"));
        await Same(cluster, expected, finished);
    }

    [Fact]
    public async Task A_generator_added_and_another_that_drains_change_no_hash_and_the_added_one_takes_part()
    {
        using TinyCluster cluster = Started(out string expected, out Task<string> finished);
        await cluster.MoreSteps(3, finished);
        long started = Stopwatch.GetTimestamp();
        cluster.Start("g3", "generator");
        while (!cluster.Events().OfType<RunEvent.CompletionsScored>().Any(scored => scored.By.Generator.StartsWith("g3/", StringComparison.Ordinal)))
        {
            Assert.False(finished.IsCompleted, "The run was over before the added generator had taken part.");
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"From the start of the process to its first completion in the journal: {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s"));
        cluster.Nodes.Single(keeper => keeper.Name == "g1").Terminate();
        await Same(cluster, expected, finished);
    }

    private static TinyCluster Started(out string expected, out Task<string> finished)
    {
        var cluster = new TinyCluster("phases.grpo.steps=300");
        expected = cluster.OnOneMachine().GetAwaiter().GetResult();
        cluster.Start("c", "coordinator");
        cluster.Start("t", "trainer");
        cluster.Start("s", "scorer");
        cluster.Start("g1", "generator");
        cluster.Start("g2", "generator");
        finished = cluster.Finished();
        return cluster;
    }

    internal static async Task Same(TinyCluster cluster, string expected, Task<string> finished)
    {
        string hashes = await finished;
        Assert.True(expected == hashes, $"expected {expected}, got {hashes}\n{cluster.Logs()}");
        Assert.Empty(cluster.Findings());
    }
}

[RequiresTwoNetworks]
public sealed class PartitionTests(ITestOutputHelper output)
{
    /// <summary>Longer than the failure detector and the resolver's stable-after, so that each side has decided.</summary>
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(20);

    [ConformanceFact]
    public async Task Trainer_and_generators_cut_off_until_they_are_put_out_come_back_and_no_hash_changes()
    {
        using var networks = new TwoNetworks();
        using var cluster = new TinyCluster(networks, ["phases.grpo.steps=100"]);
        string expected = await cluster.OnOneMachine();
        cluster.Start("c", "coordinator");
        cluster.Start("t", "trainer", network: 1);
        cluster.Start("s", "scorer");
        cluster.Start("g1", "generator", network: 1);
        cluster.Start("g2", "generator");
        Task<string> finished = cluster.Finished();
        await cluster.MoreSteps(3, finished);
        networks.Cut();
        await Task.Delay(Apart);
        Assert.False(finished.IsCompleted, "The run was over before the network fell in two.");
        networks.Heal();
        long healed = Stopwatch.GetTimestamp();
        await cluster.MoreSteps(1, finished);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Cut for {Apart.TotalSeconds:0} s; the next step {Stopwatch.GetElapsedTime(healed).TotalSeconds:0.0} s after it was healed"));
        await FaultTests.Same(cluster, expected, finished);
        Assert.Contains("has put this node out", cluster.Nodes[1].Log, StringComparison.Ordinal);
    }
}

public sealed class RequiresTwoNetworksAttribute : RequiresAttribute
{
    public override string? Missing => TwoNetworks.Missing;
}
