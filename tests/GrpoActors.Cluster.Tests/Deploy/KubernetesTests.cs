using System.Globalization;
using System.Net;
using Akka.Configuration;
using GrpoActors.Actors;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace GrpoActors.Cluster.Tests.Deploy;

public sealed class KubernetesTests
{
    private static readonly YamlMappingNode[] All = [.. DeployFiles.KubernetesFiles().SelectMany(DeployFiles.Documents)];

    private static readonly YamlMappingNode[] Workloads = [.. All.Where(o => o.Say("kind") is "StatefulSet" or "Deployment")];

    private static readonly Config Reference = ConfigurationFactory.ParseString(DeployFiles.Text("hocon/reference.conf"));

    [Fact]
    public void Every_file_is_in_the_kustomization_and_every_object_in_the_namespace()
    {
        YamlMappingNode kustomization = All.Single(o => o.Say("kind") == "Kustomization");
        Assert.Equal(
            DeployFiles.KubernetesFiles().Select(Path.GetFileName).Where(file => file != "kustomization.yaml").Order(StringComparer.Ordinal),
            kustomization.Items("resources").Select(file => file.ToString()).Order(StringComparer.Ordinal));
        Assert.All(All.Where(o => o.Say("kind") is not ("Kustomization" or "Namespace")), o => Assert.Equal("grpo", o.Say("metadata/namespace")));
    }

    [Fact]
    public void Every_role_is_run_by_one_workload_and_has_a_disruption_budget()
    {
        string[] roles = ["coordinator", "generator", "scorer", "trainer"];
        Assert.Equal(roles, Workloads.Select(workload => Arguments(workload).Single(argument => argument.StartsWith("--roles=", StringComparison.Ordinal))["--roles=".Length..]).Order());
        Assert.Equal(roles, All.Where(o => o.Say("kind") == "PodDisruptionBudget").Select(budget => budget.Entries("spec/selector/matchLabels").Single(label => label.Key == "app.kubernetes.io/component").Value.ToString()).Order());
        Assert.All(Workloads, workload => Assert.Equal(
            workload.At("spec/selector/matchLabels")!.ToString(), workload.At("spec/template/metadata/labels")!.ToString()));
    }

    [Fact]
    public void Ports_and_names_are_those_that_nodes_use()
    {
        YamlMappingNode service = All.Single(o => o.Say("kind") == "Service");
        string[] ports = [$"messages={Reference.GetInt("grpo.node.port")}", $"http={Reference.GetInt("grpo.node.http-port")}"];
        Assert.Equal(ports, service.Items("spec/ports").Select(port => $"{port.Say("name")}={port.Say("port")}"));
        foreach (YamlMappingNode workload in Workloads)
        {
            Assert.Equal(ports, Container(workload).Items("ports").Select(port => $"{port.Say("name")}={port.Say("containerPort")}"));
            Assert.All(
                Arguments(workload).Where(argument => argument.StartsWith("--seed=", StringComparison.Ordinal)),
                seed => Assert.Contains(Workloads, other => other.At("spec/serviceName")?.ToString() == service.Say("metadata/name")
                    && seed == $"--seed={other.Say("metadata/name")}-0.{service.Say("metadata/name")}:{Reference.GetInt("grpo.node.port")}"
                    && Arguments(other).Contains($"--advertised-host=$(POD_NAME).{service.Say("metadata/name")}")));
            Assert.True(Arguments(workload).Count(argument => argument.StartsWith("--seed=", StringComparison.Ordinal)) >= 2, "one seed alone, started again, begins a second cluster");
        }
    }

    [Fact]
    public async Task Probes_ask_for_paths_that_a_node_answers_to_anyone()
    {
        var shelf = new ContentStore(new ContentStoreOptions(), TimeProvider.System);
        await using NodeServer server = await NodeServer.StartAsync(new NodeServerOptions(), shelf, Peers.Sharing("sixteen bytes, no less"), NullLoggerFactory.Instance);
        using HttpClient http = Peers.Http(NodeSecurity.None);
        http.BaseAddress = server.Address;
        Assert.All(Workloads.SelectMany(Probes), probe => Assert.Equal(server.Address.Scheme, probe.Say("httpGet/scheme").ToLowerInvariant()));
        Assert.All(Workloads, workload => Assert.Equal(server.Address.Scheme, Annotation(workload, "prometheus.io/scheme")));
        string[] paths =
        [
            .. Workloads.SelectMany(Probes).Select(probe => probe.Say("httpGet/path")),
            .. Workloads.Select(workload => Annotation(workload, "prometheus.io/path")),
        ];
        foreach (string path in paths.Distinct(StringComparer.Ordinal))
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri(path, UriKind.Relative));
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable, $"{path}: {answer.StatusCode}");
        }
    }

    [Fact]
    public void Every_variable_is_used_in_the_arguments_or_read_by_the_program() => Assert.All(Workloads, workload =>
    {
        string arguments = string.Join(' ', Arguments(workload));
        string[] set = [.. Container(workload).Items("env").Select(variable => variable.Say("name"))];
        Assert.All(set, variable => Assert.True(DeployFiles.VariablesRead.Contains(variable) || arguments.Contains($"$({variable})", StringComparison.Ordinal), variable));
        Assert.Equal(arguments.Contains("$(POD_IP)", StringComparison.Ordinal), set.Contains("POD_IP"));
    });

    [Fact]
    public void Secrets_and_configuration_are_mounted_from_objects_that_are_there_to_where_the_program_looks()
    {
        YamlMappingNode map = All.Single(o => o.Say("kind") == "ConfigMap"), secret = All.Single(o => o.Say("kind") == "Secret");
        Config config = ConfigurationFactory.ParseString(map.Say("data/cluster.conf"));
        string secretFile = config.GetString("grpo.security.secret-file");
        foreach (YamlMappingNode workload in Workloads)
        {
            YamlNode[] volumes = [.. workload.Items("spec/template/spec/volumes")], mounts = [.. Container(workload).Items("volumeMounts")];
            YamlNode item = volumes.Single(volume => volume.At("secret") is not null).Items("secret/items").Single();
            Assert.Contains(item.Say("key"), secret.Entries("stringData").Select(entry => entry.Key));
            Assert.Equal(secretFile, $"{mounts.Single(mount => mount.Say("name") == "secret").Say("mountPath")}/{item.Say("path")}");
            Assert.Equal(map.Say("metadata/name"), volumes.Single(volume => volume.At("configMap") is not null).Say("configMap/name"));
            string etc = mounts.Single(mount => mount.Say("name") == "config").Say("mountPath");
            Assert.Equal(["node", $"{etc}/run.json", $"--config={etc}/cluster.conf"], Arguments(workload)[..3]);
            Assert.All(
                Container(workload).Items("env").Where(variable => variable.At("valueFrom/secretKeyRef") is not null),
                variable => Assert.Contains(variable.Say("valueFrom/secretKeyRef/key"), secret.Entries("stringData").Select(entry => entry.Key)));
            string[] known = [.. volumes.Select(volume => volume.Say("name")), .. workload.Items("spec/volumeClaimTemplates").Select(claim => claim.Say("metadata/name"))];
            Assert.All(mounts, mount => Assert.Contains(mount.Say("name"), known));
        }
    }

    [Fact]
    public void The_templates_secret_is_refused_until_it_is_replaced()
    {
        YamlMappingNode secret = All.Single(o => o.Say("kind") == "Secret");
        Assert.Throws<SecurityMistakeException>(() => JoinSecret.Of(System.Text.Encoding.UTF8.GetBytes(secret.Say("stringData/cluster-secret")), "the template"));
    }

    [Fact]
    public void The_run_file_is_the_recipe_and_passes_the_programs_checks()
    {
        string text = All.Single(o => o.Say("kind") == "ConfigMap").Say("data/run.json").Replace("/opt/grpo/recipes", Path.Combine(DeployFiles.Root, "recipes"), StringComparison.Ordinal);
        string file = Path.Combine(Directory.CreateTempSubdirectory("grpo-deploy-").FullName, "run.json");
        File.WriteAllText(file, text);
        try
        {
            Assert.Empty(GrpoRun.Check(file).Errors);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }

    [Fact]
    public void A_node_may_write_only_where_it_keeps_its_run_and_has_time_to_drain() => Assert.All(Workloads, workload =>
    {
        YamlNode container = Container(workload);
        Assert.Equal(("true", "false"), (container.Say("securityContext/readOnlyRootFilesystem"), container.Say("securityContext/allowPrivilegeEscalation")));
        Assert.Equal("true", workload.Say("spec/template/spec/securityContext/runAsNonRoot"));
        string folder = Arguments(workload).Single(argument => argument.StartsWith("--folder=", StringComparison.Ordinal))["--folder=".Length..];
        Assert.Contains(container.Items("volumeMounts"), mount => mount.At("readOnly") is null && folder.StartsWith(mount.Say("mountPath") + "/", StringComparison.Ordinal));
        Assert.True(TimeSpan.FromSeconds(int.Parse(workload.Say("spec/template/spec/terminationGracePeriodSeconds"), CultureInfo.InvariantCulture)) > Reference.GetTimeSpan("grpo.node.drain-max"));
    });

    private static YamlNode Container(YamlMappingNode workload) => workload.Items("spec/template/spec/containers").Single();

    private static IEnumerable<YamlNode> Probes(YamlMappingNode workload) => new[] { "startupProbe", "livenessProbe", "readinessProbe" }.Select(probe => Container(workload).At(probe)!);

    private static string Annotation(YamlMappingNode workload, string key) =>
        workload.Entries("spec/template/metadata/annotations").Single(annotation => annotation.Key == key).Value.ToString();

    private static string[] Arguments(YamlMappingNode workload) => [.. Container(workload).Items("args").Select(argument => argument.ToString())];
}
