using System.Text.RegularExpressions;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace GrpoActors.Cluster.Tests.Deploy;

public sealed partial class ComposeTests
{
    private static readonly YamlMappingNode File = DeployFiles.Documents("deploy/compose.yaml").Single();

    private static readonly (string Key, YamlNode Value)[] Nodes = [.. File.Entries("services").Where(service => service.Value.At("image")?.ToString() == "grpo")];

    [Fact]
    public void Every_role_has_a_service()
    {
        Assert.Equal(["coordinator", "generator", "scorer", "trainer"], Nodes.Select(node => node.Key).Order());
        Assert.All(Nodes, node => Assert.Contains($"--roles={node.Key}", node.Value.Items("command").Select(argument => argument.ToString())));
    }

    [Fact]
    public void All_nodes_join_through_the_same_seeds_which_are_services_that_advertise_their_names()
    {
        string[][] seeds = [.. Nodes.Select(node => node.Value.Items("command").Select(argument => argument.ToString()).Where(argument => argument.StartsWith("--seed=", StringComparison.Ordinal)).ToArray())];
        Assert.All(seeds, list => Assert.Equal(seeds[0], list));
        Assert.True(seeds[0].Length >= 2, "one seed alone, started again, begins a second cluster");
        foreach (string host in seeds[0].Select(seed => seed["--seed=".Length..].Split(':')[0]))
        {
            YamlNode service = Nodes.Single(node => node.Key == host).Value;
            Assert.Contains($"--advertised-host={host}", service.Items("command").Select(argument => argument.ToString()));
            Assert.Equal(host, service.Say("hostname"));
        }
    }

    [Fact]
    public void Whatever_a_service_names_is_there()
    {
        string[] services = [.. File.Entries("services").Select(service => service.Key)], secrets = [.. File.Entries("secrets").Select(secret => secret.Key)], volumes = [.. File.Entries("volumes").Select(volume => volume.Key)];
        foreach ((_, YamlNode service) in File.Entries("services"))
        {
            Assert.Subset(services.ToHashSet(), service.Entries("depends_on").Select(other => other.Key).ToHashSet());
            Assert.Subset(secrets.ToHashSet(), service.Items("secrets").Select(secret => secret.At("source")?.ToString() ?? secret.ToString()).ToHashSet());
            foreach (string source in service.Items("volumes").Select(volume => Variable().Replace(volume.ToString(), "$1").Split(':')[0]))
            {
                Assert.True(source.StartsWith('.') ? Path.Exists(Path.Combine(DeployFiles.Root, "deploy", source)) : volumes.Contains(source), source);
            }
        }
    }

    [Fact]
    public void The_journal_is_the_databases_and_only_who_reads_it_has_the_password()
    {
        YamlNode database = File.At("services/postgres")!;
        foreach ((string role, YamlNode node) in Nodes)
        {
            string? journal = node.Items("command").Select(argument => argument.ToString()).SingleOrDefault(argument => argument.StartsWith("--set=journal=", StringComparison.Ordinal));
            Assert.Equal(role is "coordinator" or "trainer", journal is not null);
            Assert.Equal(journal is not null, node.At("environment/PGPASSWORD") is not null);
            Assert.True(journal is null or "--set=journal=Host=postgres;Database=grpo;Username=grpo", journal);
        }

        Assert.Equal(("grpo", "grpo"), (database.Say("environment/POSTGRES_DB"), database.Say("environment/POSTGRES_USER")));
    }

    [Fact]
    public void Only_variables_that_somebody_reads_are_set() =>
        Assert.All(Nodes, node => Assert.Subset(DeployFiles.VariablesRead.ToHashSet(), node.Value.Entries("environment").Select(variable => variable.Key).ToHashSet()));

    [Fact]
    public void The_secret_lies_where_the_configuration_looks_for_it()
    {
        Akka.Configuration.Config config = Akka.Configuration.ConfigurationFactory.ParseString(DeployFiles.Text("hocon/cluster.conf"));
        Assert.Equal("/run/secrets/grpo_cluster_secret", config.GetString("grpo.security.secret-file"));
        Assert.All(Nodes, node => Assert.Contains(node.Value.Items("secrets"), secret => secret.Say("target") == "grpo_cluster_secret"));
        Assert.All(Nodes, node => Assert.Contains(node.Value.Items("volumes"), volume => volume.ToString() == "../hocon/cluster.conf:/etc/grpo/cluster.conf:ro"));
    }

    [Fact]
    public void A_node_is_given_longer_to_end_than_it_takes_to_drain() => Assert.All(Nodes, node =>
    {
        TimeSpan grace = TimeSpan.FromSeconds(int.Parse(node.Value.Say("stop_grace_period").TrimEnd('s')));
        Assert.True(grace > Akka.Configuration.ConfigurationFactory.ParseString(DeployFiles.Text("hocon/reference.conf")).GetTimeSpan("grpo.node.drain-max"));
        Assert.Equal("on-failure", node.Value.Say("restart"));
    });

    [Fact]
    public void A_health_check_knocks_at_the_port_that_is_open()
    {
        Akka.Configuration.Config reference = Akka.Configuration.ConfigurationFactory.ParseString(DeployFiles.Text("hocon/reference.conf"));
        foreach (string check in Nodes.Select(node => node.Value.At("healthcheck/test")!.ToString()).Append(DeployFiles.Text("deploy/Dockerfile")))
        {
            Assert.Contains($"/dev/tcp/127.0.0.1/{reference.GetInt("grpo.node.http-port")} ", check);
            Assert.Contains("echo 'no TLS' >&3 && cat <&3 ", check);
        }
    }

    /// <summary>${NAME:-usual} as the usual.</summary>
    [GeneratedRegex(@"\$\{\w+:-([^}]*)\}")]
    private static partial Regex Variable();
}
