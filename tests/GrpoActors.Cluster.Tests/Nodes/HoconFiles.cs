using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace GrpoActors.Cluster.Tests.Nodes;

/// <summary>The files in <c>hocon/</c>.</summary>
internal static class HoconFiles
{
    public static Config Parse(string file) => ConfigurationFactory.ParseString(Text(file));

    public static IEnumerable<string> Keys(string file, string root)
    {
        Config config = Parse(file);
        return config.HasPath(root) ? Leaves(root, config.GetValue(root)) : [];
    }

    /// <summary>Paths of all values below one.</summary>
    public static IEnumerable<string> Leaves(string path, HoconValue value) =>
        value.IsObject() ? value.GetObject().Items.SelectMany(item => Leaves($"{path}.{(item.Key.Contains('.', StringComparison.Ordinal) ? $"\"{item.Key}\"" : item.Key)}", item.Value)) : [path];

    public static string Text(string file)
    {
        using Stream stream = typeof(HoconFiles).Assembly.GetManifestResourceStream(file) ?? throw new FileNotFoundException($"There is no {file}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
