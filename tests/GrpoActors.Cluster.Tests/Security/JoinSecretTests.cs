using System.Security.Cryptography.X509Certificates;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class JoinSecretTests
{
    [Fact]
    public void A_short_secret_is_refused_with_the_way_to_a_good_one() =>
        Assert.Equal(
            "The join secret in the environment variable GRPO_CLUSTER_SECRET has 15 bytes, and fewer than 16 can be guessed: make one with 'openssl rand -base64 32'.",
            Assert.Throws<SecurityMistakeException>(() => JoinSecret.Read(null, _ => "fifteen letters")).Message);

    [Fact]
    public void The_file_goes_before_the_environment_and_its_last_line_end_is_no_part_of_the_secret()
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, "sixteen bytes, no less\r\n");
        byte[] key = JoinSecret.Of("sixteen bytes, no less"u8, "a test").Derive("a purpose", 32);
        Assert.Equal(key, JoinSecret.Read(file, _ => "another one of sixteen bytes")!.Derive("a purpose", 32));
        Assert.Equal(key, JoinSecret.Read("", _ => "sixteen bytes, no less\n")!.Derive("a purpose", 32));
        Assert.NotEqual(key, JoinSecret.Read(file, _ => null)!.Derive("another purpose", 32));
        File.Delete(file);
        Assert.Contains("cannot be read", Assert.Throws<SecurityMistakeException>(() => JoinSecret.Read(file, _ => null)).Message, StringComparison.Ordinal);
        Assert.Null(JoinSecret.Read(null, _ => null));
    }

    /// <summary>Or nodes of two releases would not believe each other.</summary>
    [Fact]
    public void The_key_that_is_made_from_a_secret_stays_the_same_for_ever()
    {
        using X509Certificate2 certificate = SecretCertificate.Of(JoinSecret.Of("sixteen bytes, no less"u8, "a test"));
        Assert.Equal(
            "0fb87405ab5e86034e2bf55091a3f1427b85a6db1ea73a2f81851139a48f39b8",
            Digest.Of(certificate.PublicKey.ExportSubjectPublicKeyInfo()).ToString());
    }

    [Fact]
    public void Two_certificates_of_one_secret_differ_and_are_pinned_to_each_other_and_to_no_other_secret_s()
    {
        var secret = JoinSecret.Of("sixteen bytes, no less"u8, "a test");
        using X509Certificate2 one = SecretCertificate.Of(secret), two = SecretCertificate.Of(secret);
        using X509Certificate2 other = SecretCertificate.Of(JoinSecret.Of("sixteen bytes, no more"u8, "a test"));
        Assert.NotEqual(one.Thumbprint, two.Thumbprint);
        Assert.True(one.HasPrivateKey && SecretCertificate.IsPinned(one, two));
        Assert.False(SecretCertificate.IsPinned(one, other));
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("::")]
    [InlineData("node-1.example")]
    public async Task Without_a_secret_a_node_opens_to_this_machine_alone(string host)
    {
        string expected = $"The node is bound to {host}, where other machines reach it, without a join secret: "
            + "set grpo.security.secret-file or GRPO_CLUSTER_SECRET, or bind to 127.0.0.1.";
        var shelf = new ContentStore(new ContentStoreOptions(), TimeProvider.System);
        Assert.Equal(expected, Assert.Throws<SecurityMistakeException>(() => SecurityHocon.For(NodeSecurity.None, host)).Message);
        SecurityMistakeException refused = await Assert.ThrowsAsync<SecurityMistakeException>(
            () => NodeServer.StartAsync(new NodeServerOptions(host), shelf, NodeSecurity.None, NullLoggerFactory.Instance));
        Assert.Equal(expected, refused.Message);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.9.9.9")]
    [InlineData("::1")]
    [InlineData("localhost")]
    public void Loopback_needs_no_secret(string host) => Binding.RequireTls(host, NodeSecurity.None);
}
