using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using GrpoActors.Engine;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class NodeServerTests : IAsyncLifetime
{
    private static readonly JoinSecret Secret = JoinSecret.Of("sixteen bytes, no less"u8, "a test");

    private readonly PassingTime time = new(TimeSpan.Zero);
    private readonly LogLines logs = new();
    private readonly NodeShelf shelf;
    private readonly HttpClient http = new();
    private readonly string folder = Directory.CreateTempSubdirectory("grpo-shelf-").FullName;
    private NodeServer server = null!;

    public NodeServerTests() => shelf = new NodeShelf(new NodeShelfOptions(), time);

    public async Task InitializeAsync() => server = await NodeServer.StartAsync(new NodeServerOptions { BulkDownloadsMax = 1000, Time = time }, shelf, Secret, logs);

    public async Task DisposeAsync()
    {
        http.Dispose();
        await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Weights_come_as_the_safetensors_file_that_they_would_be_on_a_disk()
    {
        PolicyWeights weights = TinyWeights.Of(TinyWeights.Spec(), 7);
        byte[] file = TinyWeights.FileOf(weights);
        WeightsRef reference = shelf.Offer(weights);
        Assert.Equal((file.LongLength, Digest.Of(file), new PolicyVersion(7), weights.Policy), (reference.LengthBytes, reference.Sha256, reference.Version, reference.Policy));
        Assert.Equal(new Uri(server.Address, "weights/7"), reference.At);
        using HttpResponseMessage answer = await Get("weights/7");
        Assert.Equal(file, await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal($"\"{Digest.Of(file)}\"", answer.Headers.ETag!.Tag);
    }

    [Fact]
    public async Task Any_range_of_the_weights_is_that_range_of_the_file()
    {
        PolicyWeights weights = TinyWeights.Of(TinyWeights.Spec(), 1);
        byte[] file = TinyWeights.FileOf(weights);
        shelf.Offer(weights);
        var random = new Random(5);
        for (int i = 0; i < 60; i++)
        {
            int from = random.Next(file.Length), to = random.Next(from, file.Length);
            using HttpResponseMessage answer = await Get("weights/1", range: new RangeHeaderValue(from, to));
            Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
            Assert.Equal(file[from..(to + 1)], await answer.Content.ReadAsByteArrayAsync());
        }

        using HttpResponseMessage rest = await Get("weights/1", range: new RangeHeaderValue(file.Length - 3, null));
        Assert.Equal(file[^3..], await rest.Content.ReadAsByteArrayAsync());
        using HttpResponseMessage beyond = await Get("weights/1", range: new RangeHeaderValue(file.Length, null));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
    }

    [Fact]
    public async Task Withdrawn_versions_and_removed_contents_are_gone()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 2));
        ContentRef content = shelf.Put([1, 2, 3]);
        Assert.Equal([1, 2, 3], await (await Get(content.At.AbsolutePath[1..])).Content.ReadAsByteArrayAsync());
        shelf.Withdraw(below: new PolicyVersion(2));
        shelf.Remove(content.Sha256);
        Assert.Equal(HttpStatusCode.NotFound, (await Get("weights/1")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Get("weights/2")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await Get(content.At.AbsolutePath[1..])).StatusCode);
    }

    [Fact]
    public async Task A_download_too_many_is_told_to_come_again_and_served_when_there_is_room()
    {
        await server.DisposeAsync();
        server = await NodeServer.StartAsync(new NodeServerOptions { BulkDownloadsMax = 1, Time = time }, shelf, Secret, logs);
        shelf.Offer(TinyWeights.Large(1));
        HttpResponseMessage held = await Get("weights/1");
        using HttpResponseMessage busy = await Get("weights/1");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(1)), (busy.StatusCode, busy.Headers.RetryAfter!.Delta));
        // Contents have places of their own.
        Assert.Equal(HttpStatusCode.OK, (await Get(shelf.Put([9]).At.AbsolutePath[1..])).StatusCode);
        await held.Content.CopyToAsync(Stream.Null);
        held.Dispose();
        // Its place is free a moment after its last byte; until then the client is told to come again.
        using var client = new BulkClient(new BulkClientOptions(), Secret, own: null, new PassingTime(TimeSpan.FromSeconds(1)));
        WeightsRef reference = shelf.Offered().Single();
        await client.DownloadAsync(reference.At, reference.Sha256, reference.LengthBytes, new MemoryStream(), resume: false, default);
    }

    [Fact]
    public async Task A_stopping_server_finishes_what_it_has_begun_and_takes_nothing_new()
    {
        shelf.Offer(TinyWeights.Large(1));
        using HttpResponseMessage held = await Get("weights/1");
        Task stopped = server.StopAsync();
        byte[] all = await held.Content.ReadAsByteArrayAsync();
        await stopped;
        Assert.Equal(shelf.Offered().Single().Sha256, Digest.Of(all));
        await Assert.ThrowsAsync<HttpRequestException>(() => Get("weights/1"));
    }

    [Fact]
    public async Task Checkpoint_files_are_served_by_range_and_nothing_else_on_the_disk_is()
    {
        string checkpoints = Directory.CreateDirectory(Path.Combine(folder, "checkpoints")).FullName;
        Directory.CreateDirectory(Path.Combine(checkpoints, "step-000200"));
        Directory.CreateDirectory(Path.Combine(checkpoints, "step-000300.part"));
        foreach (string file in new[] { "step-000200/weights.safetensors", "step-000200/private.txt", "step-000300.part/weights.safetensors", "private.txt", "reference-1f0c.safetensors" })
        {
            await File.WriteAllTextAsync(Path.Combine(checkpoints, file), file);
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "manifest.json"), "outside");
        File.CreateSymbolicLink(Path.Combine(checkpoints, "step-000200", "manifest.json"), Path.Combine(folder, "manifest.json"));
        Directory.CreateSymbolicLink(Path.Combine(checkpoints, "step-000400"), Path.Combine(checkpoints, "step-000200"));
        Assert.StartsWith("HTTP/1.1 404", await Raw("/checkpoints/step-000200/weights.safetensors"), StringComparison.Ordinal);
        shelf.OfferCheckpoints(checkpoints);
        using HttpResponseMessage part = await Get("checkpoints/step-000200/weights.safetensors", range: new RangeHeaderValue(12, 18));
        Assert.Equal("weights", await part.Content.ReadAsStringAsync());
        Assert.EndsWith("reference-1f0c.safetensors", await Raw("/checkpoints/reference-1f0c.safetensors"), StringComparison.Ordinal);
        foreach (string path in (string[])
        [
            "/checkpoints/step-000200/private.txt", "/checkpoints/private.txt", "/checkpoints/step-000300.part/weights.safetensors", "/checkpoints/step-000200/manifest.json",
            "/checkpoints/step-000400/weights.safetensors", "/checkpoints/step-000200/../private.txt", "/checkpoints/../manifest.json", "/checkpoints/step-000200/../../manifest.json",
            "/checkpoints/%2e%2e/manifest.json", "/checkpoints/step-000200/%2e%2e%2f%2e%2e%2fmanifest.json", "/checkpoints/step-000200/..%5cprivate.txt", "/checkpoints//private.txt",
            "/checkpoints/step-000200/weights.safetensors%00", "/checkpoints/step-000200", "/checkpoints/", "/checkpoints/STEP-000200/weights.safetensors", "//etc/passwd", "/weights/-1",
            "/weights/01", "/weights/99999999999999999999", "/contents/../weights/1", "/contents/" + new string('A', 64), "/",
        ])
        {
            string answer = await Raw(path);
            Assert.True(answer.StartsWith("HTTP/1.1 404", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal), path + " -> " + answer);
        }
    }

    [Fact]
    public async Task A_request_without_a_good_authorization_gets_nothing_and_is_logged_once()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        shelf.OfferCheckpoints(folder);
        string good = new RequestSignature(Secret, time).Sign("GET", "/weights/1").ToString();
        string wrong = new RequestSignature(JoinSecret.Of("another one of sixteen bytes"u8, "a test"), time).Sign("GET", "/weights/1").ToString();
        string elsewhere = new RequestSignature(Secret, time).Sign("GET", "/weights/2").ToString();
        foreach (string? bad in (string?[])[null, "", "Grpo", "Grpo .", "Basic Zm9vOmJhcg==", wrong, elsewhere, good[..^1], good + "0", good.Replace('.', ','), "Grpo 99999999999999999999." + new string('0', 64)])
        {
            Assert.StartsWith("HTTP/1.1 401", await Raw("/weights/1", bad), StringComparison.Ordinal);
        }

        Assert.StartsWith("HTTP/1.1 401", await Raw("/checkpoints/step-000200/weights.safetensors", null), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 401", await Raw("/no/such/thing", null), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await Raw("/weights/1", good), StringComparison.Ordinal);
        time.Advance(RequestSignature.Tolerance);
        Assert.StartsWith("HTTP/1.1 200", await Raw("/weights/1", good), StringComparison.Ordinal);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.StartsWith("HTTP/1.1 401", await Raw("/weights/1", good), StringComparison.Ordinal);
        Assert.Equal("A request from 127.0.0.1 was refused: it carries no authorization. More of them are counted, not logged.", Assert.Single(logs.Warnings));
        Assert.Equal(14, server.Refused);
    }

    [Fact]
    public async Task Nothing_can_be_written()
    {
        using HttpResponseMessage answer = await http.PostAsync(new Uri(server.Address, "contents/1"), new ByteArrayContent([]));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    private Task<HttpResponseMessage> Get(string path, RangeHeaderValue? range = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
        request.Headers.Authorization = new RequestSignature(Secret, time).Sign("GET", "/" + path);
        request.Headers.Range = range;
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private Task<string> Raw(string path) => Raw(path, new RequestSignature(Secret, time).Sign("GET", path).ToString());

    /// <summary>As it stands: no client in between that would tidy the path up.</summary>
    private async Task<string> Raw(string path, string? authorization)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        string header = authorization is null ? "" : $"Authorization: {authorization}\r\n";
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{header}\r\n"));
        using var reader = new StreamReader(connection.GetStream(), Encoding.ASCII);
        return await reader.ReadToEndAsync();
    }
}
