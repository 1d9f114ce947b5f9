using System.Collections.Concurrent;
using System.Globalization;
using GrpoActors.Runtime.Chaos;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>
/// Promise 1 on a cluster, at named moments: processes of every role kill themselves in front of and behind appends, publications, grants of the lease, checkpoints and the hand-over of the
/// run between two coordinators. Every process of every node is armed with one point that its role reaches, those with the fewest kills first.
/// </summary>
public sealed class CrashPointTests(ITestOutputHelper output)
{
    /// <summary>Processes in all that die at a point; <c>GRPO_CLUSTER_CRASHES=300</c> for more.</summary>
    private static readonly int Crashes = int.TryParse(Environment.GetEnvironmentVariable("GRPO_CLUSTER_CRASHES"), NumberStyles.None, CultureInfo.InvariantCulture, out int asked) ? asked : 8;

    private const int Steps = 120;

    private static readonly (string Name, string Roles)[] Nodes = [("c1", "coordinator"), ("c2", "coordinator"), ("t1", "trainer"), ("t2", "trainer"), ("s", "scorer"), ("g", "generator")];

    private readonly Lock gate = new();
    private readonly Random random = new(1);
    private readonly ConcurrentDictionary<(string Roles, string Point), int> kills = new();
    private readonly Dictionary<(string Roles, string Point), int> armed = [];
    private int toArm; // processes of the present run; some end before they reach their point

    [Fact]
    public async Task Killed_at_named_points_it_ends_with_the_same_hashes()
    {
        Dictionary<(string Roles, string Point), long> points = await Points();
        int clusters = 0;
        for (int done = 0; done < Crashes; clusters++)
        {
            toArm = Crashes - done + Nodes.Length;
            using var cluster = new TinyCluster($"phases.grpo.steps={Steps}") { CrashAt = name => Draw(Nodes.Single(node => node.Name == name).Roles, points) };
            string expected = await cluster.OnOneMachine();
            string hashes = await Finished(cluster, Nodes);
            Assert.True(expected == hashes, $"expected {expected}, got {hashes}\n{cluster.Logs()}");
            Assert.Empty(cluster.Findings());
            foreach (TinyCluster.Keeper node in cluster.Nodes)
            {
                string roles = Nodes.Single(known => known.Name == node.Name).Roles;
                foreach (string line in node.Log.Split('\n'))
                {
                    if (CrashPoints.ReadKill(line) is { } point)
                    {
                        kills.AddOrUpdate((roles, point), 1, (_, count) => count + 1);
                        done++;
                    }
                }
            }
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kills.Values.Sum()} processes killed at {kills.Count} of {points.Count} points, {clusters} runs:"));
        foreach (((string roles, string point), long reached) in points.OrderBy(pair => pair.Key.Roles, StringComparer.Ordinal).ThenBy(pair => pair.Key.Point, StringComparer.Ordinal))
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kills.GetValueOrDefault((roles, point)),4} {roles}: {point} (reached {reached} times undisturbed)"));
        }

        foreach (string roles in Nodes.Select(node => node.Roles).Distinct())
        {
            Assert.True(Crashes < 4 * Nodes.Length || kills.Keys.Any(key => key.Roles == roles), $"No {roles} died.");
        }
    }

    /// <summary>What each role reaches in an undisturbed run, and how often.</summary>
    private static async Task<Dictionary<(string Roles, string Point), long>> Points()
    {
        (string Name, string Roles)[] four = [.. Nodes.DistinctBy(node => node.Roles)];
        using var cluster = new TinyCluster($"phases.grpo.steps={Steps}") { CrashAt = _ => CrashPoints.List };
        await Finished(cluster, four);
        await Task.WhenAll(cluster.Nodes.Select(node => node.Ended));
        return cluster.Nodes.SelectMany(node => CrashPoints.ReadCounts(node.Log).Select(count => ((four.Single(known => known.Name == node.Name).Roles, count.Key), count.Value.All))).ToDictionary();
    }

    private static async Task<string> Finished(TinyCluster cluster, (string Name, string Roles)[] nodes)
    {
        foreach ((string name, string roles) in nodes)
        {
            cluster.Start(name, roles);
        }

        await await Task.WhenAny(cluster.Nodes.Where(node => node.Name.StartsWith('c')).Select(node => node.Ended)).WaitAsync(TimeSpan.FromMinutes(20));
        return cluster.Recorded();
    }

    /// <summary>The point of this role with the fewest kills; after as many times as it is reached in three steps at most.</summary>
    private string? Draw(string roles, Dictionary<(string Roles, string Point), long> points)
    {
        lock (gate)
        {
            if (toArm-- <= 0)
            {
                return null;
            }

            (string Roles, string Point)[] all = [.. points.Keys.Where(key => key.Roles == roles)];
            (string Roles, string Point) drawn = all.OrderBy(key => armed.GetValueOrDefault(key)).ThenBy(_ => random.Next()).First();
            armed[drawn] = armed.GetValueOrDefault(drawn) + 1;
            long most = Math.Max(1, 3 * points[drawn] / Steps);
            return $"{drawn.Point}#{1 + random.NextInt64(most)}";
        }
    }
}
