using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Serialization;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Security;
using GrpoActors.Cluster.Wire;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>A running service is knocked at by whoever should not be let in: refused, logged once, and the run ends as if nobody had.</summary>
public sealed partial class IntruderTests(ITestOutputHelper output)
{
    private const int Knocks = 20;

    [Fact]
    public async Task Strangers_old_versions_and_hostile_bytes_are_refused_logged_once_and_change_no_hash()
    {
        using var cluster = new TinyCluster("phases.grpo.steps=120");
        string expected = await cluster.OnOneMachine();
        TinyCluster.Keeper coordinator = cluster.Start("c", "coordinator");
        cluster.Start("t", "trainer");
        cluster.Start("s", "scorer");
        cluster.Start("g1", "generator");
        Task<string> finished = cluster.Finished();
        await cluster.MoreSteps(2, finished);

        using TinyCluster.Keeper stranger = cluster.Stranger("x", "generator", "a secret that the others do not share");
        await HostileBytes(cluster.Port(0));
        await MessagesOfAnotherVersion(cluster.Port(0), coordinator);
        await StrangersRequests(cluster.HttpPort);
        await cluster.MoreSteps(10, finished);
        Assert.False(finished.IsCompleted, "The run was over before the intruders had been refused.");
        await Until(() => Failure().IsMatch(stranger.Log));

        await FaultTests.Same(cluster, expected, finished);
        string[] log = coordinator.Log.Split('\n');
        string[] refusals = [.. log.Where(line => Refusal().IsMatch(line))], versions = [.. log.Where(line => line.Contains("work-wanted/9", StringComparison.Ordinal))];
        string[] traces = [.. log.Where(line => line.StartsWith("   at ", StringComparison.Ordinal))];
        output.WriteLine(string.Join('\n', refusals.Concat(versions).Concat(traces)));
        string[] reasons = [.. refusals.Select(line => Refusal().Match(line).Value)];
        Assert.Equal(reasons.Distinct(StringComparer.Ordinal), reasons);
        Assert.Contains("connection with 127.0.0.1 was refused: its certificate is made from another join secret.", reasons);
        Assert.Contains("request from 127.0.0.1 was refused: it shows no certificate.", reasons);
        Assert.InRange(reasons.Length, 2, 4);
        Assert.Single(versions);
        Assert.Empty(traces);
        Assert.DoesNotContain("x/", coordinator.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("step", stranger.Log, StringComparison.Ordinal);
    }

    /// <summary>No TLS, half a greeting of TLS, a record that is too long, another protocol: all again and again.</summary>
    private static async Task HostileBytes(int port)
    {
        byte[] rubbish = new byte[5000];
        new Random(17).NextBytes(rubbish);
        byte[][] attacks =
        [
            rubbish, [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3], [22, 3, 3, 0x40, 0x01, .. rubbish, .. rubbish, .. rubbish, .. rubbish],
            [0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3], Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
        ];
        for (int i = 0; i < Knocks; i++)
        {
            using var connection = new TcpClient();
            await connection.ConnectAsync(IPAddress.Loopback, port);
            await connection.GetStream().WriteAsync(attacks[i % attacks.Length]);
        }
    }

    /// <summary>From a node with the right secret, as a later release would send it.</summary>
    private static async Task MessagesOfAnotherVersion(int port, TinyCluster.Keeper reader)
    {
        await using RemoteNode later = RemoteNode.Start("grpo", Peers.Sharing(TinyCluster.Secret), $$"""
            akka.actor {
              serializers.later = "{{typeof(LaterSerializer).AssemblyQualifiedName}}"
              serialization-bindings."{{typeof(LaterMessage).AssemblyQualifiedName}}" = later
            }
            """);
        ActorSelection coordinator = later.System.ActorSelection(new RootActorPath(later.Address.WithPort(port)) / "user" / "anyone");
        await Until(() =>
        {
            coordinator.Tell(new LaterMessage());
            return reader.Log.Contains("work-wanted/9", StringComparison.Ordinal);
        });
    }

    private static async Task StrangersRequests(int port)
    {
        foreach (NodeSecurity stranger in (NodeSecurity[])[NodeSecurity.None, Peers.Sharing("a secret that the others do not share")])
        {
            using HttpClient http = Peers.Http(stranger);
            foreach (string path in new[] { "weights/0", "contents/" + new string('a', 64) })
            {
                using HttpResponseMessage answer = await http.GetAsync(new UriBuilder("https", "127.0.0.1", port, path).Uri);
                Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            }
        }
    }

    private static async Task Until(Func<bool> holds)
    {
        for (int i = 0; i < 600 && !holds(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100));
        }

        Assert.True(holds(), "Sixty seconds were not enough.");
    }

    [GeneratedRegex(@"(?:connection with|request from) .* was refused: [^.]*\.", RegexOptions.CultureInvariant)]
    private static partial Regex Refusal();

    [GeneratedRegex("connection to 127.0.0.1:[0-9]+ failed: its certificate is made from another join secret", RegexOptions.CultureInvariant)]
    private static partial Regex Failure();

    internal sealed record LaterMessage;

    internal sealed class LaterSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => WireSerializer.Id;

        public override string Manifest(object o) => "work-wanted/9";

        public override byte[] ToBinary(object obj) => [1, 2, 3];

        public override object FromBinary(byte[] bytes, string manifest) => new LaterMessage();
    }
}
