using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Configuration;
using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class AuthorityTests : IDisposable
{
    private const string Objection = "its certificate is not signed by one of grpo.security.authorities, or not valid today";
    private const string Password = "of the \"file\"";

    private readonly string folder = Directory.CreateTempSubdirectory("grpo-tls-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Nodes_with_certificates_of_one_authority_talk_and_need_no_secret()
    {
        NodeSecurity security = Read(MakeAuthority("ours"));
        await using RemoteNode a = RemoteNode.Start("a", security), b = RemoteNode.Start("b", security);
        Assert.Equal("akka.ssl.tcp", a.Address.Protocol);
        Assert.Equal("hello", await a.Ask(b.Address, "hello"));
        Assert.Equal("hello", await b.Ask(a.Address, "hello"));
        Assert.Empty(a.Log.Warnings);
    }

    [Fact]
    public async Task A_node_of_another_authority_gets_in_nowhere_is_named_once_on_both_sides_and_ends_nobody()
    {
        await using RemoteNode a = RemoteNode.Start("a", Read(MakeAuthority("ours"))), stranger = RemoteNode.Start("b", Read(MakeAuthority("theirs")));
        for (int i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<AskTimeoutException>(() => stranger.Ask(a.Address, "let me in", TimeSpan.FromMilliseconds(200)));
        }

        await stranger.Log.Line($"The connection to 127.0.0.1:{a.Port} failed: {Objection}. ");
        await a.Log.Line($"A connection with 127.0.0.1 was refused: {Objection}. ");
        Assert.Single(a.Log.Warnings);
        Assert.Single(stranger.Log.Warnings);
        Assert.False(a.System.WhenTerminated.IsCompleted || stranger.System.WhenTerminated.IsCompleted);
    }

    [Theory]
    [InlineData("theirs", Objection)]
    [InlineData(null, "it shows no certificate")]
    public async Task A_caller_with_a_certificate_of_another_authority_or_none_is_hung_up_on(string? authority, string reason)
    {
        NodeSecurity caller = authority is null ? NodeSecurity.None : Read(MakeAuthority(authority));
        await using RemoteNode a = RemoteNode.Start("a", Read(MakeAuthority("ours")));
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, a.Port);
        await using var tls = new SslStream(client.GetStream());
        using var answer = new MemoryStream();
        try
        {
            await tls.AuthenticateAsClientAsync(Peers.Tls(caller)).WaitAsync(TimeSpan.FromSeconds(60));
            await tls.CopyToAsync(answer).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (Exception refused) when (refused is IOException or AuthenticationException)
        {
            // in the handshake, or reset after it
        }

        Assert.Equal(0, answer.Length);
        await a.Log.Line($"A connection with 127.0.0.1 was refused: {reason}. ");
    }

    [Fact]
    public async Task Bytes_come_over_HTTP_from_a_server_of_our_authority_to_a_client_of_it()
    {
        NodeSecurity ours = Read(MakeAuthority("ours")), theirs = Read(MakeAuthority("theirs"));
        var shelf = new ContentStore(new ContentStoreOptions(), TimeProvider.System);
        await using NodeServer server = await NodeServer.StartAsync(new NodeServerOptions(), shelf, ours, NullLoggerFactory.Instance);
        Assert.Equal("https", server.Address.Scheme);
        ContentRef content = shelf.Put([1, 2, 3]);
        using (BulkClient client = Client(ours))
        {
            Assert.Equal([1, 2, 3], await client.GetAsync(content, default));
        }

        foreach (NodeSecurity stranger in (NodeSecurity[])[theirs, Peers.Sharing("sixteen bytes, no less")])
        {
            using BulkClient client = Client(stranger);
            BulkException refused = await Assert.ThrowsAsync<BulkException>(() => client.GetAsync(content, default));
            Assert.Equal(
                $"{content.At} is refused: its node has another join secret, or a certificate of another authority or for another host.",
                refused.Message);
        }

        using HttpClient believing = Peers.Http(theirs);
        Assert.Equal(HttpStatusCode.Forbidden, (await believing.GetAsync(content.At)).StatusCode);
    }

    [Fact]
    public void A_host_that_the_certificate_does_not_name_is_believed_only_where_that_is_set()
    {
        (string certificate, string authorities) = MakeAuthority("ours");
        NodeSecurity strict = Read((certificate, authorities)), lenient = Read((certificate, authorities), "check-host-name = off");
        const SslPolicyErrors Mismatch = SslPolicyErrors.RemoteCertificateNameMismatch;
        Assert.Equal("its certificate names another host", strict.Refusal(strict.Certificate, null, Mismatch));
        Assert.Null(lenient.Refusal(strict.Certificate, null, Mismatch));
        Assert.Equal("it shows no certificate", lenient.Refusal(null, null, default));
    }

    [Fact]
    public void A_certificate_that_has_run_out_is_refused()
    {
        NodeSecurity ours = Read(MakeAuthority("ours", validDays: -1));
        Assert.NotNull(ours.Refusal(ours.Certificate, null, default));
    }

    [Fact]
    public void A_mistake_is_said_in_a_sentence()
    {
        (string certificate, string authorities) = MakeAuthority("ours");
        Assert.Equal(
            "The environment variable PFX_PASSWORD (grpo.security.certificate-password-env) is not set.",
            Mistake(Hocon(certificate, authorities), password: null));
        string unreadable = Mistake(Hocon(certificate, authorities), "a wrong password that is long");
        Assert.StartsWith($"The certificate {certificate} (grpo.security.certificate) cannot be read: ", unreadable, StringComparison.Ordinal);
        const string OneAlone =
            "Of grpo.security.certificate and grpo.security.authorities one is set without the other: "
            + "name this node's certificate, and the authorities whose certificates are let in.";
        Assert.Equal(OneAlone, Mistake(Hocon(certificate, ""), Password));
        Assert.Equal(OneAlone, Mistake(Hocon("", authorities), Password));
        string both = Mistake(Hocon(certificate, authorities), Password, "sixteen bytes, no less");
        Assert.StartsWith("A join secret (grpo.security.secret-file or GRPO_CLUSTER_SECRET) and certificates ", both, StringComparison.Ordinal);
        File.WriteAllText(authorities, "nothing");
        Assert.Equal($"The file {authorities} (grpo.security.authorities) holds no certificate in PEM.", Mistake(Hocon(certificate, authorities), Password));
    }

    private static BulkClient Client(NodeSecurity security) =>
        new(new BulkClientOptions { Retries = new BulkClientOptions().Retries with { AttemptsMax = 1 } }, security, own: null, TimeProvider.System);

    private static string Mistake(string hocon, string? password, string? secret = null) => Assert.Throws<SecurityMistakeException>(() => NodeSecurity.Read(
        ConfigurationFactory.ParseString(hocon), variable => variable switch { "PFX_PASSWORD" => password, JoinSecret.Variable => secret, _ => null })).Message;

    private static string Hocon(string certificate, string authorities, string further = "") => $$"""
        grpo.security { certificate = "{{certificate}}", certificate-password-env = "PFX_PASSWORD", authorities = "{{authorities}}", {{further}} }
        """;

    private static NodeSecurity Read((string Certificate, string Authorities) files, string further = "") => NodeSecurity.Read(
        ConfigurationFactory.ParseString(Hocon(files.Certificate, files.Authorities, further)), variable => variable == "PFX_PASSWORD" ? Password : null);

    /// <summary>An authority and a certificate of its for 127.0.0.1, as files.</summary>
    private (string Certificate, string Authorities) MakeAuthority(string name, int validDays = 30)
    {
        DateTimeOffset from = TimeProvider.System.GetUtcNow().AddDays(-60), to = TimeProvider.System.GetUtcNow().AddDays(validDays);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest($"CN={name}", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority());
        using X509Certificate2 authority = authorityRequest.CreateSelfSigned(from, to);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=node", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 signed = request.Create(authority, from, to, [1, 2, 3, 4]);
        using X509Certificate2 own = signed.CopyWithPrivateKey(key);
        string certificate = Path.Combine(folder, $"{name}.pfx"), authorities = Path.Combine(folder, $"{name}.pem");
        File.WriteAllBytes(certificate, own.Export(X509ContentType.Pfx, Password));
        File.WriteAllText(authorities, authority.ExportCertificatePem());
        return (certificate, authorities);
    }
}
