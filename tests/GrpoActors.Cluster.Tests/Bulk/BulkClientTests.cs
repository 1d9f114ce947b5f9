using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using GrpoActors.Formats.Transfers;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class BulkClientTests
{
    private static readonly byte[] Thing = [.. Enumerable.Range(0, 1000).Select(i => (byte)(i * 7))];

    private static readonly RetryPolicy Usual = new BulkClientOptions().Retries;

    private readonly PassingTime time = new(TimeSpan.FromSeconds(10));

    [Fact]
    public async Task A_broken_download_goes_on_from_the_byte_it_broke_off_at()
    {
        await using var server = new ScriptedServer(
            ScriptedServer.Answer("200 OK", Thing[..300], "Content-Length: 1000"),
            ScriptedServer.Answer("206 Partial Content", Thing[300..301], "Content-Length: 700", "Content-Range: bytes 300-999/1000"),
            ScriptedServer.Answer("206 Partial Content", Thing[301..], "Content-Length: 699", "Content-Range: bytes 301-999/1000"));
        Assert.Equal(Thing, await Get(server));
        Assert.DoesNotContain("Range", server.Requests[0], StringComparison.Ordinal);
        Assert.Contains("Range: bytes=300-\r\n", server.Requests[1], StringComparison.Ordinal);
        Assert.Contains("Range: bytes=301-\r\n", server.Requests[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_ranges_begins_anew()
    {
        await using var server = new ScriptedServer(
            ScriptedServer.Answer("200 OK", Thing[..300], "Content-Length: 1000"),
            ScriptedServer.Answer("200 OK", Thing, "Content-Length: 1000"));
        Assert.Equal(Thing, await Get(server));
    }

    [Fact]
    public async Task Pauses_grow_and_tries_that_bring_nothing_end()
    {
        await using var server = new ScriptedServer([.. Enumerable.Repeat(ScriptedServer.Answer("500 Internal Server Error", [], "Content-Length: 0"), 6)]);
        BulkException failed = await Assert.ThrowsAsync<BulkException>(() => Get(server));
        Assert.Equal($"{server.Address} could not be read: 6 tries in a row brought nothing, the last one because it answered 500.", failed.Message);
        Assert.Equal([250, 500, 1000, 2000, 4000], time.Passed.Select(pause => pause.TotalMilliseconds));
    }

    [Fact]
    public async Task A_busy_node_is_asked_again_when_it_says()
    {
        byte[] busy = ScriptedServer.Answer("503 Service Unavailable", [], "Content-Length: 0", "Retry-After: 3");
        await using var server = new ScriptedServer([busy, busy, busy, busy, busy, busy, busy, busy, ScriptedServer.Answer("200 OK", Thing, "Content-Length: 1000")]);
        Assert.Equal(Thing, await Get(server));
        Assert.Equal(Enumerable.Repeat(3.0, 8), time.Passed.Select(pause => pause.TotalSeconds));
    }

    [Fact]
    public async Task A_node_that_stays_busy_is_given_up()
    {
        byte[] busy = ScriptedServer.Answer("503 Service Unavailable", [], "Content-Length: 0", "Retry-After: 10");
        await using var server = new ScriptedServer([.. Enumerable.Repeat(busy, 8)]);
        var options = new BulkClientOptions { Retries = Usual with { BusyMax = TimeSpan.FromSeconds(60) } };
        BulkException failed = await Assert.ThrowsAsync<BulkException>(() => Get(server, options));
        Assert.Equal($"{server.Address} has said for 00:01:00 that its node is busy.", failed.Message);
    }

    [Fact]
    public async Task Wrong_bytes_are_thrown_away_and_asked_for_once_more()
    {
        byte[] wrong = [.. Thing];
        wrong[999] ^= 1;
        byte[] first = ScriptedServer.Answer("200 OK", wrong, "Content-Length: 1000");
        await using (var server = new ScriptedServer(first, ScriptedServer.Answer("200 OK", Thing, "Content-Length: 1000")))
        {
            Assert.Equal(Thing, await Get(server));
        }

        await using (var server = new ScriptedServer(first, first))
        {
            BulkException failed = await Assert.ThrowsAsync<BulkException>(() => Get(server));
            Assert.Equal($"What {server.Address} sent twice has the SHA-256 {Digest.Of(wrong)}, and {Digest.Of(Thing)} was announced.", failed.Message);
        }
    }

    [Theory]
    [InlineData("404 Not Found", 0, "is not, or no longer, on offer.")]
    [InlineData("403 Forbidden", 0, "refuses this node: it has another join secret, or believes other authorities.")]
    [InlineData("302 Found", 0, "answered 302 to a request for its bytes from 0 on.")]
    [InlineData("206 Partial Content", 10, "answered 206 to a request for its bytes from 0 on.")]
    [InlineData("200 OK", 1001, "sends 1001 bytes where 1000 of 1000 were left.")]
    [InlineData("200 OK", 999, "sends 999 bytes where 1000 of 1000 were left.")]
    public async Task An_answer_that_no_further_try_would_change_ends_it_at_once(string status, int length, string message)
    {
        await using var server = new ScriptedServer(ScriptedServer.Answer(status, new byte[length], $"Content-Length: {length}", "Location: http://127.0.0.1:1/"));
        BulkException failed = await Assert.ThrowsAsync<BulkException>(() => Get(server));
        Assert.Equal($"{server.Address} {message}", failed.Message);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_body_without_end_is_cut_at_the_announced_length()
    {
        await using var server = new ScriptedServer(ScriptedServer.Answer("200 OK", new byte[100_000]));
        BulkException failed = await Assert.ThrowsAsync<BulkException>(() => Get(server));
        Assert.Equal($"{server.Address} sends more than the 1000 bytes that were announced.", failed.Message);
    }

    [Fact]
    public async Task What_lies_on_the_own_shelf_is_not_asked_for_elsewhere()
    {
        var shelf = new ContentStore(new ContentStoreOptions(), time) { Address = new Uri("http://127.0.0.1:1/") };
        using var client = new BulkClient(new BulkClientOptions { Retries = Usual with { AttemptsMax = 1 } }, NodeSecurity.None, shelf, time);
        Assert.Same(Thing, await client.GetAsync(shelf.Put(Thing), default));
    }

    [Fact]
    public async Task A_node_that_is_not_there_is_named()
    {
        using var client = new BulkClient(new BulkClientOptions { Retries = Usual with { AttemptsMax = 2 } }, NodeSecurity.None, own: null, time);
        BulkException failed = await Assert.ThrowsAsync<BulkException>(() => client.GetAsync(new ContentRef(new Uri("http://127.0.0.1:1/contents/x"), Digest.Of(Thing), 1000), default));
        Assert.StartsWith("http://127.0.0.1:1/contents/x could not be read: 2 tries in a row brought nothing, the last one because of this: ", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_length_beyond_the_bound_is_not_asked_for()
    {
        using var client = new BulkClient(new BulkClientOptions(ContentBytesMax: 999), NodeSecurity.None, own: null, time);
        await Assert.ThrowsAsync<BulkException>(() => client.GetAsync(new ContentRef(new Uri("http://127.0.0.1:1/"), Digest.Of(Thing), 1000), default));
    }

    private async Task<byte[]> Get(ScriptedServer server, BulkClientOptions? options = null)
    {
        using var client = new BulkClient(options ?? new BulkClientOptions(), NodeSecurity.None, own: null, time);
        return await client.GetAsync(new ContentRef(server.Address, Digest.Of(Thing), Thing.Length), default);
    }
}
