using System.Net;
using System.Net.Sockets;
using System.Text;
using Akka.Actor;
using GrpoActors.Cluster.Security;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class RemotingTests
{
    private const string AnotherSecret = "its certificate is made from another join secret";

    private static readonly NodeSecurity Ours = Peers.Sharing("sixteen bytes, no less"), Theirs = Peers.Sharing("another one of sixteen bytes");

    [Fact]
    public async Task Nodes_with_one_secret_talk_in_order_in_any_size_and_have_nothing_to_log()
    {
        // As two processes: each has made a certificate for itself.
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Peers.Sharing("sixteen bytes, no less"));
        Assert.Equal("akka.ssl.tcp", a.Address.Protocol);
        Task<string>[] answers =
        [
            .. Enumerable.Range(0, 500).Select(i => (i, Text: $"{i} {new string('x', i % 50 == 0 ? 100_000 : i)}"))
                .Select(asked => asked.i % 2 == 0 ? a.Ask(b.Address, asked.Text) : b.Ask(a.Address, asked.Text)),
        ];
        for (int i = 0; i < answers.Length; i++)
        {
            Assert.StartsWith($"{i} ", await answers[i], StringComparison.Ordinal);
        }

        Assert.Empty(a.Log.Warnings);
        Assert.Empty(b.Log.Warnings);
    }

    [Fact]
    public async Task A_node_with_another_secret_gets_in_nowhere_is_named_once_on_both_sides_and_ends_nobody()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours), stranger = RemoteNode.Start("c", Theirs);
        Assert.Equal("before", await a.Ask(b.Address, "before"));
        for (int i = 0; i < 5; i++)
        {
            await Assert.ThrowsAsync<AskTimeoutException>(() => stranger.Ask(a.Address, "let me in", TimeSpan.FromMilliseconds(200)));
            await Assert.ThrowsAsync<AskTimeoutException>(() => b.Ask(stranger.Address, "hello", TimeSpan.FromMilliseconds(200)));
        }

        await stranger.Log.Line($"The connection to 127.0.0.1:{a.Port} failed: {AnotherSecret}. ");
        await b.Log.Line($"The connection to 127.0.0.1:{stranger.Port} failed: {AnotherSecret}. ");
        await a.Log.Line($"A connection with 127.0.0.1 was refused: {AnotherSecret}. Further ones in the next ten minutes are not logged.");
        Assert.Equal("still", await a.Ask(b.Address, "still"));
        Assert.Equal("here", await b.Ask(a.Address, "here"));
        Assert.Single(a.Log.Warnings);
        Assert.Single(b.Log.Warnings);
        Assert.False(a.System.WhenTerminated.IsCompleted || b.System.WhenTerminated.IsCompleted || stranger.System.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task A_node_without_TLS_is_refused_whoever_calls()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), plain = RemoteNode.Start("a", NodeSecurity.None);
        plain.Tell(a.Address.WithProtocol(plain.Address.Protocol), "let me in");
        Assert.StartsWith("A connection with 127.0.0.1 was refused: it does not speak TLS. ", await a.Log.Line(""), StringComparison.Ordinal);
        a.Tell(plain.Address.WithProtocol(a.Address.Protocol), "hello");
        await a.Log.Line($"The connection to 127.0.0.1:{plain.Port} failed: it does not speak TLS, or does not believe this node's certificate. ");
        Assert.Equal(2, a.Log.Warnings.Count);
        Assert.False(a.System.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task Hostile_bytes_at_the_port_are_refused_logged_once_for_each_reason_and_disturb_nothing()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours);
        Assert.Equal("before", await a.Ask(b.Address, "before"));
        byte[] rubbish = new byte[5000];
        new Random(17).NextBytes(rubbish);
        byte[][] attacks =
        [
            rubbish,
            [0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3],
            [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3],
            Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
            [22, 3, 3, 0, 4, 1, 2, 3, 4], // a record of TLS with a handshake message of no kind
            [22, 3, 3, 0x40, 0x01, .. rubbish, .. rubbish, .. rubbish, .. rubbish], // longer than a record may be
        ];
        foreach (byte[] attack in attacks.Concat(attacks))
        {
            await ClosedAfter(a.Port, attack);
        }

        Assert.Equal("still", await a.Ask(b.Address, "still"));
        foreach (string reason in (string[])["it did not complete the TLS handshake", "it does not speak TLS"])
        {
            await a.Log.Line($"A connection with 127.0.0.1 was refused: {reason}. Further ones in the next ten minutes are not logged.");
        }

        Assert.Equal(2, a.Log.Warnings.Count);
        Assert.Empty(b.Log.Warnings);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3 })] // the beginning of a greeting
    public async Task A_connection_that_goes_silent_is_closed_and_named(byte[] said)
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours, "akka.remote.dot-netty.tcp.connection-timeout = 1 s");
        await ClosedAfter(a.Port, said);
        Assert.StartsWith("A connection with 127.0.0.1 was refused: it did not complete the TLS handshake. ", await a.Log.Line(""), StringComparison.Ordinal);
        Assert.Single(a.Log.Warnings);
    }

    [Fact]
    public async Task A_node_that_takes_a_call_and_says_nothing_is_given_up_named_and_called_again()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours, "akka.remote.dot-netty.tcp.connection-timeout = 1 s");
        using var frozen = new TcpListener(IPAddress.Loopback, 0);
        frozen.Start();
        Address address = a.Address.WithPort(((IPEndPoint)frozen.LocalEndpoint).Port);
        a.Tell(address, "hello");
        using TcpClient first = await frozen.AcceptTcpClientAsync();
        await a.Log.Line($"The connection to 127.0.0.1:{address.Port} failed: no TLS handshake within 0.5 s. ");
        Task<TcpClient> again = frozen.AcceptTcpClientAsync();
        while (!again.IsCompleted)
        {
            // What is told while the address is gated is dropped.
            await Assert.ThrowsAsync<AskTimeoutException>(() => a.Ask(address, "hello", TimeSpan.FromMilliseconds(100)));
        }

        (await again).Dispose();
        Assert.False(a.System.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task A_node_that_dies_in_the_handshake_takes_nobody_with_it()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours), b = RemoteNode.Start("b", Ours);
        using var dying = new TcpListener(IPAddress.Loopback, 0);
        dying.Start();
        a.Tell(a.Address.WithPort(((IPEndPoint)dying.LocalEndpoint).Port), "hello");
        (await dying.AcceptTcpClientAsync()).Dispose();
        await a.Log.Line("The connection to 127.0.0.1:");
        Assert.Equal("still", await a.Ask(b.Address, "still"));
        Assert.False(a.System.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task A_connection_that_is_lost_is_named_in_one_sentence()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours);
        (RemoteNode started, RecordingProxy proxy) = Behind(Ours);
        await using RemoteNode b = started;
        Assert.Equal("before", await a.Ask(b.Address, "before"));
        await proxy.DisposeAsync();
        string line = $"The connection to 127.0.0.1:{proxy.Port} was lost: Disassociated. Further ones in the next ten minutes are not logged.";
        Assert.Equal(line, await a.Log.Line("lost"));
        Assert.All(a.Log.Warnings, logged => Assert.DoesNotContain("\n", logged, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_nodes_say_cannot_be_read_on_the_way(bool tls)
    {
        NodeSecurity security = tls ? Ours : NodeSecurity.None;
        await using RemoteNode a = RemoteNode.Start("a", security);
        (RemoteNode started, RecordingProxy proxy) = Behind(security);
        await using RemoteNode b = started;
        await using RecordingProxy between = proxy;
        const string Told = "what is told by one node to another";
        Assert.Equal(Told, await a.Ask(b.Address, Told));
        // Without TLS it can: the proxy sees what there is to see.
        Assert.Equal(!tls, proxy.Recorded.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Told)) >= 0);
        Assert.Equal(!tls, proxy.Recorded.AsSpan().IndexOf("/user/echo"u8) >= 0);
    }

    [Fact]
    public async Task A_bit_that_was_changed_on_the_way_ends_its_connection_and_a_new_one_goes_on()
    {
        await using RemoteNode a = RemoteNode.Start("a", Ours);
        (RemoteNode started, RecordingProxy proxy) = Behind(Ours);
        await using RemoteNode b = started;
        await using RecordingProxy between = proxy;
        Assert.Equal("before", await a.Ask(b.Address, "before"));
        proxy.ChangeOnce();
        await Assert.ThrowsAsync<AskTimeoutException>(() => a.Ask(b.Address, "changed", TimeSpan.FromSeconds(1)));
        string answer = "";
        // What is sent while the connection is being made anew is lost, as remoting says of every message.
        for (int attempt = 0; attempt < 20 && answer != "after"; attempt++)
        {
            try
            {
                answer = await a.Ask(b.Address, "after", TimeSpan.FromSeconds(3));
            }
            catch (AskTimeoutException)
            {
                // Again.
            }
        }

        Assert.Equal("after", answer);
    }

    /// <summary>A node that others reach through the proxy alone.</summary>
    private static (RemoteNode Node, RecordingProxy Proxy) Behind(NodeSecurity security)
    {
        int port = FreePort();
        var proxy = new RecordingProxy(port);
        return (RemoteNode.Start("b", security, $$"""
            test.port = {{port}}
            akka.remote.dot-netty.tcp { port = {{port}}, public-hostname = "127.0.0.1", public-port = {{proxy.Port}} }
            """), proxy);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
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
}
