using System.CommandLine;
using System.Text.Json;
using System.Text.RegularExpressions;
using GrpoActors.Cli;
using GrpoActors.Cli.Commands;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Operations;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace GrpoActors.Cluster.Tests.Deploy;

/// <summary>What is written outside of the program about its options, ports and metrics, held to the program.</summary>
public sealed partial class CommandLineTests
{
    private static readonly Command Run = NodeCommand.Build(new Signals(TextWriter.Null));

    public static TheoryData<string, string[]> Commands()
    {
        var commands = new TheoryData<string, string[]>();
        foreach ((string name, YamlNode service) in DeployFiles.Documents("deploy/compose.yaml").Single().Entries("services").Where(service => service.Value.At("command") is not null))
        {
            commands.Add($"compose {name}", [.. service.Items("command").Select(argument => Usual().Replace(argument.ToString(), "$1"))]);
        }

        foreach (YamlMappingNode workload in DeployFiles.KubernetesFiles().SelectMany(DeployFiles.Documents).Where(o => o.Say("kind") is "StatefulSet" or "Deployment"))
        {
            commands.Add($"k8s {workload.Say("metadata/name")}", [.. workload.Items("spec/template/spec/containers").Single().Items("args").Select(argument => argument.ToString().Replace("$(POD_NAME)", "pod", StringComparison.Ordinal).Replace("$(POD_IP)", "10.0.0.1", StringComparison.Ordinal))]);
        }

        string unit = DeployFiles.Text("deploy/systemd/grpo-node@.service").Split('\n').Single(line => line.StartsWith("ExecStart=", StringComparison.Ordinal)).Replace("%i", "c1", StringComparison.Ordinal);
        foreach (string line in new[] { "cluster.env.example", "node.env.example" }.SelectMany(file => DeployFiles.Text($"deploy/systemd/{file}").Split('\n')).Where(line => line.Contains('=', StringComparison.Ordinal) && !line.StartsWith('#')))
        {
            string[] set = line.Split('=', 2);
            unit = unit.Replace($"${{{set[0]}}}", set[1], StringComparison.Ordinal).Replace($"${set[0]}", set[1], StringComparison.Ordinal);
        }

        commands.Add("systemd", unit.Split(' ')[1..]);
        string image = DeployFiles.Text("deploy/Dockerfile").Split('\n').Single(line => line.StartsWith("CMD ", StringComparison.Ordinal))["CMD ".Length..];
        commands.Add("image", JsonSerializer.Deserialize<string[]>(image)!);
        return commands;
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void The_program_takes_every_command_line_in_deploy(string where, string[] arguments)
    {
        Assert.Equal("node", arguments[0]);
        ParseResult parsed = new RootCommand { Run }.Parse(arguments);
        Assert.True(parsed.Errors.Count == 0, $"{where}: {string.Join("; ", parsed.Errors)}");
        Assert.All(arguments[1..], argument => Assert.DoesNotContain("$", argument, StringComparison.Ordinal));
    }

    [Fact]
    public void The_page_names_every_option_and_no_other()
    {
        string page = DeployFiles.Text("docs/cluster.md");
        string table = page[page.IndexOf("| option |", StringComparison.Ordinal)..];
        table = table[..table.IndexOf("\n\n", StringComparison.Ordinal)];
        string[] told = [.. Option().Matches(table).Select(match => match.Value).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(Run.Options.Select(option => option.Name).Where(name => name is not "--help" and not "--version").Order(StringComparer.Ordinal), told);
    }

    [Fact]
    public void Roles_in_the_reference_are_the_programs() =>
        Assert.Equal(NodeRoles.All, Akka.Configuration.ConfigurationFactory.ParseString(DeployFiles.Text("hocon/reference.conf")).GetStringList("grpo.node.roles"));

    [Theory]
    [InlineData("deploy/grafana/grpo-cluster.json")]
    [InlineData("docs/cluster.md")]
    public void Only_metrics_that_a_node_gives_are_shown(string file)
    {
        string[] given =
        [
            .. Operations.ObservabilityTests.Instruments().Select(MeterNumbers.NameOf).SelectMany(name => (string[])[name, $"{name}_sum", $"{name}_count"]),
            .. ProcessNumbers.Now().Select(number => number.Name),
        ];
        string[] shown = [.. Shown().Matches(DeployFiles.Text(file)).Select(match => match.Value).Distinct().Where(name => name is not "grpo_cluster_secret")];
        Assert.NotEmpty(shown);
        Assert.Empty(shown.Except(given));
    }

    [Fact]
    public void The_dashboard_is_a_dashboard()
    {
        using JsonDocument dashboard = JsonDocument.Parse(DeployFiles.Text("deploy/grafana/grpo-cluster.json"));
        JsonElement[] panels = [.. dashboard.RootElement.GetProperty("panels").EnumerateArray()];
        Assert.All(panels, panel => Assert.NotEmpty(panel.GetProperty("targets")[0].GetProperty("expr").GetString()!));
        Assert.Equal(panels.Length, panels.Select(panel => panel.GetProperty("id").GetInt32()).Distinct().Count());
    }

    [GeneratedRegex(@"\$\{\w+:-([^}]*)\}")]
    private static partial Regex Usual();

    [GeneratedRegex(@"--[a-z][a-z-]*(?=[ `,])")]
    private static partial Regex Option();

    [GeneratedRegex(@"\bgrpo(_[a-z]+)+\b")]
    private static partial Regex Shown();
}
