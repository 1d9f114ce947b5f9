using System.Collections.Immutable;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using GrpoActors.Core;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Transfers;

namespace GrpoActors.Hub;

/// <summary>A model on the Hub.</summary>
/// <param name="Revision">Branch, tag or commit.</param>
public sealed partial record HubModel(string Owner, string Name, string Revision = HubCache.DefaultRevision)
{
    /// <param name="text">OWNER/NAME or OWNER/NAME@REVISION.</param>
    /// <exception cref="HubException">It is neither.</exception>
    public static HubModel Parse(string text) => Form().Match(text) is { Success: true } match && !text.Contains("..", StringComparison.Ordinal)
        ? new HubModel(match.Groups["owner"].Value, match.Groups["name"].Value, match.Groups["revision"] is { Success: true } revision ? revision.Value : HubCache.DefaultRevision)
        : throw new HubException($"\"{text}\" is no model of the Hub. Write OWNER/NAME or OWNER/NAME@REVISION, for example HuggingFaceTB/SmolLM2-135M-Instruct.", isMistake: true);

    public override string ToString() => Revision == HubCache.DefaultRevision ? $"{Owner}/{Name}" : $"{Owner}/{Name}@{Revision}";

    [GeneratedRegex(@"\A(?<owner>[A-Za-z0-9][A-Za-z0-9._-]*)/(?<name>[A-Za-z0-9][A-Za-z0-9._-]*)(@(?<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Form();
}

/// <summary>What a revision consists of.</summary>
/// <param name="Commit">In hexadecimal.</param>
public sealed record HubListing(string Commit, ImmutableArray<HubFile> Files);

/// <param name="Hash">SHA-256 of the content for a file kept in LFS, else git's SHA-1 of the blob; in hexadecimal.</param>
public sealed record HubFile(string Name, long SizeBytes, string Hash, bool IsLfs)
{
    internal AnnouncedContent Content => new(SizeBytes, Hash, NewHash);

    private IncrementalHash NewHash()
    {
        // Git's name of a blob: no defence against forgery, and none is needed beyond https.
#pragma warning disable CA5350
        var hash = IncrementalHash.CreateHash(IsLfs ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        hash.AppendData(IsLfs ? [] : Encoding.ASCII.GetBytes($"blob {SizeBytes}\0"));
        return hash;
    }
}

/// <summary>The Hub does not answer as it should, or has not what was asked for. One sentence.</summary>
public sealed class HubException : StorageException
{
    public HubException(string message, bool isMistake = false)
        : base(message) => IsMistake = isMistake;

    public HubException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <summary>Asking again the same way cannot help.</summary>
    public bool IsMistake { get; }
}

/// <summary>The Hub's HTTP interface: what a revision holds, and its files from any byte on.</summary>
/// <remarks>The token goes to the endpoint's own origin only, never along a redirect to another, and never over plain HTTP beyond this machine.</remarks>
public sealed partial class HubClient : IDisposable
{
    public const string DefaultEndpoint = "https://huggingface.co";

    private const int RedirectsMax = 10;
    private const int ListingBytesMax = 16 << 20;

    private readonly HttpClient http;
    private readonly Uri endpoint;
    private readonly string? token;

    /// <param name="endpoint">HF_ENDPOINT.</param>
    /// <param name="token">HF_TOKEN; null for none.</param>
    /// <exception cref="HubException">The endpoint is no address, or a token would travel in the open.</exception>
    public HubClient(string endpoint, string? token, bool useProxy = true)
    {
        if (!Uri.TryCreate(endpoint.TrimEnd('/') + "/", UriKind.Absolute, out Uri? address) || address.Scheme is not ("https" or "http"))
        {
            throw new HubException($"HF_ENDPOINT is \"{endpoint}\", which is no address. Write for example {DefaultEndpoint}.", isMistake: true);
        }

        if (token is not null && address.Scheme == "http" && !address.IsLoopback)
        {
            throw new HubException($"HF_ENDPOINT is \"{endpoint}\", and HF_TOKEN would go there unencrypted. Use https, or unset HF_TOKEN.", isMistake: true);
        }

        this.endpoint = address;
        this.token = token;
        http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // a token must not follow to another origin
            AutomaticDecompression = DecompressionMethods.None, // sizes and hashes are of the bytes as stored
            ConnectTimeout = TimeSpan.FromSeconds(30),
            UseProxy = useProxy,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("grpo", typeof(HubClient).Assembly.GetName().Version?.ToString(3)));
    }

    public void Dispose() => http.Dispose();

    /// <summary>The top-level files of a revision.</summary>
    /// <exception cref="HubException">There is no such model or revision, access is refused, or the answer is none.</exception>
    public async Task<HubListing> List(HubModel model, CancellationToken stop)
    {
        using HttpResponseMessage response = await Get($"api/models/{model.Owner}/{model.Name}/revision/{Uri.EscapeDataString(model.Revision)}?blobs=true", 0, stop);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw Failed(response.StatusCode, $"{model}");
        }

        try
        {
            await response.Content.LoadIntoBufferAsync(ListingBytesMax, stop);
        }
        catch (HttpRequestException e)
        {
            throw e.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded
                ? new HubException($"The list of files that {endpoint.Host} gives is longer than {ListingBytesMax} bytes.")
                : new TransientException("the connection was lost", e);
        }

        return Listing(model, await response.Content.ReadAsByteArrayAsync(stop));
    }

    /// <summary>A file's content from a byte on (status 206), or from its beginning (200) where the server cannot, or will not, send the rest alone.</summary>
    /// <exception cref="HubException">Access is refused, or the file is not there.</exception>
    /// <exception cref="TransientException">The server fails: worth another attempt, as is a <see cref="HttpRequestException"/>.</exception>
    public async Task<HttpResponseMessage> Open(HubModel model, string commit, string file, long fromByte, CancellationToken stop)
    {
        HttpResponseMessage response = await Get($"{model.Owner}/{model.Name}/resolve/{commit}/{Uri.EscapeDataString(file)}", fromByte, stop);
        bool isOtherPart = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From != fromByte;
        if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent && !isOtherPart)
        {
            return response;
        }

        HttpStatusCode status = response.StatusCode;
        response.Dispose();
        return fromByte > 0 && (isOtherPart || status == HttpStatusCode.RequestedRangeNotSatisfiable) ? await Open(model, commit, file, 0, stop)
            : isOtherPart ? throw new TransientException("the server sends another part of the file than was asked for")
            : throw Failed(status, $"{file} of {model}");
    }

    private async Task<HttpResponseMessage> Get(string path, long fromByte, CancellationToken stop)
    {
        var at = new Uri(endpoint, path);
        for (int redirects = 0; redirects <= RedirectsMax; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, at);
            if (token is not null && SameOrigin(at))
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }

            if (fromByte > 0)
            {
                request.Headers.Range = new RangeHeaderValue(fromByte, null);
            }

            HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
            if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
            {
                return response;
            }

            Uri? next = response.Headers.Location;
            response.Dispose();
            at = next is null ? throw new HubException($"{at.GetLeftPart(UriPartial.Path)} redirects to nowhere.") : new Uri(at, next);
            if (at.Scheme is not ("https" or "http") || (at.Scheme == "http" && endpoint.Scheme == "https"))
            {
                throw new HubException($"The Hub redirects to {at.GetLeftPart(UriPartial.Authority)}, which is not https.");
            }
        }

        throw new HubException($"{endpoint}{path.Split('?')[0]} redirects more than {RedirectsMax} times.");
    }

    private bool SameOrigin(Uri at) => Uri.Compare(at, endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private Exception Failed(HttpStatusCode status, string what) => (int)status switch
    {
        >= 500 or 429 or 408 => new TransientException($"{endpoint.Host} answered {(int)status}"),
        401 or 403 => new HubException(
            $"{what}: {endpoint.Host} refuses access ({(int)status}). The model is private, gated or not there; " + (token is null
                ? "accept its terms on its page and set HF_TOKEN."
                : "HF_TOKEN does not open it: accept the terms on its page, or use another token."), isMistake: true),
        404 => new HubException($"{what}: is not on {endpoint.Host} (404). Check owner, name and revision.", isMistake: true),
        _ => new HubException($"{what}: {endpoint.Host} answered {(int)status}. Try again later."),
    };

    private HubListing Listing(HubModel model, byte[] json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            string commit = document.RootElement.GetProperty("sha").GetString() ?? "";
            var files = ImmutableArray.CreateBuilder<HubFile>();
            foreach (JsonElement file in document.RootElement.GetProperty("siblings").EnumerateArray())
            {
                string name = file.GetProperty("rfilename").GetString() ?? "";
                if (!PlainName().IsMatch(name))
                {
                    continue; // in a folder of its own: no part of what a model is loaded from
                }

                bool isLfs = file.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object;
                string hash = (isLfs ? lfs.GetProperty("sha256") : file.GetProperty("blobId")).GetString() ?? "";
                long size = (isLfs ? lfs : file).GetProperty("size").GetInt64();
                files.Add(Hexadecimal().IsMatch(hash) && hash.Length == (isLfs ? 64 : 40) && size >= 0
                    ? new HubFile(name, size, hash, isLfs)
                    : throw new FormatException($"{name} has hash '{hash}' and size {size}"));
            }

            return Hexadecimal().IsMatch(commit) ? new HubListing(commit, files.ToImmutable()) : throw new FormatException($"the commit is '{commit}'");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new HubException($"{model}: the answer of {endpoint.Host} is no list of a model's files ({Fault(e)}). Check HF_ENDPOINT.", e);
        }
    }

    private static string Fault(Exception e) => e switch
    {
        JsonException json => JsonFault.Words(json),
        FormatException own => own.Message,
        _ => "a value that each list has is missing, or of another type",
    };

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9_.+-]*\z")]
    private static partial Regex PlainName();

    [GeneratedRegex(@"\A[0-9a-f]{7,64}\z")]
    private static partial Regex Hexadecimal();
}
