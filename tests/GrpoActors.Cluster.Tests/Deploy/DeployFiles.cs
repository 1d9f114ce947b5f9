using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;

namespace GrpoActors.Cluster.Tests.Deploy;

/// <summary>The files in <c>deploy/</c> as they lie in the repository.</summary>
internal static class DeployFiles
{
    /// <summary>What a node's process may find in its environment and reads: the join secret, the database's password, the runtime's own switches.</summary>
    public static readonly string[] VariablesRead = ["GRPO_CLUSTER_SECRET", "PGPASSWORD", "PGPASSFILE"];

    public static string Root { get; } = FindRoot();

    public static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The documents of a YAML file, with anchors and merges put in.</summary>
    public static IReadOnlyList<YamlMappingNode> Documents(string path)
    {
        using var reader = new StringReader(Text(path));
        var stream = new YamlStream();
        stream.Load(new MergingParser(new Parser(reader)));
        return [.. stream.Documents.Select(document => (YamlMappingNode)document.RootNode)];
    }

    public static IEnumerable<string> KubernetesFiles() => Directory.EnumerateFiles(Path.Combine(Root, "deploy/k8s"), "*.yaml").Select(file => Path.GetRelativePath(Root, file));

    public static YamlNode? At(this YamlNode node, string path)
    {
        YamlNode? at = node;
        foreach (string step in path.Split('/'))
        {
            at = at is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(step), out YamlNode? next) ? next : null;
        }

        return at;
    }

    public static string Say(this YamlNode node, string path) => node.At(path)?.ToString() ?? throw new KeyNotFoundException($"There is no {path}.");

    public static IEnumerable<YamlNode> Items(this YamlNode node, string path) => node.At(path) is YamlSequenceNode list ? list.Children : [];

    public static IEnumerable<(string Key, YamlNode Value)> Entries(this YamlNode node, string path) =>
        node.At(path) is YamlMappingNode map ? map.Children.Select(entry => (entry.Key.ToString(), entry.Value)) : [];

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "GrpoActors.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("The tests do not lie in the repository.");
    }
}
