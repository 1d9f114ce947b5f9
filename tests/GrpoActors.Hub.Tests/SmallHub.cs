using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace GrpoActors.Hub.Tests;

/// <param name="Path">With its query.</param>
/// <param name="FromByte">Of the Range header; 0 without one.</param>
internal sealed record Asked(string Path, long FromByte, string? Authorization);

/// <summary>A Hub on this machine that misbehaves on demand: every answer is written byte by byte as a test says.</summary>
internal sealed class SmallHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Dictionary<string, (byte[] Content, bool IsLfs)> files = [];

    public SmallHub()
    {
        listener.Start();
        _ = Task.Run(Serve);
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public ConcurrentQueue<Asked> Requests { get; } = new();

    /// <summary>Answers a request instead of the usual way; null: the usual way.</summary>
    public Func<Asked, byte[]?>? Misbehave { get; set; }

    /// <summary>Further keys of the listing, or other values.</summary>
    public Func<string, string> Listing { get; set; } = json => json;

    public SmallHub With(string name, byte[] content, bool isLfs = false)
    {
        files[name] = (content, isLfs);
        return this;
    }

    public void Dispose()
    {
        stop.Cancel();
        listener.Dispose();
        stop.Dispose();
    }

    public static byte[] Status(int status, string headers = "", string body = "") =>
        Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Whatever\r\nContent-Length: {body.Length}\r\nConnection: close\r\n{headers}\r\n{body}");

    /// <summary>The usual answer.</summary>
    public byte[] Answer(Asked asked)
    {
        string path = asked.Path.Split('?')[0];
        if (path.StartsWith("/api/models/owner/name/revision/", StringComparison.Ordinal))
        {
            return Status(200, body: Listing(ListingJson()));
        }

        string prefix = $"/owner/name/resolve/{Commit}/";
        if (!path.StartsWith(prefix, StringComparison.Ordinal) || !files.TryGetValue(path[prefix.Length..], out var file))
        {
            return Status(404);
        }

        byte[] rest = file.Content[(int)Math.Min(asked.FromByte, file.Content.Length)..];
        string head = asked.FromByte > 0
            ? $"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {asked.FromByte}-{file.Content.Length - 1}/{file.Content.Length}\r\n"
            : "HTTP/1.1 200 OK\r\n";
        return [.. Encoding.ASCII.GetBytes($"{head}Content-Length: {rest.Length}\r\nConnection: close\r\n\r\n"), .. rest];
    }

    public static string HashOf(byte[] content, bool isLfs) => Convert.ToHexStringLower(isLfs
        ? SHA256.HashData(content)
        : SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));

    private string ListingJson() => JsonSerializer.Serialize(new
    {
        sha = Commit,
        siblings = files.Select(file => file.Value.IsLfs
            ? (object)new { rfilename = file.Key, size = file.Value.Content.Length, blobId = new string('0', 40), lfs = new { sha256 = HashOf(file.Value.Content, true), size = file.Value.Content.Length } }
            : new { rfilename = file.Key, size = file.Value.Content.Length, blobId = HashOf(file.Value.Content, false) }),
    });

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                using TcpClient client = await listener.AcceptTcpClientAsync(stop.Token);
                try
                {
                    await Serve(client);
                }
                catch (IOException)
                {
                    // the client has gone: the next one is served all the same
                }
            }
        }
        finally
        {
            listener.Stop(); // refused is better than unanswered
        }
    }

    private async Task Serve(TcpClient client)
    {
        await using NetworkStream stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        if (await reader.ReadLineAsync(stop.Token) is not { } first)
        {
            return;
        }

        long from = 0;
        string? authorization = null;
        while (await reader.ReadLineAsync(stop.Token) is { Length: > 0 } header)
        {
            if (header.StartsWith("Range: bytes=", StringComparison.OrdinalIgnoreCase))
            {
                from = long.Parse(header["Range: bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
            }
            else if (header.StartsWith("Authorization: ", StringComparison.OrdinalIgnoreCase))
            {
                authorization = header["Authorization: ".Length..];
            }
        }

        var asked = new Asked(first.Split(' ')[1], from, authorization);
        Requests.Enqueue(asked);
        await stream.WriteAsync(Misbehave?.Invoke(asked) ?? Answer(asked), stop.Token);
    }
}
