using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
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

    /// <summary>Weights sent at once; whoever asks for more is told to come again.</summary>
    public int BulkDownloadsMax { get; init; } = 4;

    /// <summary>Contents sent at once; they are small and waited for.</summary>
    public int ContentDownloadsMax { get; init; } = 64;

    public NodeReports Reports { get; init; } = NodeReports.None;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>The one HTTP server of a process: what is on its store, and what it tells whoever operates it.</summary>
/// <remarks>
/// <code>
/// /healthz/live   /healthz/ready   /metrics   /status             anyone: probes and Prometheus have no certificate to show
/// /contents/{sha256}   /weights/{version}                         bytes, by range too; for nodes of this cluster
/// POST /drain                                                     the node finishes what it holds and leaves; for nodes of this cluster
/// </code>
/// With TLS a client is asked for a certificate and need not have one; a node of this cluster is who shows one that <see cref="NodeSecurity"/> believes. Without TLS, on the loopback
/// interface alone, everyone is.
/// </remarks>
internal sealed class NodeServer : IAsyncDisposable
{
    private const string Bytes = "application/octet-stream";
    private static readonly TimeSpan ComeAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DrainMax = TimeSpan.FromSeconds(20);

    private readonly NodeServerOptions options;
    private readonly ContentStore store;
    private readonly bool tls;
    private readonly string advertisedHost;
    private readonly ILogger log;
    private readonly SemaphoreSlim bulkDownloads, contentDownloads;
    private readonly LogDeduplicator refusals;
    private readonly WebApplication app;
    private readonly MeterNumbers numbers;
    private long bytesServed, toldToComeAgain;

    private NodeServer(NodeServerOptions options, ContentStore store, NodeSecurity security, ILoggerFactory logs)
    {
        Binding.RequireTls(options.Host, security);
        this.options = options;
        this.store = store;
        advertisedHost = AdvertisedBy(options);
        tls = security.Certificate is not null;
        refusals = new LogDeduplicator(options.Time);
        log = logs.CreateLogger<NodeServer>();
        bulkDownloads = new SemaphoreSlim(options.BulkDownloadsMax);
        contentDownloads = new SemaphoreSlim(options.ContentDownloadsMax);
        app = Build(AddressOf(options.Host), options.Port, security);
        Instrument(options.Reports.Meter);
        numbers = new MeterNumbers(options.Reports.Meter);
        app.Run(Answer);
    }

    /// <summary>Ends in a slash; with the port that was really taken.</summary>
    public Uri Address => store.Address;

    /// <summary>Of answers that were sent whole.</summary>
    public long BytesServed => Interlocked.Read(ref bytesServed);

    /// <summary>Requests from whoever is no node of this cluster.</summary>
    public long Refused => refusals.Total;

    /// <exception cref="SecurityMistakeException">Open to other machines and plain, or a host that is no address.</exception>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<NodeServer> StartAsync(NodeServerOptions options, ContentStore store, NodeSecurity security, ILoggerFactory logs)
    {
        var server = new NodeServer(options, store, security, logs);
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
        store.Address = new UriBuilder(server.tls ? "https" : "http", server.advertisedHost, new Uri(bound).Port).Uri;
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
        numbers.Dispose();
        bulkDownloads.Dispose();
        contentDownloads.Dispose();
    }

    private static WebApplication Build(IPAddress address, int port, NodeSecurity security)
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
                if (security.CertificateContext is { } certificate)
                {
                    listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = connecting => ValueTask.FromResult(Tls(connecting, certificate, security)) });
                }
            });
        });
        return builder.Build();
    }

    /// <summary>Asks the client for its certificate, keeps what is to be said of it with the connection, and goes on whatever that is.</summary>
    private static SslServerAuthenticationOptions Tls(TlsHandshakeCallbackContext connecting, SslStreamCertificateContext certificate, NodeSecurity security) => new()
    {
        ServerCertificateContext = certificate,
        ClientCertificateRequired = true,
        RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
        {
            connecting.Connection.Features.Set(new Peer(security.Refusal(shown as X509Certificate2, chain, errors)));
            return true;
        },
    };

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
        bool reads = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        string path = PathOf(context);
        return (reads, path) switch
        {
            (true, "/healthz/live") => Say(context, StatusCodes.Status200OK, "live"),
            (true, "/healthz/ready") => Ready(context),
            (true, "/metrics") => Metrics(context),
            (true, "/status") => Results.Json(options.Reports.Status()).ExecuteAsync(context),
            _ when !IsNode(context) => Say(context, StatusCodes.Status403Forbidden, "This is for nodes of the cluster: show a certificate that they believe."),
            (true, _) => Bulk(context, BulkPath.Of(path)),
            (false, "/drain") when HttpMethods.IsPost(context.Request.Method) => Drain(context),
            (false, _) => ReadOnly(context),
        };
    }

    private Task Drain(HttpContext context)
    {
        options.Reports.Drain();
        return Say(context, StatusCodes.Status202Accepted, "The node drains: what it holds is finished or given back, then it leaves.");
    }

    private static Task ReadOnly(HttpContext context)
    {
        context.Response.Headers.Allow = "GET, HEAD";
        return Say(context, StatusCodes.Status405MethodNotAllowed, "Everything here is read.");
    }

    private Task Ready(HttpContext context)
    {
        ReadyReport report = options.Reports.Ready();
        return Say(context, report.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, report.Reason);
    }

    private Task Metrics(HttpContext context)
    {
        return Results.Text(MetricsText.Write(numbers.Read().Concat(ProcessNumbers.Now())), MetricsText.ContentType).ExecuteAsync(context);
    }

    private void Instrument(Meter meter)
    {
        meter.CreateObservableCounter("grpo.bulk.served", () => BytesServed, "By", "Bytes of weights and contents sent to other nodes.");
        meter.CreateObservableCounter("grpo.bulk.busy", () => Interlocked.Read(ref toldToComeAgain), "{download}", "Downloads that were told to come again.");
        meter.CreateObservableGauge("grpo.bulk.contents", () => store.ContentsBytes, "By", "Contents on the store.");
        meter.CreateObservableCounter("grpo.bulk.refused", () => Refused, "{request}", "Requests from whoever is no node of this cluster.");
    }

    private bool IsNode(HttpContext context)
    {
        // A connection of whose handshake nothing is known is none of a node.
        string? refusal = tls ? (context.Features.Get<Peer>() ?? Peer.Unknown).Refusal : null;
        IPAddress? address = context.Connection.RemoteIpAddress;
        string remote = (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString() ?? "an unknown address";
        if (refusal is not null && refusals.IsFirst(remote))
        {
            log.RequestRefused(remote, refusal);
        }

        return refusal is null;
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
            await found.ExecuteAsync(context);
            if (HttpMethods.IsGet(context.Request.Method) && context.Response.StatusCode < StatusCodes.Status300MultipleChoices)
            {
                Interlocked.Add(ref bytesServed, context.Response.ContentLength ?? 0);
            }
        }
        finally
        {
            downloads.Release();
        }
    }

    private IResult? Find(BulkPath? path) => path switch
    {
        BulkPath.Content content when store.TryGet(content.Sha256) is { } bytes =>
            Results.Bytes(bytes, Bytes, entityTag: TagOf(content.Sha256), enableRangeProcessing: true),
        BulkPath.Weights weights when store.TryGetWeights(weights.Version) is { } offered =>
            Results.Stream(
                new TensorBytesStream(offered.Bytes), Bytes, entityTag: TagOf(offered.Reference.Served!.Content.Sha256), enableRangeProcessing: true),
        _ => null,
    };

    /// <summary>As it was sent: nothing is unescaped or resolved, so no two spellings name one thing.</summary>
    private static string PathOf(HttpContext context) => context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?', 2)[0];

    private static EntityTagHeaderValue TagOf(Digest sha256) => new(new StringSegment($"\"{sha256}\""));

    private static Task Say(HttpContext context, int status, string sentence) => Results.Text(sentence + "\n", statusCode: status).ExecuteAsync(context);

    /// <summary>Who is at the other end of a connection.</summary>
    /// <param name="Refusal">Null: a node of this cluster.</param>
    private sealed record Peer(string? Refusal)
    {
        public static Peer Unknown { get; } = new("it shows no certificate");
    }

    /// <summary>The process starts and stops the server, and its signals are its own.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
