using System.Text;
using GrpoActors.Formats.Transfers;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Hub.Tests;

public sealed class HubPullTests : IDisposable
{
    private static readonly byte[] Weights = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 + i / 256))];
    private static readonly HubModel Model = HubModel.Parse("owner/name");

    private readonly TemporaryFolder folder = new();
    private readonly SmallHub hub = new SmallHub()
        .With("config.json", "{}"u8.ToArray()).With("tokenizer.json", "{\"a\":1}"u8.ToArray()).With("LICENSE", "MIT"u8.ToArray())
        .With("model.safetensors", Weights, isLfs: true).With("pytorch_model.bin", "pickled"u8.ToArray(), isLfs: true).With("empty.txt", []);

    public void Dispose()
    {
        hub.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task A_model_lands_in_the_usual_cache_and_is_found_by_its_name()
    {
        string snapshot = await Pull();
        Assert.Equal(folder.File($"models--owner--name/snapshots/{SmallHub.Commit}"), snapshot);
        Assert.Equal(["LICENSE", "config.json", "empty.txt", "model.safetensors", "tokenizer.json"], Directory.EnumerateFiles(snapshot).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(snapshot, "model.safetensors")));
        Assert.Equal(SmallHub.Commit, File.ReadAllText(folder.File("models--owner--name/refs/main")));
        Assert.Equal(Weights, File.ReadAllBytes(folder.File($"models--owner--name/blobs/{SmallHub.HashOf(Weights, true)}")));
        Assert.Equal($"../../blobs/{SmallHub.HashOf("{}"u8.ToArray(), false)}", new FileInfo(Path.Combine(snapshot, "config.json")).LinkTarget);
        Assert.Equal(snapshot, ModelFolders.Find("recipes/owner/name", folder.Path, null));
        Assert.Equal("recipes/owner/other", ModelFolders.Find("recipes/owner/other", folder.Path, null));
    }

    /// <summary>The cache holds links alone.</summary>
    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(4_000)]
    public async Task A_pulled_model_has_the_weights_that_were_published(long shardBytesMax)
    {
        string published = TinyModelFolder.Create(folder.File("published"), shardBytesMax: shardBytesMax);
        using var small = new SmallHub();
        foreach (string file in Directory.EnumerateFiles(published))
        {
            small.With(Path.GetFileName(file), File.ReadAllBytes(file), isLfs: file.EndsWith(".safetensors", StringComparison.Ordinal));
        }

        using var client = new HubClient(small.Address, token: null, useProxy: false);
        string snapshot = await new HubPull(client, new HubCache(folder.Path), Retries, new SteppedTime()).Pull(Model, CancellationToken.None);
        Assert.All(Directory.EnumerateFiles(snapshot), file => Assert.NotNull(new FileInfo(file).LinkTarget));
        using PretrainedModel pulled = PretrainedModel.Open(snapshot), original = PretrainedModel.Open(published);
        Assert.Equal(original.Weights.Policy, pulled.Weights.Policy);
    }

    [Fact]
    public async Task What_is_there_is_not_fetched_again()
    {
        await Pull();
        hub.Requests.Clear();
        await Pull();
        Assert.StartsWith("/api/models/", Assert.Single(hub.Requests).Path);
    }

    [Fact]
    public async Task A_damaged_blob_is_fetched_again()
    {
        string snapshot = await Pull();
        File.WriteAllBytes(folder.File($"models--owner--name/blobs/{SmallHub.HashOf(Weights, true)}"), new byte[Weights.Length]);
        await Pull();
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(snapshot, "model.safetensors")));
    }

    [Fact]
    public async Task A_cut_connection_goes_on_where_it_was_cut()
    {
        int cuts = 0;
        hub.Misbehave = asked => IsWeights(asked) && cuts++ < 3 ? hub.Answer(asked)[..^(250_000 - cuts * 50_000)] : null;
        await Pull();
        long[] from = [.. hub.Requests.Where(IsWeights).Select(asked => asked.FromByte)];
        Assert.Equal(4, from.Length);
        Assert.Equal(0, from[0]);
        Assert.True(from.SequenceEqual(from.Order()) && from[1] > 0);
    }

    [Fact]
    public async Task A_pull_that_was_given_up_goes_on_in_the_next_one()
    {
        hub.Misbehave = asked => !IsWeights(asked) ? null : asked.FromByte == 0 ? hub.Answer(asked)[..^100_000] : SmallHub.Status(503);
        HubException failed = await Assert.ThrowsAsync<HubException>(Pull);
        Assert.Contains("model.safetensors of owner/name: 127.0.0.1 answered 503; given up after", failed.Message);
        Assert.False(failed.IsMistake);
        Assert.False(File.Exists(folder.File("models--owner--name/refs/main"))); // no name for what is not whole
        hub.Misbehave = null;
        hub.Requests.Clear();
        await Pull();
        Assert.True(Assert.Single(hub.Requests, IsWeights).FromByte > 0);
    }

    [Fact]
    public async Task A_server_that_cannot_resume_is_read_from_the_beginning()
    {
        bool cut = false;
        hub.Misbehave = asked => !IsWeights(asked) ? null : cut ? hub.Answer(asked with { FromByte = 0 }) : Cut(asked);
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(await Pull(), "model.safetensors")));

        byte[] Cut(Asked asked)
        {
            cut = true;
            return hub.Answer(asked)[..^50_000];
        }
    }

    [Theory]
    [InlineData("416 Range Not Satisfiable", "")]
    [InlineData("206 Partial Content", "Content-Range: bytes 7-11/300000\r\n")]
    public async Task A_server_that_refuses_the_rest_or_sends_another_part_is_asked_from_the_beginning(string status, string range)
    {
        Directory.CreateDirectory(folder.File("models--owner--name/blobs"));
        File.WriteAllBytes(folder.File($"models--owner--name/blobs/{SmallHub.HashOf(Weights, true)}.incomplete"), Weights[..1000]);
        hub.Misbehave = asked => IsWeights(asked) && asked.FromByte > 0
            ? Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\n{range}Content-Length: 5\r\nConnection: close\r\n\r\nother")
            : null;
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(await Pull(), "model.safetensors")));
        Assert.Equal([1000, 0], hub.Requests.Where(IsWeights).Select(asked => asked.FromByte));
    }

    [Fact]
    public async Task Wrong_bytes_before_a_cut_are_noticed_and_fetched_anew()
    {
        Directory.CreateDirectory(folder.File("models--owner--name/blobs"));
        File.WriteAllBytes(folder.File($"models--owner--name/blobs/{SmallHub.HashOf(Weights, true)}.incomplete"), new byte[1000]);
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(await Pull(), "model.safetensors")));
    }

    [Fact]
    public async Task Content_of_another_hash_is_never_kept()
    {
        byte[] forged = [.. Weights[..^1], 7];
        hub.Misbehave = asked => IsWeights(asked) ? [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {forged.Length}\r\nConnection: close\r\n\r\n"), .. forged] : null;
        Assert.Contains("does not have the hash that the Hub states", (await Assert.ThrowsAsync<HubException>(Pull)).Message);
        Assert.DoesNotContain(Directory.EnumerateFiles(folder.File("models--owner--name/blobs")), file => file.Contains(SmallHub.HashOf(Weights, true), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Content-Length: 5\r\n", "the server announces 5 bytes, and the Hub's list says 300000")]
    [InlineData("", "the connection ended after 5 of 300000 bytes")]
    public async Task A_wrong_size_is_refused(string length, string says)
    {
        hub.Misbehave = asked => IsWeights(asked) ? Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\nshort") : null;
        Assert.Contains(says, (await Assert.ThrowsAsync<HubException>(Pull)).Message);
    }

    [Fact]
    public async Task More_bytes_than_listed_are_refused()
    {
        hub.Misbehave = asked => IsWeights(asked) ? [.. "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"u8, .. Weights, 1] : null;
        Assert.Contains("sends more than the 300000 bytes", (await Assert.ThrowsAsync<HubException>(Pull)).Message);
    }

    [Fact]
    public async Task A_redirect_is_followed_and_the_token_stays_with_its_origin()
    {
        using var store = new SmallHub { Misbehave = _ => [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {Weights.Length}\r\nConnection: close\r\n\r\n"), .. Weights] };
        hub.Misbehave = asked => asked.Path.StartsWith("/moved/", StringComparison.Ordinal) ? hub.Answer(asked with { Path = asked.Path["/moved".Length..] })
            : IsWeights(asked) ? SmallHub.Status(302, $"Location: {store.Address}/weights\r\n")
            : SmallHub.Status(307, $"Location: /moved{asked.Path}\r\n");
        string snapshot = await Pull("secret");
        Assert.Equal(Weights, File.ReadAllBytes(Path.Combine(snapshot, "model.safetensors")));
        Assert.All(hub.Requests, asked => Assert.Equal("Bearer secret", asked.Authorization));
        Assert.All(store.Requests, asked => Assert.Null(asked.Authorization));
        Assert.NotEmpty(store.Requests);
    }

    [Fact]
    public async Task Redirects_in_a_circle_end()
    {
        hub.Misbehave = asked => SmallHub.Status(302, $"Location: {asked.Path}\r\n");
        Assert.Contains("redirects more than 10 times", (await Assert.ThrowsAsync<HubException>(Pull)).Message);
    }

    [Theory]
    [InlineData(401, "refuses access (401)")]
    [InlineData(403, "refuses access (403)")]
    [InlineData(404, "is not on 127.0.0.1 (404)")]
    public async Task A_refusal_is_a_mistake_and_is_not_tried_again(int status, string says)
    {
        hub.Misbehave = _ => SmallHub.Status(status);
        HubException refused = await Assert.ThrowsAsync<HubException>(Pull);
        Assert.Contains(says, refused.Message);
        Assert.True(refused.IsMistake);
        Assert.Single(hub.Requests);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("{\"sha\":\"../../x\",\"siblings\":[]}")]
    [InlineData("{\"sha\":\"0123456789\",\"siblings\":[{\"rfilename\":\"config.json\",\"size\":1,\"blobId\":\"../../../etc/passwd\"}]}")]
    public async Task A_listing_that_is_none_is_one_sentence(string listing)
    {
        hub.Listing = _ => listing;
        Assert.Contains("is no list of a model's files", (await Assert.ThrowsAsync<HubException>(Pull)).Message);
    }

    [Fact]
    public async Task A_listing_without_end_is_cut()
    {
        hub.Listing = json => json + new string(' ', 1 << 24);
        Assert.Contains("is longer than 16777216 bytes", (await Assert.ThrowsAsync<HubException>(Pull)).Message);
    }

    [Fact]
    public async Task Names_that_lead_out_of_the_folder_are_left_alone()
    {
        hub.Listing = json => json.Replace("\"tokenizer.json\"", "\"../tokenizer.json\"", StringComparison.Ordinal);
        string snapshot = await Pull();
        Assert.False(File.Exists(Path.Combine(Path.GetDirectoryName(snapshot)!, "tokenizer.json")));
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_given_up()
    {
        var time = new SteppedTime();
        hub.Misbehave = _ =>
        {
            time.Pass(Retries.SilenceMax);
            return [];
        };
        HubException failed = await Assert.ThrowsAsync<HubException>(() => Pull(null, time));
        Assert.Contains("the server was silent for 20 s; given up after 3 attempts", failed.Message);
        Assert.Equal(3, hub.Requests.Count);
    }

    [Theory]
    [InlineData("owner")]
    [InlineData("owner/name/more")]
    [InlineData("../name")]
    [InlineData("owner/..")]
    [InlineData("owner/name@../main")]
    [InlineData("")]
    public void A_name_that_is_none_is_a_mistake(string name) => Assert.True(Assert.Throws<HubException>(() => HubModel.Parse(name)).IsMistake);

    [Fact]
    public void A_token_does_not_travel_in_the_open() => Assert.True(Assert.Throws<HubException>(() => new HubClient("http://example.org", "secret")).IsMistake);

    private static bool IsWeights(Asked asked) => asked.Path.EndsWith("/model.safetensors", StringComparison.Ordinal);

    private static RetryPolicy Retries { get; } = new(3, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromSeconds(20));

    private Task<string> Pull() => Pull(null);

    /// <summary>The clock stands still, unless a test moves it.</summary>
    private async Task<string> Pull(string? token, SteppedTime? time = null)
    {
        using var client = new HubClient(hub.Address, token, useProxy: false);
        return await new HubPull(client, new HubCache(folder.Path), Retries, time ?? new SteppedTime()).Pull(Model, CancellationToken.None);
    }
}
