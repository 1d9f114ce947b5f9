using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.RunFolders;
using Xunit;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>The same hashes as `grpo train`, whatever the cluster looks like.</summary>
public abstract class TopologyTests
{
    protected abstract string[] Journal { get; }

    [ConformanceFact]
    public Task One_process_with_all_roles_ends_with_the_hashes_of_grpo_train() => Same(Journal, cluster => cluster.Start("all", "coordinator,trainer,generator,scorer"));

    [ConformanceFact]
    public Task Four_generators_change_no_hash() => Apart(Journal, 4);

    protected static Task Apart(string[] journal, int generators) => Same(journal, cluster =>
    {
        cluster.Start("c", "coordinator");
        cluster.Start("t", "trainer");
        cluster.Start("s", "scorer");
        for (int i = 1; i <= generators; i++)
        {
            cluster.Start($"g{i}", "generator");
        }
    });

    private protected static async Task Same(string[] journal, Action<TinyCluster> start)
    {
        using var cluster = new TinyCluster(journal);
        string expected = await cluster.OnOneMachine();
        start(cluster);
        Assert.Equal(expected, await cluster.Finished());
        Assert.Empty(cluster.Findings());
    }
}

public sealed class SqliteTopologyTests : TopologyTests
{
    protected override string[] Journal => [];

    [ConformanceFact]
    public Task One_generator_in_a_process_of_its_own_changes_no_hash() => Apart(Journal, 1);

    [ConformanceFact]
    public Task Two_generators_change_no_hash() => Apart(Journal, 2);

    [ConformanceFact]
    public Task Each_node_in_a_folder_of_its_own_finds_the_journal_in_the_coordinator_s() => Same(Journal, cluster =>
    {
        string[] elsewhere = ["--set", $"run_dir={cluster.RunFolder}-name"];
        cluster.Start("c", "coordinator", 0, [.. elsewhere, "--folder", cluster.RunFolder]);
        cluster.Start("t", "trainer", 0, [.. elsewhere, "--folder", $"{cluster.RunFolder}-t", "--set", $"journal={Path.Combine(cluster.RunFolder, "journal.db")}"]);
        cluster.Start("s", "scorer", 0, [.. elsewhere, "--folder", $"{cluster.RunFolder}-s"]);
        cluster.Start("g1", "generator", 0, [.. elsewhere, "--folder", $"{cluster.RunFolder}-g"]);
    });
}

[RequiresPostgres]
public sealed class PostgresTopologyTests(PostgresServer server) : TopologyTests, IClassFixture<PostgresServer>
{
    protected override string[] Journal => [$"journal={server.ConnectionString}"];
}
