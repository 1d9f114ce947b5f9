using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Security;
using GrpoActors.Core;
using GrpoActors.Engine;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class NodeServerTests : IAsyncLifetime
{
    private static readonly NodeSecurity Ours = Peers.Sharing("sixteen bytes, no less"), Theirs = Peers.Sharing("another one of sixteen bytes");

    private readonly PassingTime time = new(TimeSpan.Zero);
    private readonly LogLines logs = new();
    private readonly ContentStore shelf;
    private readonly HttpClient http = Peers.Http(Ours);
    private NodeServer server = null!;

    public NodeServerTests() => shelf = new ContentStore(new ContentStoreOptions(), time);

    public async Task InitializeAsync() => server = await NodeServer.StartAsync(new NodeServerOptions { BulkDownloadsMax = 1000, Time = time }, shelf, Ours, logs);

    public async Task DisposeAsync()
    {
        http.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task Weights_come_as_the_safetensors_file_that_they_would_be_on_a_disk()
    {
        PolicyWeights weights = TinyWeights.Of(TinyWeights.Spec(), 7);
        byte[] file = TinyWeights.FileOf(weights);
        WeightsRef reference = shelf.Offer(weights);
        Assert.Equal((file.LongLength, Digest.Of(file), new PolicyVersion(7), weights.Policy), (reference.Served!.Content.LengthBytes, reference.Served.Content.Sha256, reference.Version, reference.Served.Policy));
        Assert.Equal(new Uri(server.Address, "weights/7"), reference.Served.Content.At);
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
        server = await NodeServer.StartAsync(new NodeServerOptions { BulkDownloadsMax = 1, Time = time }, shelf, Ours, logs);
        shelf.Offer(TinyWeights.Large(1));
        HttpResponseMessage held = await Get("weights/1");
        using HttpResponseMessage busy = await Get("weights/1");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(1)), (busy.StatusCode, busy.Headers.RetryAfter!.Delta));
        // Contents have places of their own.
        Assert.Equal(HttpStatusCode.OK, (await Get(shelf.Put([9]).At.AbsolutePath[1..])).StatusCode);
        await held.Content.CopyToAsync(Stream.Null);
        held.Dispose();
        // Its place is free a moment after its last byte; until then the client is told to come again.
        using var client = new BulkClient(new BulkClientOptions(), Ours, own: null, new PassingTime(TimeSpan.FromSeconds(1)));
        WeightsRef reference = shelf.Offered().Single();
        await client.DownloadAsync(reference.Served!.Content, new MemoryStream(), default);
    }

    [Fact]
    public async Task A_stopping_server_finishes_what_it_has_begun_and_takes_nothing_new()
    {
        shelf.Offer(TinyWeights.Large(1));
        using HttpResponseMessage held = await Get("weights/1");
        Task stopped = server.StopAsync();
        byte[] all = await held.Content.ReadAsByteArrayAsync();
        await stopped;
        Assert.Equal(shelf.Offered().Single().Served!.Content.Sha256, Digest.Of(all));
        await Assert.ThrowsAsync<HttpRequestException>(() => Get("weights/1"));
    }

    [Fact]
    public async Task No_other_spelling_of_a_path_names_what_is_offered()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        Assert.StartsWith("HTTP/1.1 200", await Raw("/weights/1"), StringComparison.Ordinal);
        foreach (string path in (string[])
        [
            "/weights/-1", "/weights/01", "/weights/%31", "/weights/1/", "/weights//1", "//weights/1", "/WEIGHTS/1", "/weights/1%00",
            "/weights/99999999999999999999", "/weights/", "/contents/../weights/1", "/contents/%2e%2e/weights/1", "/contents/..%5cweights/1",
            "/contents/" + new string('A', 64), "/checkpoints/step-000200/weights.safetensors", "//etc/passwd", "/",
        ])
        {
            string answer = await Raw(path);
            Assert.True(answer.StartsWith("HTTP/1.1 404", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal), path + " -> " + answer);
        }
    }

    [Fact]
    public async Task Only_a_node_s_certificate_opens_contents_weights_and_whatever_is_not_read()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        string content = shelf.Put([1, 2, 3]).At.AbsolutePath[1..];
        using HttpClient without = Peers.Http(NodeSecurity.None), stranger = Peers.Http(Theirs);
        foreach (HttpClient refused in (HttpClient[])[without, stranger])
        {
            foreach (string path in (string[])[content, "weights/1", "checkpoints/step-000200", "no/such/thing", "healthz/live/"])
            {
                Assert.Equal(HttpStatusCode.Forbidden, await StatusOf(refused.GetAsync(new Uri(server.Address, path))));
            }

            Assert.Equal(HttpStatusCode.Forbidden, await StatusOf(refused.PostAsync(new Uri(server.Address, "status"), content: null)));
        }

        Assert.Equal(HttpStatusCode.OK, (await Get("weights/1")).StatusCode);
        Assert.Equal(12, server.Refused);
        Assert.Equal("A request from 127.0.0.1 was refused: it shows no certificate. More of them in the next ten minutes are counted, not logged.", Assert.Single(logs.Warnings));
        time.Advance(TimeSpan.FromMinutes(10));
        await StatusOf(stranger.GetAsync(new Uri(server.Address, "weights/1")));
        Assert.StartsWith("A request from 127.0.0.1 was refused: its certificate is made from another join secret.", logs.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_metrics_and_status_are_read_without_a_certificate_and_with_a_wrong_one()
    {
        using HttpClient without = Peers.Http(NodeSecurity.None), stranger = Peers.Http(Theirs);
        foreach (string path in (string[])["healthz/live", "healthz/ready", "metrics", "status"])
        {
            foreach (HttpClient client in (HttpClient[])[without, stranger])
            {
                Assert.NotEqual(HttpStatusCode.Forbidden, await StatusOf(client.GetAsync(new Uri(server.Address, path))));
            }
        }

        Assert.Equal(HttpStatusCode.OK, await StatusOf(without.GetAsync(new Uri(server.Address, "healthz/live"))));
        Assert.Equal(0, server.Refused);
    }

    [Fact]
    public async Task Every_connection_of_a_node_is_believed_also_where_TLS_takes_up_an_earlier_session()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        for (int i = 0; i < 5; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "weights/1")) { Headers = { ConnectionClose = true } };
            Assert.Equal(HttpStatusCode.OK, await StatusOf(http.SendAsync(request)));
        }
    }

    [Fact]
    public async Task What_is_no_TLS_is_hung_up_on()
    {
        shelf.Offer(TinyWeights.Of(TinyWeights.Spec(), 1));
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await connection.GetStream().WriteAsync("GET /weights/1 HTTP/1.1\r\nHost: here\r\n\r\n"u8.ToArray());
        using var answer = new MemoryStream();
        await connection.GetStream().CopyToAsync(answer).WaitAsync(TimeSpan.FromSeconds(60));
        // At most an alert of TLS.
        Assert.InRange(answer.Length, 0, 16);
    }

    [Fact]
    public async Task Nothing_can_be_written()
    {
        using HttpResponseMessage answer = await http.PostAsync(new Uri(server.Address, "contents/1"), new ByteArrayContent([]));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    private static async Task<HttpStatusCode> StatusOf(Task<HttpResponseMessage> asking)
    {
        using HttpResponseMessage answer = await asking;
        return answer.StatusCode;
    }

    private Task<HttpResponseMessage> Get(string path, RangeHeaderValue? range = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
        request.Headers.Range = range;
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>As it stands: no client in between that would tidy the path up.</summary>
    private async Task<string> Raw(string path)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await using var tls = new SslStream(connection.GetStream());
        await tls.AuthenticateAsClientAsync(Peers.Tls(Ours));
        await tls.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(tls, Encoding.ASCII);
        return await reader.ReadToEndAsync();
    }
}
