using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using GrpoActors.Formats.Files;

namespace GrpoActors.Hub;

/// <summary>How stubbornly a pull goes on.</summary>
/// <param name="AttemptsMax">Failures in a row, without one new byte, after which it gives up.</param>
/// <param name="Pause">Before the second attempt; doubles with each further one.</param>
/// <param name="IdleMax">A connection that is silent for longer has failed.</param>
public sealed record PullPatience(int AttemptsMax, TimeSpan Pause, TimeSpan IdleMax)
{
    public static PullPatience Usual { get; } = new(6, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
}

/// <summary>What of a pull is done: for a display.</summary>
public sealed record PullProgress(string File, long Bytes, long SizeBytes);

/// <summary>
/// Fetches a model from the Hub into the usual cache. A pull that was cut goes on where it ended; size and hash of every file are checked before
/// it gets its name; the revision is named last, so that what has a name is whole.
/// </summary>
public sealed class HubPull(HubClient hub, HubCache cache, PullPatience patience, TimeProvider time, Action<PullProgress>? progress = null)
{
    private const string Incomplete = ".incomplete";
    private const long ProgressBytes = 8 << 20;

    // What a model is loaded from, and its terms. No pickled weights, no other frameworks' formats.
    private static readonly string[] Extensions = [".json", ".jinja", ".txt", ".model", ".md", ".safetensors"];

    /// <returns>The folder with the model's files.</returns>
    /// <exception cref="HubException">It is not there, access is refused, or the server keeps failing.</exception>
    /// <exception cref="StorageException">The cache cannot be written.</exception>
    public async Task<string> Pull(HubModel model, CancellationToken stop)
    {
        HubListing listing = await Patiently(() => Unsilent(idle => hub.List(model, idle.Token), stop), () => 0, $"{model}", stop);
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
                if (!IsThere(blob, file))
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

    private static bool IsThere(string blob, HubFile file) => File.Exists(blob) && new FileInfo(blob).Length == file.SizeBytes && HashOf(blob, file) == file.Hash;

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
            throw new HubException($"{part}: cannot be opened; is another process fetching {model}? ({e.Message.TrimEnd('.')})", e);
        }

        await using (to)
        {
            for (int whole = 0; ; whole++)
            {
                await Patiently(() => Unsilent(idle => Receive(model, commit, file, to, idle), stop), () => to.Length, $"{file.Name} of {model}", stop);
                to.Flush(flushToDisk: true);
                if (HashOf(to, file) == file.Hash)
                {
                    break;
                }

                to.SetLength(0); // a resumed file may have begun wrong; a second whole one may not
                if (whole > 0)
                {
                    to.Close();
                    File.Delete(part);
                    throw new HubException($"{file.Name} of {model}: what arrives does not have the hash that the Hub states ({file.Hash}), twice. Nothing was kept; a proxy or mirror in between may be the cause.");
                }
            }
        }

        File.Move(part, blob, overwrite: true);
    }

    /// <summary>Appends what is missing.</summary>
    private async Task<bool> Receive(HubModel model, string commit, HubFile file, FileStream to, CancellationTokenSource idle)
    {
        if (to.Length > file.SizeBytes)
        {
            to.SetLength(0);
        }

        if (to.Length == file.SizeBytes && file.SizeBytes > 0)
        {
            return true;
        }

        using HttpResponseMessage response = await hub.Open(model, commit, file.Name, to.Length, idle.Token);
        if (response.StatusCode != HttpStatusCode.PartialContent || response.Content.Headers.ContentRange?.From != to.Length)
        {
            to.SetLength(0); // the server begins again
        }

        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            throw new HttpRequestException("the server refuses the rest of the file");
        }

        if (response.StatusCode == HttpStatusCode.PartialContent && to.Length == 0)
        {
            throw new HttpRequestException("the server sends another part of the file than was asked for");
        }

        await Append(response, file, to, idle);
        return to.Length == file.SizeBytes ? true : throw new HttpRequestException($"the connection ended after {to.Length} of {file.SizeBytes} bytes");
    }

    private async Task Append(HttpResponseMessage response, HubFile file, FileStream to, CancellationTokenSource idle)
    {
        if (response.Content.Headers.ContentLength is { } announced && to.Length + announced != file.SizeBytes)
        {
            throw new HttpRequestException($"the server announces {to.Length + announced} bytes, and the Hub's list says {file.SizeBytes}");
        }

        await using Stream body = await response.Content.ReadAsStreamAsync(idle.Token);
        byte[] buffer = new byte[1 << 17];
        to.Seek(0, SeekOrigin.End);
        long shown = to.Length;
        int read;
        while ((read = await Next(body, buffer, file, to, idle.Token)) > 0)
        {
            idle.CancelAfter(patience.IdleMax);
            if (to.Position + read > file.SizeBytes)
            {
                to.SetLength(0);
                throw new HttpRequestException($"the server sends more than the {file.SizeBytes} bytes that the Hub's list says");
            }

            await to.WriteAsync(buffer.AsMemory(0, read), CancellationToken.None);
            if (to.Position - shown >= ProgressBytes)
            {
                shown = to.Position;
                progress?.Invoke(new PullProgress(file.Name, shown, file.SizeBytes));
            }
        }

        to.Flush();
    }

    /// <summary>Gives one attempt up when the other side is silent for too long; whoever hears from it renews the time.</summary>
    private async Task<T> Unsilent<T>(Func<CancellationTokenSource, Task<T>> attempt, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(patience.IdleMax, time);
        using CancellationTokenRegistration asked = stop.Register(limit.Cancel);
        try
        {
            return await attempt(limit);
        }
        catch (OperationCanceledException silent) when (!stop.IsCancellationRequested)
        {
            throw new HttpRequestException($"the server was silent for {patience.IdleMax.TotalSeconds:0.###} s", silent);
        }
    }

    // The disk's failures are IOExceptions too: those of the connection are told apart here.
    private static async Task<int> Next(Stream body, byte[] buffer, HubFile file, FileStream to, CancellationToken stop)
    {
        try
        {
            return await body.ReadAsync(buffer, stop);
        }
        catch (IOException lost)
        {
            throw new HttpRequestException($"the connection was lost after {to.Position} of {file.SizeBytes} bytes", lost);
        }
    }

    /// <summary>Tries again what a network or server may have spoilt; every new byte renews the patience.</summary>
    private async Task<T> Patiently<T>(Func<Task<T>> attempt, Func<long> bytes, string what, CancellationToken stop)
    {
        TimeSpan pause = patience.Pause;
        int failures = 0;
        while (true)
        {
            long before = bytes();
            try
            {
                return await attempt();
            }
            catch (Exception failure) when (failure is HttpRequestException)
            {
                failures = bytes() > before ? 1 : failures + 1;
                if (failures >= patience.AttemptsMax)
                {
                    throw new HubException(string.Create(CultureInfo.InvariantCulture, $"{what}: {failure.Message.TrimEnd('.')}; given up after {failures} attempts. The same command goes on where this one ended."), failure);
                }

                pause = failures == 1 ? patience.Pause : pause * 2;
                await Task.Delay(pause, time, stop);
            }
        }
    }

    private static string HashOf(string path, HubFile file)
    {
        using FileStream stream = File.OpenRead(path);
        return HashOf(stream, file);
    }

    private static string HashOf(FileStream stream, HubFile file)
    {
        stream.Position = 0;
        if (file.IsLfs)
        {
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }

        // Git's name of a blob: no defence against forgery, and none is needed beyond https.
#pragma warning disable CA5350
        using var sha1 = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        sha1.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        byte[] buffer = new byte[1 << 16];
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            sha1.AppendData(buffer, 0, read);
        }

        return Convert.ToHexStringLower(sha1.GetHashAndReset());
    }

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
