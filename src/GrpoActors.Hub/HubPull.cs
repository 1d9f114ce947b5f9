using GrpoActors.Formats.Files;
using GrpoActors.Formats.Transfers;

namespace GrpoActors.Hub;

/// <summary>What of a pull is done: for a display.</summary>
public sealed record PullProgress(string File, long Bytes, long SizeBytes);

/// <summary>
/// Fetches a model from the Hub into the usual cache. A pull that was cut goes on where it ended; size and hash of every file are checked before
/// it gets its name; the revision is named last, so that what has a name is whole.
/// </summary>
public sealed class HubPull(HubClient hub, HubCache cache, RetryPolicy retries, TimeProvider time, Action<PullProgress>? progress = null)
{
    public static readonly RetryPolicy UsualRetries =
        new(AttemptsMax: 6, FirstPause: TimeSpan.FromSeconds(1), PauseMax: TimeSpan.FromSeconds(16), SilenceMax: TimeSpan.FromSeconds(60));

    private const string Incomplete = ".incomplete";
    private const long ProgressBytes = 8 << 20;

    // What a model is loaded from, and its terms. No pickled weights, no other frameworks' formats.
    private static readonly string[] Extensions = [".json", ".jinja", ".txt", ".model", ".md", ".safetensors"];

    /// <returns>The folder with the model's files.</returns>
    /// <exception cref="HubException">It is not there, access is refused, or the server keeps failing.</exception>
    /// <exception cref="StorageException">The cache cannot be written.</exception>
    public async Task<string> Pull(HubModel model, CancellationToken stop)
    {
        HubListing listing = await retries.WithRetries(
            silence => hub.List(model, silence.Token), bytes: () => 0, (attempts, last) => GivenUp($"{model}", attempts, last), time, stop);
        // config.json last: a folder without it is no model yet.
        HubFile[] files = [.. listing.Files.Where(IsWanted).OrderBy(file => file.Name == "config.json").ThenBy(file => file.Name, StringComparer.Ordinal)];
        if (files.All(file => file.Name != "config.json"))
        {
            throw new HubException($"{model}: has no config.json; it is no model that this program could load.", isMistake: true);
        }

        string folder = cache.SnapshotFolder(model.Owner, model.Name, listing.Commit);
        try
        {
            Directory.CreateDirectory(folder);
            foreach (HubFile file in files)
            {
                string blob = cache.Blob(model.Owner, model.Name, file.Hash);
                Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
                if (!await IsThere(blob, file.Content, stop))
                {
                    await Fetch(model, listing.Commit, file, blob, stop);
                }

                Link(Path.Combine(folder, file.Name), blob);
                progress?.Invoke(new PullProgress(file.Name, file.SizeBytes, file.SizeBytes));
            }

            Name(model, listing.Commit);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence($"keep {model}", folder, e);
        }

        return folder;
    }

    private static bool IsWanted(HubFile file) =>
        (Extensions.Contains(Path.GetExtension(file.Name).ToLowerInvariant()) || file.Name.StartsWith("LICENSE", StringComparison.OrdinalIgnoreCase))
        && !file.Name.StartsWith("consolidated", StringComparison.Ordinal); // the same weights once more, under other names

    private static async Task<bool> IsThere(string blob, AnnouncedContent content, CancellationToken stop)
    {
        if (!File.Exists(blob))
        {
            return false;
        }

        await using FileStream stream = File.OpenRead(blob);
        return stream.Length == content.LengthBytes && await content.Matches(stream, stop);
    }

    private async Task Fetch(HubModel model, string commit, HubFile file, string blob, CancellationToken stop)
    {
        string part = blob + Incomplete;
        FileStream to;
        try
        {
            to = new FileStream(part, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new HubException($"{part}: cannot be opened; is another process fetching {model}? ({DiskFailure.Reason(e)})", e);
        }

        string what = $"{file.Name} of {model}";
        long shown = 0;
        try
        {
            await using (to)
            {
                using var download = new ResumableDownload(file.Content, to, resume: true, retries, time)
                {
                    Open = (fromByte, stopped) => hub.Open(model, commit, file.Name, fromByte, stopped),
                    GivenUp = (attempts, last) => GivenUp(what, attempts, last),
                    WrongLength = (fromByte, announced) => new TransientException(announced is null
                        ? $"the server sends more than the {file.SizeBytes} bytes that the Hub's list says"
                        : $"the server announces {fromByte + announced} bytes, and the Hub's list says {file.SizeBytes}"),
                    WrongHash = _ => new HubException(
                        $"{what}: what arrives does not have the hash that the Hub states ({file.Hash}), twice. "
                        + "Nothing was kept; a proxy or mirror in between may be the cause."),
                    Progress = Show,
                };
                await download.Run(stop);
                to.Flush(flushToDisk: true);
            }
        }
        catch (HubException) when (new FileInfo(part).Length == 0)
        {
            File.Delete(part);
            throw;
        }

        File.Move(part, blob, overwrite: true);

        void Show(long bytes)
        {
            if (Math.Abs(bytes - shown) >= ProgressBytes)
            {
                shown = bytes;
                progress?.Invoke(new PullProgress(file.Name, bytes, file.SizeBytes));
            }
        }
    }

    private static HubException GivenUp(string what, int attempts, Exception last) =>
        new($"{what}: {Reason(last)}; given up after {attempts} attempts. The same command goes on where this one ended.", last);

    private static string Reason(Exception last) => last switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "the server's name is not known",
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "the server cannot be reached",
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => "no secure connection to the server can be made",
        HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } => "the proxy refuses the connection",
        HttpRequestException or HttpIOException => "the connection was lost",
        IOException => DiskFailure.Reason(last),
        _ => last.Message.TrimEnd('.'),
    };

    private static void Link(string link, string blob)
    {
        if (File.Exists(link))
        {
            return;
        }

        File.Delete(link); // a link to nothing
        try
        {
            File.CreateSymbolicLink(link, Path.GetRelativePath(Path.GetDirectoryName(link)!, blob));
        }
        catch (Exception e) when (OperatingSystem.IsWindows() && DiskFailure.Is(e))
        {
            File.Copy(blob, link); // links need a right that not every user has
        }
    }

    private void Name(HubModel model, string commit)
    {
        string reference = cache.Reference(model.Owner, model.Name, model.Revision);
        Directory.CreateDirectory(Path.GetDirectoryName(reference)!);
        File.WriteAllText(reference + Incomplete, commit);
        File.Move(reference + Incomplete, reference, overwrite: true);
    }
}
