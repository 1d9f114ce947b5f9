using System.Net;
using System.Net.Sockets;
using GrpoActors.Actors.Protocol;

namespace GrpoActors.Cluster.Tests.Bulk;

/// <summary>Accepts connections and says nothing; let go, it closes them all and is no longer there.</summary>
internal sealed class HoldingServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<TcpClient> held = [];
    private readonly TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task serving;

    public HoldingServer()
    {
        listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/weights/0");
        serving = Serve();
    }

    public Uri Address { get; }

    public Task Asked => asked.Task;

    public void LetGo()
    {
        listener.Stop();
        lock (held)
        {
            held.ForEach(connection => connection.Dispose());
        }
    }

    public async ValueTask DisposeAsync()
    {
        LetGo();
        await serving;
    }

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                TcpClient connection = await listener.AcceptTcpClientAsync();
                lock (held)
                {
                    held.Add(connection);
                }

                asked.TrySetResult();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Let go.
        }
    }
}
