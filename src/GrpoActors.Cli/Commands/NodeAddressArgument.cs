using System.CommandLine;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Security;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;

namespace GrpoActors.Cli.Commands;

/// <summary>A node that a command asks over HTTP, with the trust that nodes have in each other: the join secret of the environment, or the certificates of a configuration file.</summary>
internal sealed class NodeAddressArgument
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Argument<string> node = new("HOST:PORT") { Description = "The node's address for HTTP (its --http-port; 4054 by default)." };
    private readonly Option<string?> config = new("--config") { Description = "HOCON file with grpo.security, as the nodes have it; GRPO_CLUSTER_SECRET in the environment is enough where they share a secret.", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        command.Add(node);
        command.Add(config);
    }

    public Task<string> GetAsync(ParseResult parsed, string path, CancellationToken stop) => Ask(parsed, HttpMethod.Get, path, stop);

    public Task<string> PostAsync(ParseResult parsed, string path, CancellationToken stop) => Ask(parsed, HttpMethod.Post, path, stop);

    private async Task<string> Ask(ParseResult parsed, HttpMethod method, string path, CancellationToken stop)
    {
        string address = parsed.GetRequiredValue(node);
        var errors = new List<ConfigError>();
        NodeSecurity security = NodeSecurity.Read(NodeHocon.Read(parsed.GetValue(config), errors), Environment.GetEnvironmentVariable);
        if (errors.Count > 0)
        {
            throw new ConfigException([.. errors]);
        }

        if (!Uri.TryCreate($"{(security.Certificate is null ? "http" : "https")}://{address}{path}", UriKind.Absolute, out Uri? at))
        {
            throw new MistakeException($"{address} is no address. Write HOST:PORT, for example 127.0.0.1:4054.");
        }

        using var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.ClientCertificateContext = security.CertificateContext;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, chain, problems) => security.Refusal(shown as X509Certificate2, chain, problems) is null;
        using var http = new HttpClient(handler) { Timeout = Patience };
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(new HttpRequestMessage(method, at), stop);
            string text = await answer.Content.ReadAsStringAsync(stop);
            return answer.IsSuccessStatusCode ? text
                : answer.StatusCode is HttpStatusCode.Forbidden ? throw new MistakeException($"{address} does not know this caller as one of its cluster: set {JoinSecret.Variable}, or name the nodes' configuration with --config.")
                : throw new StorageException($"{address} answered {(int)answer.StatusCode}: {text.Trim()}");
        }
        catch (HttpRequestException failed)
        {
            throw new StorageException($"No node answers at {address}: {failed.InnerException?.Message ?? failed.Message}", failed);
        }
        catch (TaskCanceledException slow) when (!stop.IsCancellationRequested)
        {
            throw new StorageException($"{address} has not answered within {Patience.TotalSeconds:0} s.", slow);
        }
    }
}
