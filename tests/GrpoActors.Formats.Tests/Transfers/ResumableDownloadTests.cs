using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using GrpoActors.Formats.Transfers;

namespace GrpoActors.Formats.Tests.Transfers;

/// <summary>What servers do is told in the tests of their clients: of the Hub and of the nodes.</summary>
public sealed class ResumableDownloadTests
{
    private static readonly byte[] Thing = [.. Enumerable.Range(0, 1000).Select(i => (byte)(i * 7))];
    private static readonly AnnouncedContent Announced =
        new(Thing.Length, Convert.ToHexStringLower(SHA256.HashData(Thing)), () => IncrementalHash.CreateHash(HashAlgorithmName.SHA256));

    private readonly List<long> asked = [];

    [Theory]
    [InlineData(0)]
    [InlineData(400)]
    [InlineData(1000)]
    public async Task What_a_file_holds_is_not_asked_for_again(int held)
    {
        using var file = new MemoryStream();
        file.Write(Thing.AsSpan(0, held));
        await Get(file, resume: true, (from, _) => Answer(from, 1000));
        Assert.Equal(Thing, file.ToArray());
        Assert.Equal(held == 1000 ? [] : [held], asked);
    }

    [Fact]
    public async Task A_file_that_is_too_long_or_begins_wrong_is_fetched_anew_and_is_no_longer_than_it_should_be()
    {
        using MemoryStream longer = new(), wrong = new();
        longer.Write(new byte[1200]);
        wrong.Write(new byte[400]);
        await Get(longer, resume: true, (from, _) => Answer(from, 1000));
        await Get(wrong, resume: true, (from, _) => Answer(from, 1000));
        Assert.Equal(Thing, longer.ToArray());
        Assert.Equal(Thing, wrong.ToArray());
        Assert.Equal([0, 400, 0], asked);
    }

    /// <summary>Each attempt brings more than the one before it or less, and in the long run none brings more.</summary>
    [Fact]
    public async Task A_server_that_always_begins_anew_and_never_ends_is_given_up()
    {
        using var file = new MemoryStream();
        Exception failed = await Assert.ThrowsAsync<InvalidDataException>(
            () => Get(file, resume: true, (_, attempt) => Answer(0, attempt % 2 == 0 ? 300 : 200)));
        Assert.Equal("given up after 3: the connection ended after 200 of 1000 bytes", failed.Message);
        Assert.Equal(200, file.Length); // what came last is kept
        Assert.Equal(4, asked.Count);
    }

    [Fact]
    public async Task A_disk_that_fails_is_no_reason_to_ask_again()
    {
        using var full = new FullDisk();
        await Assert.ThrowsAsync<IOException>(() => Get(full, resume: false, (from, _) => Answer(from, 1000)));
        Assert.Single(asked);
    }

    private static HttpResponseMessage Answer(long from, int to)
    {
        var answer = new HttpResponseMessage(from > 0 ? HttpStatusCode.PartialContent : HttpStatusCode.OK)
        {
            Content = new StreamContent(new MemoryStream(Thing[(int)from..to])),
        };
        answer.Content.Headers.ContentLength = Thing.Length - from;
        answer.Content.Headers.ContentRange = from > 0 ? new ContentRangeHeaderValue(from, Thing.Length - 1, Thing.Length) : null;
        return answer;
    }

    private async Task Get(Stream to, bool resume, Func<long, int, HttpResponseMessage> answer)
    {
        var retries = new RetryPolicy(AttemptsMax: 3, FirstPause: TimeSpan.Zero, PauseMax: TimeSpan.Zero, SilenceMax: Timeout.InfiniteTimeSpan);
        using var download = new ResumableDownload(Announced, to, resume, retries, TimeProvider.System)
        {
            Open = (from, _) =>
            {
                asked.Add(from);
                return Task.FromResult(answer(from, asked.Count - 1));
            },
            GivenUp = (attempts, last) => new InvalidDataException($"given up after {attempts}: {last.Message}"),
            WrongLength = (from, announced) => new InvalidDataException($"{announced} bytes from {from} on"),
            WrongHash = found => new InvalidDataException(found),
        };
        await download.Run(CancellationToken.None);
    }

    private sealed class FullDisk : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("No space left on device.");
    }
}
