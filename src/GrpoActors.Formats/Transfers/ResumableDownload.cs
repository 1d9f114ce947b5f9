using System.Buffers;
using System.Net;
using System.Security.Cryptography;

namespace GrpoActors.Formats.Transfers;

/// <summary>What is to be downloaded.</summary>
/// <param name="Hash">In lower-case hexadecimal.</param>
/// <param name="NewHash">Becomes <paramref name="Hash"/> once all bytes are appended.</param>
public sealed record AnnouncedContent(long LengthBytes, string Hash, Func<IncrementalHash> NewHash)
{
    public async Task<bool> Matches(Stream from, CancellationToken stop)
    {
        using IncrementalHash hash = await HashOf(from, stop);
        return from.Position == LengthBytes && Hex(hash) == Hash;
    }

    internal static string Hex(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetCurrentHash());

    internal async Task<IncrementalHash> HashOf(Stream from, CancellationToken stop)
    {
        IncrementalHash hash = NewHash();
        byte[] block = new byte[ResumableDownload.BlockBytes];
        from.Position = 0;
        int read;
        while ((read = await from.ReadAsync(block, stop)) > 0)
        {
            hash.AppendData(block, 0, read);
        }

        return hash;
    }
}

/// <summary>Brings a content into a stream, across lost connections. What is asked of which server, and how failures are told, is the caller's.</summary>
/// <param name="to">Can seek; what it holds after a failure is not to be used, except to resume.</param>
/// <param name="resume">The stream is a file's: the download goes on at its end, or cuts it where what it holds is no good. Else byte 0 is the first.</param>
/// <remarks>
/// <code>
/// attempt --bytes--> broken off --> pause --> attempt from that byte on (range)     until AttemptsMax in a row bring nothing: GivenUp
///         --busy--> pause as long as the server says --> attempt                    until BusyMax: GivenUp
///         --all bytes--> hash as announced: done      not so: all is thrown away and asked for once more, then WrongHash
/// </code>
/// </remarks>
public sealed class ResumableDownload(AnnouncedContent content, Stream to, bool resume, RetryPolicy retries, TimeProvider time) : IDisposable
{
    internal const int BlockBytes = 1 << 17;

    private IncrementalHash hash = content.NewHash();
    private long bytes;

    /// <summary>Asks for the bytes from this one on: the answer is 206 with them, or 200 with all. <see cref="TransientException"/>: is tried again.</summary>
    public required Func<long, CancellationToken, Task<HttpResponseMessage>> Open { get; init; }

    /// <summary>After so many failures, of which this is the last.</summary>
    public required Func<int, Exception, Exception> GivenUp { get; init; }

    /// <summary>From this byte on so many are announced; null: more came than should. <see cref="TransientException"/>: is tried again.</summary>
    public required Func<long, long?, Exception> WrongLength { get; init; }

    /// <summary>The content came twice, the last time with this hash.</summary>
    public required Func<string, Exception> WrongHash { get; init; }

    /// <summary>So many bytes are there.</summary>
    public Action<long> Progress { get; init; } = _ => { };

    public async Task Run(CancellationToken stop)
    {
        if (resume && to.Length <= content.LengthBytes)
        {
            hash.Dispose();
            hash = await content.HashOf(to, stop);
            bytes = to.Position;
        }
        else
        {
            Discard();
        }

        for (int whole = 1; ; whole++)
        {
            string found = await retries.WithRetries(Receive, () => bytes, GivenUp, time, stop);
            if (found == content.Hash)
            {
                return;
            }

            Discard();
            if (whole == 2)
            {
                throw WrongHash(found);
            }
        }
    }

    public void Dispose() => hash.Dispose();

    /// <returns>The hash of all bytes.</returns>
    private async Task<string> Receive(CancellationTokenSource silence)
    {
        if (bytes < content.LengthBytes)
        {
            using HttpResponseMessage response = await Open(bytes, silence.Token);
            long from = response.StatusCode == HttpStatusCode.PartialContent ? bytes : 0;
            if (response.Content.Headers.ContentLength is { } announced && announced != content.LengthBytes - from)
            {
                throw WrongLength(from, announced);
            }

            if (from < bytes)
            {
                Discard();
            }

            await using Stream body = await response.Content.ReadAsStreamAsync(silence.Token);
            await Receive(body, silence);
        }

        return AnnouncedContent.Hex(hash);
    }

    private async Task Receive(Stream body, CancellationTokenSource silence)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        int read;
        to.Position = bytes;
        while ((read = await Next()) > 0)
        {
            silence.CancelAfter(retries.SilenceMax);
            if (read > content.LengthBytes - bytes)
            {
                Discard();
                throw WrongLength(bytes, null);
            }

            await to.WriteAsync(block.AsMemory(0, read), CancellationToken.None);
            hash.AppendData(block, 0, read);
            bytes += read;
            Progress(bytes);
        }

        ArrayPool<byte>.Shared.Return(block);
        if (bytes < content.LengthBytes)
        {
            throw new TransientException($"the connection ended after {bytes} of {content.LengthBytes} bytes");
        }

        async Task<int> Next()
        {
            try
            {
                return await body.ReadAsync(block, silence.Token);
            }
            catch (IOException lost) // told apart from the disk's failures, which are IOExceptions too
            {
                throw new TransientException($"the connection was lost after {bytes} of {content.LengthBytes} bytes", lost);
            }
        }
    }

    private void Discard()
    {
        hash.Dispose();
        hash = content.NewHash();
        bytes = 0;
        if (resume)
        {
            to.SetLength(0);
        }
    }
}
