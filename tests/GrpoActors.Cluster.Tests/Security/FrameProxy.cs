using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace GrpoActors.Cluster.Tests.Security;

/// <summary>Stands between two nodes, passes frames on, keeps those of the initiator, and lets a test lay hands on them.</summary>
internal sealed class FrameProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<byte[]> recorded = [];
    private readonly List<TcpClient> connections = [];
    private readonly Task serving;
    private readonly TaskCompletionSource<int> target = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FrameProxy()
    {
        listener.Start();
        serving = Serve();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>What is passed on in place of a frame of the initiator: number of the frame on its connection from 0, the frame.</summary>
    public Func<int, byte[], byte[][]> Pass { get; set; } = static (_, frame) => [frame];

    /// <summary>Frames of all initiators, with their lengths, end to end.</summary>
    public byte[] Recorded
    {
        get
        {
            lock (recorded)
            {
                return [.. recorded.SelectMany(WithLength)];
            }
        }
    }

    public static byte[] WithLength(byte[] frame)
    {
        byte[] sent = new byte[4 + frame.Length];
        BinaryPrimitives.WriteInt32LittleEndian(sent, frame.Length);
        frame.CopyTo(sent, 4);
        return sent;
    }

    public void Target(int port) => target.SetResult(port);

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

                await to.ConnectAsync(IPAddress.Loopback, await target.Task);
                passing.Add(Forth(from, to));
                passing.Add(Back(from, to));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task Forth(TcpClient from, TcpClient to)
    {
        try
        {
            for (int number = 0; ; number++)
            {
                byte[] length = new byte[4];
                await from.GetStream().ReadExactlyAsync(length);
                byte[] frame = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
                await from.GetStream().ReadExactlyAsync(frame);
                lock (recorded)
                {
                    recorded.Add(frame);
                }

                foreach (byte[] passed in Pass(number, frame))
                {
                    await to.GetStream().WriteAsync(WithLength(passed));
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            from.Dispose();
            to.Dispose();
        }
    }

    private static async Task Back(TcpClient from, TcpClient to)
    {
        try
        {
            await to.GetStream().CopyToAsync(from.GetStream());
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Closed by one of the two.
        }

        from.Dispose();
        to.Dispose();
    }
}
