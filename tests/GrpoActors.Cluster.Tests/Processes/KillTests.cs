using System.Diagnostics;
using System.Globalization;
using GrpoActors.Journal.Tests;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>Promise 1 on a cluster: SIGKILL to any node, or to all, at moments that a seed draws; the hashes are those of the undisturbed run and the journal's audit is clean.</summary>
public abstract class KillTests(ITestOutputHelper output)
{
    /// <summary>Killed processes in all; <c>GRPO_CLUSTER_KILLS=50</c> for more.</summary>
    private int Kills => int.TryParse(Environment.GetEnvironmentVariable("GRPO_CLUSTER_KILLS"), NumberStyles.None, CultureInfo.InvariantCulture, out int asked) ? asked : Few;

    private const int StepsPerCluster = 150;

    protected abstract string[] Journal { get; }

    /// <summary>In every test run.</summary>
    protected abstract int Few { get; }

    [ConformanceFact]
    public async Task Killed_in_turn_and_all_at_once_it_ends_with_the_same_hashes()
    {
        const int seed = 1;
        var random = new Random(seed);
        var recoveries = new List<(string Role, double Seconds)>();
        int done = 0, turn = 0;
        while (done < Kills)
        {
            using var cluster = new TinyCluster([.. Journal, string.Create(CultureInfo.InvariantCulture, $"phases.grpo.steps={StepsPerCluster}")]);
            string expected = await cluster.OnOneMachine();
            cluster.Start("c", "coordinator");
            cluster.Start("t", "trainer");
            cluster.Start("s", "scorer");
            cluster.Start("g1", "generator");
            cluster.Start("g2", "generator");
            Task<string> finished = cluster.Finished(TimeSpan.FromHours(1)); // many kills take long; each step has its own patience
            await cluster.MoreSteps(1, finished);
            while (!finished.IsCompleted && done < Kills)
            {
                await Task.WhenAny(finished, Task.Delay(TimeSpan.FromSeconds(1.5 * random.NextDouble())));
                TinyCluster.Keeper[] struck = turn % 6 < cluster.Nodes.Count ? [cluster.Nodes[turn % 6]] : [.. cluster.Nodes];
                turn++;
                long killed = Stopwatch.GetTimestamp();
                int gone = struck.Count(node => node.Kill());
                done += gone;
                if (random.Next(4) == 0)
                {
                    continue; // the next one is struck while this one recovers
                }

                await cluster.MoreSteps(1, finished);
                if (gone == struck.Length && !finished.IsCompleted)
                {
                    recoveries.Add((struck.Length > 1 ? "all" : struck[0].Name, Stopwatch.GetElapsedTime(killed).TotalSeconds));
                }
            }

            string hashes = await finished;
            Assert.True(expected == hashes, $"seed {seed}: expected {expected}, got {hashes}\n{cluster.Logs()}");
            Assert.Empty(cluster.Findings());
        }

        Report(done, recoveries);
    }

    private void Report(int done, List<(string Role, double Seconds)> recoveries)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{done} processes killed. From SIGKILL to the next committed step, in seconds:"));
        foreach (IGrouping<string, double> role in recoveries.GroupBy(x => x.Role, x => x.Seconds))
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{role.Key,-3} {role.Count(),2} times: {role.Min():0.0} to {role.Max():0.0}, mean {role.Average():0.0}"));
        }
    }
}

public sealed class SqliteKillTests(ITestOutputHelper output) : KillTests(output)
{
    protected override string[] Journal => [];

    protected override int Few => 6;
}

[RequiresPostgres]
public sealed class PostgresKillTests(PostgresServer server, ITestOutputHelper output) : KillTests(output), IClassFixture<PostgresServer>
{
    protected override string[] Journal => [$"journal={server.ConnectionString}"];

    protected override int Few => 2;
}
