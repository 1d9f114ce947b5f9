using System.Diagnostics;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace GrpoActors.Cluster.Bulk;

/// <param name="Host">An address of this machine, or localhost.</param>
/// <param name="Port">0: any that is free.</param>
internal sealed record NodeServerOptions(string Host = "127.0.0.1", int Port = 0)
{
    /// <summary>How other nodes call this machine; null: as <see cref="Host"/>.</summary>
    public string? AdvertisedHost { get; init; }

    /// <summary>With its private key: the server speaks https alone. Null: http.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>Weights and checkpoint files sent at once; whoever asks for more is told to come again.</summary>
    public int BulkDownloadsMax { get; init; } = 4;

    /// <summary>Contents sent at once; they are small and waited for.</summary>
    public int ContentDownloadsMax { get; init; } = 64;

    public NodeReports Reports { get; init; } = NodeReports.None;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>The one HTTP server of a process: what is on its shelf, and what it tells whoever operates it.</summary>
/// <remarks>
/// <code>
/// /contents/{sha256}   /weights/{version}   /checkpoints/{step-000200}/{file}     bytes, by range too; with the join secret's signature
/// /status                                                                         the same, or from this machine alone
/// /healthz/live   /healthz/ready   /metrics                                       anyone
/// </code>
/// </remarks>
internal sealed class NodeServer : IAsyncDisposable
{
    private const string Bytes = "application/octet-stream";
    private static readonly TimeSpan ComeAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DrainMax = TimeSpan.FromSeconds(20);

    private readonly NodeServerOptions options;
    private readonly NodeShelf shelf;
    private readonly RequestSignature? signature;
    private readonly string advertisedHost;
    private readonly ILogger log;
    private readonly SemaphoreSlim bulkDownloads, contentDownloads;
    private readonly OncePerAddress refusals = new();
    private readonly WebApplication app;
    private long bytesServed, toldToComeAgain;

    private NodeServer(NodeServerOptions options, NodeShelf shelf, JoinSecret? secret, ILoggerFactory logs)
    {
        Binding.RequireSecret(options.Host, secret);
        this.options = options;
        this.shelf = shelf;
        advertisedHost = AdvertisedBy(options);
        signature = secret is null ? null : new RequestSignature(secret, options.Time);
        log = logs.CreateLogger<NodeServer>();
        bulkDownloads = new SemaphoreSlim(options.BulkDownloadsMax);
        contentDownloads = new SemaphoreSlim(options.ContentDownloadsMax);
        app = Build(AddressOf(options.Host), options.Port, options.Certificate);
        app.Run(Answer);
    }

    /// <summary>Ends in a slash; with the port that was really taken.</summary>
    public Uri Address => shelf.Address;

    /// <summary>Of answers that were sent whole.</summary>
    public long BytesServed => Interlocked.Read(ref bytesServed);

    /// <summary>Requests without a good signature.</summary>
    public long Refused => refusals.Refused;

    /// <exception cref="SecurityMistakeException">Open to other machines without a join secret, or a host that is no address.</exception>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<NodeServer> StartAsync(NodeServerOptions options, NodeShelf shelf, JoinSecret? secret, ILoggerFactory logs)
    {
        var server = new NodeServer(options, shelf, secret, logs);
        try
        {
            await server.app.StartAsync();
        }
        catch
        {
            await server.app.DisposeAsync();
            throw;
        }

        string bound = server.app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        shelf.Address = new UriBuilder(options.Certificate is null ? "http" : "https", server.advertisedHost, new Uri(bound).Port).Uri;
        if (Binding.Warning(options.Host, options.Certificate is not null) is { } warning)
        {
            server.log.LogWarning("{Warning}", warning);
        }

        return server;
    }

    /// <summary>Takes no more requests; those that have begun go on for up to 20 s.</summary>
    public async Task StopAsync()
    {
        using var drain = new CancellationTokenSource(DrainMax, options.Time);
        await app.StopAsync(drain.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await app.DisposeAsync();
        bulkDownloads.Dispose();
        contentDownloads.Dispose();
    }

    private static WebApplication Build(IPAddress address, int port, X509Certificate2? certificate)
    {
        // Empty: no settings from the environment or from files, no log of its own, no hands on the process's signals.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Listen(address, port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (certificate is not null)
                {
                    listen.UseHttps(certificate);
                }
            });
        });
        return builder.Build();
    }

    private static IPAddress AddressOf(string host) => host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host, out IPAddress? address) ? address
        : throw new SecurityMistakeException($"The node cannot be bound to '{host}': give an address of this machine, 127.0.0.1 or 0.0.0.0, and its name as the advertised host.");

    private static string AdvertisedBy(NodeServerOptions options)
    {
        string host = options.AdvertisedHost ?? options.Host;
        return IPAddress.TryParse(host, out IPAddress? address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            ? throw new SecurityMistakeException($"Other nodes cannot call {host}: give this node's name or address as the advertised host.")
            : host;
    }

    private Task Answer(HttpContext context)
    {
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return Say(context, StatusCodes.Status405MethodNotAllowed, "Everything here is read.");
        }

        string path = PathOf(context);
        return path switch
        {
            "/healthz/live" => Say(context, StatusCodes.Status200OK, "live"),
            "/healthz/ready" => Ready(context),
            "/metrics" => Metrics(context),
            "/status" => Permitted(context, openHere: Binding.IsLoopback(options.Host)) ? Results.Json(options.Reports.Status()).ExecuteAsync(context) : Refuse(context),
            _ => Permitted(context, openHere: false) ? Bulk(context, BulkPath.Of(path)) : Refuse(context),
        };
    }

    private Task Ready(HttpContext context)
    {
        ReadyReport report = options.Reports.Ready();
        return Say(context, report.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, report.Reason);
    }

    private Task Metrics(HttpContext context)
    {
        IEnumerable<(string, string, double)> own =
        [
            ("grpo.bulk.served.bytes.total", "Bytes of weights, contents and checkpoints sent to other nodes.", BytesServed),
            ("grpo.bulk.busy.total", "Downloads that were told to come again.", Interlocked.Read(ref toldToComeAgain)),
            ("grpo.bulk.contents.bytes", "Contents on the shelf.", shelf.ContentsBytes),
            ("grpo.bulk.refused.total", "Requests without a good signature.", Refused),
        ];
        return Results.Text(MetricsText.Write(options.Reports.Numbers().Concat(own).Concat(ProcessNumbers.Now())), MetricsText.ContentType).ExecuteAsync(context);
    }

    private bool Permitted(HttpContext context, bool openHere)
    {
        if (signature is null || openHere)
        {
            return true;
        }

        string? refusal = signature.Refusal(context.Request.Method, PathOf(context), context.Request.Headers.Authorization);
        IPAddress? address = context.Connection.RemoteIpAddress;
        string remote = (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString() ?? "an unknown address";
        if (refusal is not null && refusals.First(remote))
        {
            log.LogWarning("A request from {Remote} was refused: {Refusal}. More of them are counted, not logged.", remote, refusal);
        }

        return refusal is null;
    }

    private static Task Refuse(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = RequestSignature.Scheme;
        return Say(context, StatusCodes.Status401Unauthorized, "This needs the cluster's join secret.");
    }

    private async Task Bulk(HttpContext context, BulkPath? path)
    {
        if (Find(path) is not { } found)
        {
            await Say(context, StatusCodes.Status404NotFound, "Not on offer here.");
            return;
        }

        SemaphoreSlim downloads = path is BulkPath.Content ? contentDownloads : bulkDownloads;
        if (!downloads.Wait(0))
        {
            Interlocked.Increment(ref toldToComeAgain);
            context.Response.Headers.RetryAfter = ((int)ComeAgain.TotalSeconds).ToString();
            await Say(context, StatusCodes.Status503ServiceUnavailable, "As many downloads as this node allows are under way.");
            return;
        }

        try
        {
            await found().ExecuteAsync(context);
            if (HttpMethods.IsGet(context.Request.Method) && context.Response.StatusCode < StatusCodes.Status300MultipleChoices)
            {
                Interlocked.Add(ref bytesServed, context.Response.ContentLength ?? 0);
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Retired between the look and the opening.
            await Say(context, StatusCodes.Status404NotFound, "Not on offer here.");
        }
        finally
        {
            downloads.Release();
        }
    }

    private Func<IResult>? Find(BulkPath? path)
    {
        switch (path)
        {
            case BulkPath.Content content when shelf.TryGet(content.Sha256) is { } bytes:
                return () => Results.Bytes(bytes, Bytes, entityTag: TagOf(content.Sha256.ToString()), enableRangeProcessing: true);
            case BulkPath.Weights weights when shelf.TryGetWeights(weights.Version) is { } offered:
                return () => Results.Stream(new TensorBytesStream(offered.Bytes), Bytes, entityTag: TagOf(offered.Reference.Sha256.ToString()), enableRangeProcessing: true);
            case BulkPath.Checkpoint checkpoint when shelf.CheckpointFolder is { } folder:
                var inFolder = new DirectoryInfo(checkpoint.Folder is null ? folder : Path.Combine(folder, checkpoint.Folder));
                var file = new FileInfo(Path.Combine(inFolder.FullName, checkpoint.File));
                // A link would lead out of the folder.
                return file.Exists && file.LinkTarget is null && inFolder.LinkTarget is null
                    ? () => Results.Stream(file.OpenRead(), Bytes, enableRangeProcessing: true)
                    : null;
            default:
                return null;
        }
    }

    /// <summary>As it was sent: nothing is unescaped or resolved, so what is signed and what is looked for are the same characters.</summary>
    private static string PathOf(HttpContext context) => context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?', 2)[0];

    private static EntityTagHeaderValue TagOf(string tag) => new(new StringSegment($"\"{tag}\""));

    private static Task Say(HttpContext context, int status, string sentence) => Results.Text(sentence + "\n", statusCode: status).ExecuteAsync(context);

    /// <summary>The process starts and stops the server, and its signals are its own.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
