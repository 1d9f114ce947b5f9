using System.Net;
using System.Net.Sockets;

namespace GrpoActors.Journal.Tests;

public enum Fault
{
    None,
    /// <summary>The connection breaks when the records are stored, but before COMMIT is sent.</summary>
    CutInTransaction,
    /// <summary>COMMIT never reaches the server.</summary>
    CutBeforeCommit,
    /// <summary>The server has committed; its answer is lost.</summary>
    CutAfterCommit,
    /// <summary>Records are stored and the head row is locked; from here on nothing passes until <see cref="CuttingProxy.Thaw"/>.</summary>
    FreezeBeforeCommit,
}

/// <summary>Stands between a writer and its server, and breaks or freezes the connection at a named moment of an append.</summary>
public sealed class CuttingProxy : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly int serverPort;
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource thawed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CuttingProxy(int serverPort)
    {
        this.serverPort = serverPort;
        listener.Start();
        _ = Accept();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public Fault Fault { get; set; }

    /// <summary>The named moment has come.</summary>
    public Task Reached => reached.Task;

    public void Thaw() => thawed.TrySetResult();

    public void Dispose()
    {
        Thaw();
        listener.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
            {
                _ = Relay(await listener.AcceptTcpClientAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // disposed: nobody connects any more
        }
    }

    private async Task Relay(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            await server.ConnectAsync(IPAddress.Loopback, serverPort);
            NetworkStream near = client.GetStream(), far = server.GetStream();
            var swallowed = new TaskCompletionSource();
            bool swallowing = false;
            await Task.WhenAny(Upward(), Downward());

            async Task Upward()
            {
                byte[] buffer = new byte[1 << 16];
                int count;
                while ((count = await Receive(near, buffer)) > 0)
                {
                    bool commit = buffer.AsSpan(0, count).IndexOf("COMMIT\0"u8) >= 0; // not READ COMMITTED
                    if (commit && Fault != Fault.None)
                    {
                        reached.TrySetResult();
                        if (Fault is Fault.CutInTransaction or Fault.CutBeforeCommit)
                        {
                            return;
                        }

                        if (Fault == Fault.FreezeBeforeCommit)
                        {
                            await thawed.Task;
                        }

                        swallowing = Fault == Fault.CutAfterCommit;
                    }

                    await far.WriteAsync(buffer.AsMemory(0, count));
                    if (swallowing)
                    {
                        await swallowed.Task;
                        return;
                    }
                }
            }

            async Task Downward()
            {
                byte[] buffer = new byte[1 << 16];
                int count;
                while ((count = await Receive(far, buffer)) > 0)
                {
                    if (swallowing)
                    {
                        swallowed.TrySetResult();
                        return;
                    }

                    await near.WriteAsync(buffer.AsMemory(0, count));
                    if (Fault == Fault.CutInTransaction && buffer.AsSpan(0, count).IndexOf("INSERT 0"u8) >= 0)
                    {
                        reached.TrySetResult();
                        return;
                    }
                }
            }
        }
    }

    private static async Task<int> Receive(NetworkStream from, byte[] buffer)
    {
        try
        {
            return await from.ReadAsync(buffer);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return 0;
        }
    }
}
