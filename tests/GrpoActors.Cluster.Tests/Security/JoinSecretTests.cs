using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
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
        byte[] key = JoinSecret.Of("sixteen bytes, no less"u8, "a test").KeyFor("a purpose");
        Assert.Equal(key, JoinSecret.Read(file, _ => "another one of sixteen bytes")!.KeyFor("a purpose"));
        Assert.Equal(key, JoinSecret.Read("", _ => "sixteen bytes, no less\n")!.KeyFor("a purpose"));
        Assert.NotEqual(key, JoinSecret.Read(file, _ => null)!.KeyFor("another purpose"));
        File.Delete(file);
        Assert.Contains("cannot be read", Assert.Throws<SecurityMistakeException>(() => JoinSecret.Read(file, _ => null)).Message, StringComparison.Ordinal);
        Assert.Null(JoinSecret.Read(null, _ => null));
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("::")]
    [InlineData("node-1.example")]
    public async Task Without_a_secret_a_node_opens_to_this_machine_alone(string host)
    {
        string expected = $"The node is bound to {host}, where other machines reach it, without a join secret: set grpo.security.secret-file or GRPO_CLUSTER_SECRET, or bind to 127.0.0.1.";
        Assert.Equal(expected, Assert.Throws<SecurityMistakeException>(() => SecurityHocon.For(new NodeSecurity(null, null, null, true), host)).Message);
        SecurityMistakeException refused = await Assert.ThrowsAsync<SecurityMistakeException>(
            () => NodeServer.StartAsync(new NodeServerOptions(host), new NodeShelf(new NodeShelfOptions(), TimeProvider.System), secret: null, NullLoggerFactory.Instance));
        Assert.Equal(expected, refused.Message);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.9.9.9")]
    [InlineData("::1")]
    [InlineData("localhost")]
    public void Loopback_needs_no_secret_and_no_warning(string host)
    {
        Binding.RequireSecret(host, secret: null);
        Assert.Null(Binding.Warning(host, tls: false));
    }
}
