using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Bulk;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class TlsTests : IDisposable
{
    private const string Password = "of the \"file\"";

    private readonly string folder = Directory.CreateTempSubdirectory("grpo-tls-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Nodes_with_certificates_of_one_authority_talk_and_a_plain_client_is_refused()
    {
        NodeSecurity security = Read(MakeAuthority("ours"));
        await using RemoteNode a = RemoteNode.Start("a", security), b = RemoteNode.Start("b", security);
        Assert.Equal(("akka.ssl.tcp", "akka.ssl.tcp"), (a.Address.Protocol, SecurityHocon.Scheme(security)));
        Assert.Equal("hello", await a.Ask(b.Address, "hello"));
        using var plain = new TcpClient();
        await plain.ConnectAsync(IPAddress.Loopback, a.Address.Port!.Value);
        await plain.GetStream().WriteAsync(FrameProxy.WithLength(LinkHandshake.Greeting(LinkHandshake.NewNonce())));
        using var answer = new MemoryStream();
        try
        {
            await plain.GetStream().CopyToAsync(answer).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (IOException)
        {
            // Reset: refused too.
        }

        // At most an alert of TLS; the answer to a greeting has 64 bytes and its length.
        Assert.InRange(answer.Length, 0, 32);
        Assert.Equal("still", await b.Ask(a.Address, "still"));
    }

    [Theory]
    [InlineData("ours", true)]
    [InlineData("theirs", false)]
    public async Task A_greeting_is_answered_only_where_the_certificate_is_of_our_authority(string authority, bool answered)
    {
        NodeSecurity ours = Read(MakeAuthority("ours")), caller = authority == "ours" ? ours : Read(MakeAuthority(authority));
        await using RemoteNode a = RemoteNode.Start("a", ours, "grpo.security.handshake-timeout = 1 s");
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, a.Address.Port!.Value);
        // It believes whomever it calls: whether it is believed itself is what is asked.
        await using var tls = new SslStream(client.GetStream(), leaveInnerStreamOpen: false, (_, _, _, _) => true);
        using var answer = new MemoryStream();
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "127.0.0.1", ClientCertificates = [caller.Certificate!] }).WaitAsync(TimeSpan.FromSeconds(60));
            await tls.WriteAsync(FrameProxy.WithLength(LinkHandshake.Greeting(LinkHandshake.NewNonce())));
            await tls.CopyToAsync(answer).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (Exception refused) when (refused is IOException or AuthenticationException)
        {
            // in the handshake, or reset after it
        }

        Assert.Equal(answered, answer.Length > 0);
    }

    [Fact]
    public async Task Bytes_come_over_https_from_a_server_whose_authority_is_known()
    {
        NodeSecurity security = Read(MakeAuthority("ours"));
        var shelf = new NodeShelf(new NodeShelfOptions(), TimeProvider.System);
        await using NodeServer server = await NodeServer.StartAsync(new NodeServerOptions { Certificate = security.Certificate }, shelf, security.Secret, NullLoggerFactory.Instance);
        Assert.Equal("https", server.Address.Scheme);
        ContentRef content = shelf.Put([1, 2, 3]);
        var time = new PassingTime(TimeSpan.FromSeconds(10)) { Now = TimeProvider.System.GetUtcNow() };
        using (var client = new BulkClient(new BulkClientOptions { Authorities = security.Authorities }, security.Secret, own: null, time))
        {
            Assert.Equal([1, 2, 3], await client.GetAsync(content, default));
        }

        using (var unknowing = new BulkClient(new BulkClientOptions(TriesMax: 1), security.Secret, own: null, time))
        {
            await Assert.ThrowsAsync<BulkException>(() => unknowing.GetAsync(content, default));
        }

        using (var misled = new BulkClient(new BulkClientOptions(TriesMax: 1) { Authorities = Read(MakeAuthority("theirs")).Authorities }, security.Secret, own: null, time))
        {
            await Assert.ThrowsAsync<BulkException>(() => misled.GetAsync(content, default));
        }

        using (var plain = new BulkClient(new BulkClientOptions(TriesMax: 1), security.Secret, own: null, time))
        {
            await Assert.ThrowsAsync<BulkException>(() => plain.GetAsync(content with { At = new UriBuilder(content.At) { Scheme = "http" }.Uri }, default));
        }
    }

    [Fact]
    public void A_host_that_the_certificate_does_not_name_is_believed_only_where_that_is_set()
    {
        NodeSecurity security = Read(MakeAuthority("ours"));
        const SslPolicyErrors Mismatch = SslPolicyErrors.RemoteCertificateNameMismatch;
        Assert.False(NodeCertificates.Trusted(security.Certificate, null, Mismatch, security.Authorities, checkHostName: true));
        Assert.True(NodeCertificates.Trusted(security.Certificate, null, Mismatch, security.Authorities, checkHostName: false));
        Assert.False(NodeCertificates.Trusted(null, null, default, security.Authorities, checkHostName: false));
    }

    [Fact]
    public void A_mistake_with_a_certificate_is_said_in_a_sentence()
    {
        (string certificate, string authorities) = MakeAuthority("ours");
        Assert.Equal(
            "The environment variable PFX_PASSWORD (grpo.security.certificate-password-env) is not set.",
            Assert.Throws<SecurityMistakeException>(() => NodeSecurity.Read(ConfigurationFactory.ParseString(Hocon(certificate, authorities)), _ => null)).Message);
        Assert.StartsWith($"The certificate {certificate} (grpo.security.certificate) cannot be read: ", Assert.Throws<SecurityMistakeException>(
            () => NodeSecurity.Read(ConfigurationFactory.ParseString(Hocon(certificate, authorities)), _ => "a wrong password that is long")).Message, StringComparison.Ordinal);
        File.WriteAllText(authorities, "nothing");
        Assert.Equal(
            $"The file {authorities} (grpo.security.authorities) holds no certificate in PEM.",
            Assert.Throws<SecurityMistakeException>(() => Read((certificate, authorities))).Message);
    }

    private static string Hocon(string certificate, string authorities) => $$"""
        grpo.security { certificate = "{{certificate}}", certificate-password-env = "PFX_PASSWORD", authorities = "{{authorities}}" }
        """;

    private static NodeSecurity Read((string Certificate, string Authorities) files) => NodeSecurity.Read(
        ConfigurationFactory.ParseString(Hocon(files.Certificate, files.Authorities)),
        variable => variable switch { "PFX_PASSWORD" => Password, JoinSecret.Variable => "sixteen bytes, no less", _ => null });

    /// <summary>An authority and a certificate of its for 127.0.0.1, as files.</summary>
    private (string Certificate, string Authorities) MakeAuthority(string name)
    {
        DateTimeOffset from = TimeProvider.System.GetUtcNow().AddDays(-1), to = from.AddDays(30);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest($"CN={name}", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
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
