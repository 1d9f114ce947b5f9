using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GrpoActors.Cluster.Tests.Bulk;

/// <summary>Answers the connections that come with the bytes of a script, one after the other, and closes each.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<string> requests = [];
    private readonly Task serving;

    public ScriptedServer(params byte[][] answers)
    {
        listener.Start();
        serving = Serve(answers);
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/thing");

    /// <summary>The heads of the requests that came.</summary>
    public IReadOnlyList<string> Requests => requests;

    public static byte[] Answer(string status, byte[] body, params string[] headers) =>
        [.. Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nConnection: close\r\n{string.Concat(headers.Select(header => header + "\r\n"))}\r\n"), .. body];

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        try
        {
            await serving;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // It was still waiting for a connection of its script.
        }
    }

    private async Task Serve(byte[][] answers)
    {
        foreach (byte[] answer in answers)
        {
            using TcpClient connection = await listener.AcceptTcpClientAsync();
            NetworkStream stream = connection.GetStream();
            var head = new StringBuilder();
            byte[] one = new byte[1];
            while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one) == 1)
            {
                head.Append((char)one[0]);
            }

            requests.Add(head.ToString());
            await stream.WriteAsync(answer);
            connection.Client.Shutdown(SocketShutdown.Send);
        }
    }
}
