using System.Net;
using System.Net.Sockets;

namespace GrpoActors.Cluster.Tests.Security;

/// <summary>Stands between two nodes, passes on what they say, keeps it, and lets a test change it on the way.</summary>
internal sealed class RecordingProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly MemoryStream recorded = new();
    private readonly List<TcpClient> connections = [];
    private readonly int target;
    private readonly Task serving;
    private int change;

    /// <param name="target">The port on this machine to which everything is passed.</param>
    public RecordingProxy(int target)
    {
        this.target = target;
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        serving = Serve();
    }

    public int Port { get; }

    /// <summary>All bytes of all connections, either way.</summary>
    public byte[] Recorded
    {
        get
        {
            lock (recorded)
            {
                return recorded.ToArray();
            }
        }
    }

    /// <summary>The last bit of the next bytes that pass is turned round.</summary>
    public void ChangeOnce() => Volatile.Write(ref change, 1);

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        lock (connections)
        {
            connections.ForEach(connection => connection.Dispose());
        }

        await serving;
    }

    private async Task Serve()
    {
        var passing = new List<Task>();
        try
        {
            while (true)
            {
                TcpClient from = await listener.AcceptTcpClientAsync();
                var to = new TcpClient();
                lock (connections)
                {
                    connections.AddRange([from, to]);
                }

                await to.ConnectAsync(IPAddress.Loopback, target);
                passing.AddRange([Pass(from, to), Pass(to, from)]);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task Pass(TcpClient from, TcpClient to)
    {
        byte[] block = new byte[1 << 16];
        try
        {
            int read;
            while ((read = await from.GetStream().ReadAsync(block)) > 0)
            {
                lock (recorded)
                {
                    recorded.Write(block, 0, read);
                }

                block[read - 1] ^= (byte)Interlocked.Exchange(ref change, 0);
                await to.GetStream().WriteAsync(block.AsMemory(0, read));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Closed by one of the two.
        }

        from.Dispose();
        to.Dispose();
    }
}
