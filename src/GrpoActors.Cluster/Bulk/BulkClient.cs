using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;

namespace GrpoActors.Cluster.Bulk;

/// <param name="TriesMax">Tries in a row that bring no byte before a download is given up.</param>
/// <param name="ContentBytesMax">A longer content is not asked for.</param>
internal sealed record BulkClientOptions(int TriesMax = 6, long ContentBytesMax = 1L << 30)
{
    /// <summary>After the first try without a byte; doubles with each further one.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(250);

    public TimeSpan PauseMax { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>A try is broken off when nothing has come for so long: the other node is frozen or cut off.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a node may say that it is busy.</summary>
    public TimeSpan BusyMax { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>Brings bytes from other nodes and checks their hash. Thread-safe; one a process.</summary>
/// <remarks>
/// <code>
/// try --bytes--> broken off --> try again from the byte it broke off at (range)       as long as each try, or one of TriesMax in a row, brings something
///     --busy (503)--> wait as long as it says --> try
///     --all bytes--> hash as announced: done    not so: all is thrown away and asked for once more, then BulkException
/// </code>
/// </remarks>
internal sealed class BulkClient : IDisposable
{
    private const int BlockBytes = 1 << 17;
    private static readonly TimeSpan ComeAgainDefault = TimeSpan.FromSeconds(1), ComeAgainMax = TimeSpan.FromSeconds(30);

    private readonly BulkClientOptions options;
    private readonly NodeShelf? own;
    private readonly TimeProvider time;
    private readonly HttpClient http;

    /// <param name="own">This process's shelf: what lies there is not asked for elsewhere.</param>
    public BulkClient(BulkClientOptions options, NodeSecurity security, NodeShelf? own, TimeProvider time)
    {
        this.options = options;
        this.own = own;
        this.time = time;
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ConnectTimeout = options.SilenceMax };
        handler.SslOptions.ClientCertificateContext = security.CertificateContext;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
            security.Refusal(shown as X509Certificate2, chain, errors) is null;
        http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The bytes of a content; not to be written to.</summary>
    /// <exception cref="BulkException">It cannot be had.</exception>
    public async Task<byte[]> GetAsync(ContentRef content, CancellationToken cancellation)
    {
        if (own?.TryGet(content.Sha256) is { } here)
        {
            return here;
        }

        if (content.LengthBytes < 0 || content.LengthBytes > Math.Min(options.ContentBytesMax, Array.MaxLength))
        {
            throw new BulkException($"The content at {content.At} is announced with {content.LengthBytes} bytes, and at most {options.ContentBytesMax} are asked for.");
        }

        byte[] bytes = new byte[content.LengthBytes];
        using var to = new MemoryStream(bytes);
        await DownloadAsync(content.At, content.Sha256, content.LengthBytes, to, resume: false, cancellation);
        return bytes;
    }

    /// <summary>Writes what is at an address into a stream, from its byte 0 on.</summary>
    /// <param name="lengthBytes">As announced: more is never taken, less is no success.</param>
    /// <param name="to">Can seek; what it holds after a failure is not to be used, except to go on with <paramref name="resume"/>.</param>
    /// <param name="resume">The stream can be read and holds the beginning already: only the rest is asked for.</param>
    /// <exception cref="BulkException">It cannot be had.</exception>
    public async Task DownloadAsync(Uri at, Digest sha256, long lengthBytes, Stream to, bool resume, CancellationToken cancellation)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var progress = new Progress(at, lengthBytes, to, sha);
        if (resume)
        {
            await progress.TakeUp(cancellation);
        }

        for (int attempt = 1; ; attempt++)
        {
            await Fill(progress, cancellation);
            Digest found = progress.Finish();
            if (found == sha256)
            {
                return;
            }

            if (attempt == 2)
            {
                throw new BulkException($"What {at} sent twice has the SHA-256 {found}, and {sha256} was announced.");
            }

            progress.Discard();
        }
    }

    public void Dispose() => http.Dispose();

    /// <summary>Tries until all bytes are there.</summary>
    private async Task Fill(Progress progress, CancellationToken cancellation)
    {
        int failures = 0;
        long? busySince = null;
        while (progress.Done < progress.LengthBytes)
        {
            long before = progress.Done;
            Outcome outcome = await Try(progress, cancellation);
            switch (outcome)
            {
                case Outcome.Sent:
                    break;
                case Outcome.Busy busy:
                    busySince ??= time.GetTimestamp();
                    if (time.GetElapsedTime(busySince.Value) > options.BusyMax)
                    {
                        throw new BulkException($"{progress.At} has said for {options.BusyMax} that its node is busy.");
                    }

                    await Task.Delay(busy.Pause, time, cancellation);
                    break;
                case Outcome.Broken broken:
                    busySince = null;
                    failures = progress.Done > before ? 0 : failures + 1;
                    if (failures >= options.TriesMax)
                    {
                        throw new BulkException($"{progress.At} could not be read: {failures} tries in a row brought nothing, the last one because {broken.Reason}.", broken.Cause);
                    }

                    await Task.Delay(PauseAfter(failures), time, cancellation);
                    break;
            }
        }
    }

    private TimeSpan PauseAfter(int failures)
    {
        TimeSpan pause = options.FirstPause * (1L << Math.Clamp(failures - 1, 0, 30));
        return pause < options.PauseMax ? pause : options.PauseMax;
    }

    private async Task<Outcome> Try(Progress progress, CancellationToken cancellation)
    {
        using var silence = new CancellationTokenSource(options.SilenceMax, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, silence.Token);
        try
        {
            using HttpRequestMessage request = Request(progress);
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                return new Outcome.Busy(PauseOf(response.Headers.RetryAfter));
            }

            if ((int)response.StatusCode >= 500)
            {
                return new Outcome.Broken($"it answered {(int)response.StatusCode}", null);
            }

            CheckAnswer(response, progress);
            await using Stream body = await response.Content.ReadAsStreamAsync(either.Token);
            byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
            try
            {
                int read;
                while ((read = await body.ReadAsync(block, either.Token)) > 0)
                {
                    silence.CancelAfter(options.SilenceMax);
                    await progress.Take(block.AsMemory(0, read), cancellation);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(block);
            }

            return progress.Done == progress.LengthBytes ? Outcome.All : new Outcome.Broken($"it ended after {progress.Done} of {progress.LengthBytes} bytes", null);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            return new Outcome.Broken($"nothing came for {options.SilenceMax.TotalSeconds} s", e);
        }
        catch (HttpRequestException e) when (e.InnerException is AuthenticationException)
        {
            throw new BulkException(
                $"{progress.At} is refused: its node has another join secret, or a certificate of another authority or for another host.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new Outcome.Broken($"of this: {e.Message.TrimEnd('.')}", e);
        }
    }

    private HttpRequestMessage Request(Progress progress)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, progress.At);
        if (progress.Done > 0)
        {
            request.Headers.Range = new RangeHeaderValue(progress.Done, null);
        }

        return request;
    }

    private TimeSpan PauseOf(RetryConditionHeaderValue? header)
    {
        TimeSpan pause = header?.Delta ?? (header?.Date is { } date ? date - time.GetUtcNow() : ComeAgainDefault);
        return pause < options.FirstPause ? options.FirstPause : pause > ComeAgainMax ? ComeAgainMax : pause;
    }

    /// <summary>Whether the body is what was asked for. An answer that no further try would change is an exception.</summary>
    private static void CheckAnswer(HttpResponseMessage response, Progress progress)
    {
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK:
                progress.Discard();
                break;
            case HttpStatusCode.PartialContent when response.Content.Headers.ContentRange?.From == progress.Done:
                break;
            case HttpStatusCode.NotFound:
                throw new BulkException($"{progress.At} is not, or no longer, on offer.");
            case HttpStatusCode.Forbidden:
                throw new BulkException($"{progress.At} refuses this node: it has another join secret, or believes other authorities.");
            default:
                throw new BulkException($"{progress.At} answered {(int)response.StatusCode} to a request for its bytes from {progress.Done} on.");
        }

        long left = progress.LengthBytes - progress.Done;
        if (response.Content.Headers.ContentLength is { } length && length != left)
        {
            throw new BulkException($"{progress.At} sends {length} bytes where {left} of {progress.LengthBytes} were left.");
        }
    }

    private abstract record Outcome
    {
        public static readonly Sent All = new();

        public sealed record Sent : Outcome;

        public sealed record Busy(TimeSpan Pause) : Outcome;

        public sealed record Broken(string Reason, Exception? Cause) : Outcome;
    }

    /// <summary>What has come so far, and its hash.</summary>
    private sealed class Progress(Uri at, long lengthBytes, Stream to, IncrementalHash sha)
    {
        public Uri At => at;

        public long LengthBytes => lengthBytes;

        public long Done { get; private set; }

        public async Task TakeUp(CancellationToken cancellation)
        {
            if (to.Length > lengthBytes)
            {
                return;
            }

            to.Position = 0;
            byte[] block = new byte[BlockBytes];
            int read;
            while ((read = await to.ReadAsync(block, cancellation)) > 0)
            {
                sha.AppendData(block, 0, read);
                Done += read;
            }
        }

        public async ValueTask Take(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
        {
            if (bytes.Length > lengthBytes - Done)
            {
                throw new BulkException($"{at} sends more than the {lengthBytes} bytes that were announced.");
            }

            to.Position = Done;
            await to.WriteAsync(bytes, cancellation);
            sha.AppendData(bytes.Span);
            Done += bytes.Length;
        }

        public void Discard()
        {
            Span<byte> hash = stackalloc byte[Digest.ByteLength];
            sha.GetHashAndReset(hash);
            Done = 0;
        }

        public Digest Finish()
        {
            Span<byte> hash = stackalloc byte[Digest.ByteLength];
            sha.GetHashAndReset(hash);
            return Digest.FromBytes(hash);
        }
    }
}
