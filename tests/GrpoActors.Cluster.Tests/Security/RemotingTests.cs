using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using GrpoActors.Cluster.Security;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class RemotingTests
{
    private const string Refused = "A connection with 127.0.0.1 was refused: ";
    private const string Once = ". More of them are counted, not logged.";

    private static readonly NodeSecurity Ours = Secured("sixteen bytes, no less"), Theirs = Secured("another one of sixteen bytes");

    [Fact]
    public async Task Nodes_with_one_secret_talk_in_order_in_any_size_and_under_plain_addresses()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours);
        Assert.Equal("akka.tcp", a.Address.Protocol);
        Task<string>[] answers = [.. Enumerable.Range(0, 500).Select(i => (i % 2 == 0 ? a : b).Ask((i % 2 == 0 ? b : a).Address, $"{i} {new string('x', i % 50 == 0 ? 100_000 : i)}"))];
        for (int i = 0; i < answers.Length; i++)
        {
            Assert.StartsWith($"{i} ", await answers[i], StringComparison.Ordinal);
        }

        Assert.Empty(await a.LinesSoFar());
        Assert.Empty(await b.LinesSoFar());
    }

    [Fact]
    public async Task A_node_with_another_secret_gets_no_association_is_logged_once_and_disturbs_nothing()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours), stranger = RemoteNode.Start("c", Theirs);
        await a.Ask(b.Address, "before");
        Task<Akka.Remote.AssociationErrorEvent> failure = stranger.NextFailure();
        stranger.Tell(a.Address, "let me in");
        Assert.Equal($"The connection with {a.Address} was refused: its join secret is another one.".Replace("akka.", ""), Innermost((await failure).Cause).Message);
        for (int attempt = 0; attempt < 5; attempt++)
        {
            await ClosedAfter(a.Address.Port!.Value, [.. FrameProxy.WithLength(LinkHandshake.Greeting(LinkHandshake.NewNonce())), .. FrameProxy.WithLength(new byte[LinkHandshake.ProofBytes])]);
        }

        Assert.Equal([Refused + "its join secret is another one" + Once], await a.FirstLines(1));
        Assert.Equal("still", await a.Ask(b.Address, "still"));
        Assert.Equal("here", await b.Ask(a.Address, "here"));
        Assert.Single(await a.LinesSoFar());
        // Nor does a node of ours get anywhere at the stranger's.
        Task<Akka.Remote.AssociationErrorEvent> outward = b.NextFailure();
        b.Tell(stranger.Address, "hello");
        await outward;
        Assert.Equal(Refused + "its join secret is another one" + Once, (await b.FirstLines(1))[0]);
    }

    [Fact]
    public async Task A_node_without_the_secret_s_transport_is_refused()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), plain = RemoteNode.Start("b", security: null);
        Task<Akka.Remote.AssociationErrorEvent> failure = plain.NextFailure();
        plain.Tell(a.Address, "let me in");
        await failure;
        Assert.Equal(Refused + "it did not greet as a node of this program's version does" + Once, (await a.FirstLines(1))[0]);
    }

    [Fact]
    public async Task Hostile_bytes_at_the_port_are_refused_logged_once_and_disturb_nothing()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours);
        await a.Ask(b.Address, "before");
        var random = new Random(17);
        byte[] rubbish = new byte[5000];
        random.NextBytes(rubbish);
        byte[] greeting = FrameProxy.WithLength(LinkHandshake.Greeting(LinkHandshake.NewNonce()));
        byte[][] attacks =
        [
            FrameProxy.WithLength("not a greeting"u8.ToArray()),
            [.. greeting, .. FrameProxy.WithLength(new byte[LinkHandshake.ProofBytes])],
            [.. greeting, .. FrameProxy.WithLength(rubbish)],
            [.. greeting, .. greeting],
            rubbish,
            [0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3],
            [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3],
            "GET / HTTP/1.1\r\nHost: here\r\n\r\n"u8.ToArray(),
        ];
        foreach (byte[] attack in attacks.Concat(attacks))
        {
            await ClosedAfter(a.Address.Port!.Value, attack);
        }

        Assert.Equal("still", await a.Ask(b.Address, "still"));
        string[] lines = await a.LinesSoFar();
        Assert.Equal(Refused + "it did not greet as a node of this program's version does" + Once, lines[0]);
        // The other one is the TCP transport's own, of frames that it cannot even cut.
        Assert.StartsWith("Error caught channel [", lines[1], StringComparison.Ordinal);
        Assert.Equal(2, lines.Length);
        Assert.Empty(await b.LinesSoFar());
    }

    [Fact]
    public async Task A_connection_that_says_nothing_is_closed_in_time()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours, "grpo.security.handshake-timeout = 50 ms");
        await ClosedAfter(a.Address.Port!.Value, []);
        await ClosedAfter(a.Address.Port!.Value, FrameProxy.WithLength([]));
        await ClosedAfter(a.Address.Port!.Value, [37, 0, 0, 0, 1, 2]);
        Assert.Equal([Refused + "it had not proved that it has the join secret after 0.05 s" + Once], await a.LinesSoFar());
    }

    [Fact]
    public async Task What_was_recorded_on_one_connection_is_refused_on_another()
    {
        await using var proxy = new FrameProxy();
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = Behind(proxy);
        Assert.Equal("recorded", await a.Ask(b.Address, "recorded"));
        byte[] all = proxy.Recorded;
        await ClosedAfter(b.System.Settings.Config.GetInt("test.port"), all);
        Assert.Equal(Refused + "its join secret is another one" + Once, (await b.FirstLines(1))[0]);
        Assert.Equal("still", await a.Ask(b.Address, "still"));
    }

    [Theory]
    [InlineData("repeated")]
    [InlineData("altered")]
    [InlineData("made up")]
    public async Task A_frame_that_was_tampered_with_on_the_way_ends_its_connection_and_a_new_one_goes_on(string how)
    {
        await using var proxy = new FrameProxy();
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = Behind(proxy);
        Assert.Equal("before", await a.Ask(b.Address, "before"));
        int once = 0;
        proxy.Pass = (_, frame) => Interlocked.Exchange(ref once, 1) == 1 ? [frame] : how switch
        {
            "repeated" => [frame, frame],
            "altered" => [[.. frame[..^1], (byte)(frame[^1] ^ 1)]],
            _ => [new byte[100], frame],
        };
        a.Tell(b.Address, "tampered with");
        Assert.Equal(Refused + "a frame was altered, repeated or made by someone else" + Once, (await b.FirstLines(1))[0]);
        string answer = "";
        // What is sent while the connection is being made anew is lost, as remoting says of every message.
        for (int attempt = 0; attempt < 20 && answer != "after"; attempt++)
        {
            try
            {
                answer = await a.System.ActorSelection(new RootActorPath(b.Address) / "user" / "echo").Ask<string>("after", TimeSpan.FromSeconds(3));
            }
            catch (AskTimeoutException)
            {
                // Again.
            }
        }

        Assert.Equal("after", answer);
    }

    private static NodeSecurity Secured(string secret) => new(JoinSecret.Of(System.Text.Encoding.UTF8.GetBytes(secret), "a test"), null, null, CheckHostName: true);

    /// <summary>A node that others reach through the proxy alone.</summary>
    private static RemoteNode Behind(FrameProxy proxy)
    {
        int port = FreePort();
        proxy.Target(port);
        return RemoteNode.Start("b", Ours, $$"""
            test.port = {{port}}
            akka.remote.dot-netty.tcp { port = {{port}}, public-hostname = "127.0.0.1", public-port = {{proxy.Port}} }
            """);
    }

    private static int FreePort()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return port;
    }

    /// <summary>Sends the bytes and waits until the other end has closed the connection.</summary>
    private static async Task ClosedAfter(int port, byte[] bytes)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, port);
        try
        {
            await connection.GetStream().WriteAsync(bytes);
            await connection.GetStream().CopyToAsync(Stream.Null).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (IOException)
        {
            // Reset: closed too.
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;
}
