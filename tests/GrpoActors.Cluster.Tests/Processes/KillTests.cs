using System.Globalization;
using Xunit;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>Promise 1 on a cluster: SIGKILL to any node, or to all, at moments that a seed draws; the hashes are those of the undisturbed run and the journal's audit is clean.</summary>
public sealed class KillTests
{
    /// <summary>Kills in all; <c>GRPO_CLUSTER_KILLS=50</c> for more.</summary>
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("GRPO_CLUSTER_KILLS") ?? "6", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Killed_in_turn_and_all_at_once_it_ends_with_the_same_hashes()
    {
        const int seed = 1;
        var random = new Random(seed);
        int done = 0;
        while (done < Kills)
        {
            using var cluster = new TinyCluster("phases.grpo.steps=60");
            string expected = await cluster.Embedded();
            cluster.Start("c", "coordinator");
            cluster.Start("t", "trainer");
            cluster.Start("s", "scorer");
            cluster.Start("g1", "generator");
            cluster.Start("g2", "generator");
            Task<string> finished = cluster.Finished();
            for (int next = done; !finished.IsCompleted && done < Kills; next++)
            {
                await Task.WhenAny(finished, Task.Delay(TimeSpan.FromSeconds(3 + (12 * random.NextDouble()))));
                int turn = next % (cluster.Nodes.Count + 1);
                foreach (TinyCluster.Keeper node in turn < cluster.Nodes.Count ? [cluster.Nodes[turn]] : cluster.Nodes)
                {
                    done += node.Kill() ? 1 : 0;
                }
            }

            string hashes = await finished;
            Assert.True(expected == hashes, $"seed {seed}: expected {expected}, got {hashes}\n{cluster.Logs()}");
            Assert.Empty(cluster.Findings());
        }
    }
}
