using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using GrpoActors.Formats.Transfers;

namespace GrpoActors.Cluster.Bulk;

/// <param name="ContentBytesMax">A longer content is not asked for.</param>
internal sealed record BulkClientOptions(long ContentBytesMax = 1L << 30)
{
    public RetryPolicy Retries { get; init; } =
        new(AttemptsMax: 6, FirstPause: TimeSpan.FromMilliseconds(250), PauseMax: TimeSpan.FromSeconds(8), SilenceMax: TimeSpan.FromSeconds(15));
}

/// <summary>Brings bytes from other nodes and checks their hash. Thread-safe; one a process.</summary>
internal sealed class BulkClient : IDisposable
{
    private static readonly TimeSpan ComeAgainDefault = TimeSpan.FromSeconds(1), ComeAgainMax = TimeSpan.FromSeconds(30);

    private readonly BulkClientOptions options;
    private readonly ContentStore? own;
    private readonly TimeProvider time;
    private readonly HttpClient http;

    /// <param name="own">This process's store: what lies there is not asked for elsewhere.</param>
    public BulkClient(BulkClientOptions options, NodeSecurity security, ContentStore? own, TimeProvider time)
    {
        this.options = options;
        this.own = own;
        this.time = time;
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ConnectTimeout = options.Retries.SilenceMax };
        handler.SslOptions.ClientCertificateContext = security.CertificateContext;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, chain, errors) => security.Refusal(shown as X509Certificate2, chain, errors) is null;
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
        await DownloadAsync(content, to, cancellation);
        return bytes;
    }

    /// <summary>Writes a content into a stream, from its byte 0 on.</summary>
    /// <param name="to">Can seek; what it holds after a failure is not to be used.</param>
    /// <exception cref="BulkException">It cannot be had.</exception>
    public async Task DownloadAsync(ContentRef content, Stream to, CancellationToken cancellation)
    {
        (Uri at, Digest sha, long lengthBytes) = content;
        var announced = new AnnouncedContent(lengthBytes, sha.ToString(), () => IncrementalHash.CreateHash(HashAlgorithmName.SHA256));
        using var download = new ResumableDownload(announced, to, resume: false, options.Retries, time)
        {
            Open = (fromByte, stop) => Open(at, fromByte, stop),
            GivenUp = (tries, last) => new BulkException(last is TransientException { RetryAfter: not null }
                ? $"{at} has said for {options.Retries.BusyMax} that its node is busy."
                : $"{at} could not be read: {tries} tries in a row brought nothing, the last one because "
                    + $"{(last is TransientException ? "" : "of this: ")}{last.Message.TrimEnd('.')}.", last),
            WrongLength = (fromByte, sends) => new BulkException(sends is null
                ? $"{at} sends more than the {lengthBytes} bytes that were announced."
                : $"{at} sends {sends} bytes where {lengthBytes - fromByte} of {lengthBytes} were left."),
            WrongHash = found => new BulkException($"What {at} sent twice has the SHA-256 {found}, and {sha} was announced."),
        };
        await download.Run(cancellation);
    }

    public void Dispose() => http.Dispose();

    private async Task<HttpResponseMessage> Open(Uri at, long fromByte, CancellationToken stop)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, at);
        request.Headers.Range = fromByte > 0 ? new RangeHeaderValue(fromByte, null) : null;
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
        }
        catch (HttpRequestException e) when (e.InnerException is AuthenticationException)
        {
            throw new BulkException($"{at} is refused: its node has another join secret, or a certificate of another authority or for another host.", e);
        }

        if (response.StatusCode == HttpStatusCode.OK
            || (response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == fromByte))
        {
            return response;
        }

        using (response)
        {
            throw response.StatusCode switch
            {
                HttpStatusCode.ServiceUnavailable => new TransientException("its node is busy") { RetryAfter = PauseOf(response.Headers.RetryAfter) },
                >= HttpStatusCode.InternalServerError => new TransientException($"it answered {(int)response.StatusCode}"),
                HttpStatusCode.NotFound => new BulkException($"{at} is not, or no longer, on offer."),
                HttpStatusCode.Forbidden => new BulkException($"{at} refuses this node: it has another join secret, or believes other authorities."),
                _ => new BulkException($"{at} answered {(int)response.StatusCode} to a request for its bytes from {fromByte} on."),
            };
        }
    }

    private TimeSpan PauseOf(RetryConditionHeaderValue? header)
    {
        TimeSpan pause = header?.Delta ?? (header?.Date is { } date ? date - time.GetUtcNow() : ComeAgainDefault);
        return pause < options.Retries.FirstPause ? options.Retries.FirstPause : pause > ComeAgainMax ? ComeAgainMax : pause;
    }
}
