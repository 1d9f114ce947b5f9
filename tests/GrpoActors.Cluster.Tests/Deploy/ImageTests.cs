using Akka.Configuration;
using Xunit;

namespace GrpoActors.Cluster.Tests.Deploy;

public sealed class ImageTests
{
    private static readonly string[] Lines = DeployFiles.Text("deploy/Dockerfile").Split('\n');

    [Fact]
    public void Whatever_is_copied_is_in_the_repository_and_let_through()
    {
        string[] let = [.. DeployFiles.Text("deploy/Dockerfile.dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..])];
        foreach (string source in Lines.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal)).SelectMany(line => line.Split(' ')[1..^1]))
        {
            Assert.True(Path.Exists(Path.Combine(DeployFiles.Root, source)), source);
            Assert.Contains(let, pattern => pattern == source || (pattern.Contains('*', StringComparison.Ordinal) && source.StartsWith(pattern.Split('*')[0], StringComparison.Ordinal)));
        }

        Assert.All(
            Lines.SelectMany(line => line.Split(' ')).Where(word => word.EndsWith(".csproj", StringComparison.Ordinal)),
            project => Assert.True(File.Exists(Path.Combine(DeployFiles.Root, project)), project));
    }

    [Fact]
    public void It_runs_as_nobody_in_particular_and_opens_the_nodes_ports()
    {
        Config reference = ConfigurationFactory.ParseString(DeployFiles.Text("hocon/reference.conf"));
        Assert.Contains("USER $APP_UID", Lines);
        Assert.Contains("STOPSIGNAL SIGTERM", Lines);
        Assert.Contains($"EXPOSE {reference.GetInt("grpo.node.port")} {reference.GetInt("grpo.node.http-port")}", Lines);
    }
}
