using System.Collections.Immutable;

namespace GrpoActors.Core.Plans;

/// <summary>
/// A run as written: the run file with the environment's and the command line's values laid over it. Anything may be wrong with it;
/// <see cref="ToPlan"/> says what.
/// </summary>
/// <remarks>defaults &lt; run file &lt; environment <c>GRPO__phases__grpo__steps=3</c> &lt; <c>--set phases.grpo.steps=3</c>. Immutable.</remarks>
public sealed class RunOptions
{
    /// <summary>What the names of environment variables begin with; <c>__</c> stands for the dot.</summary>
    public const string EnvironmentPrefix = "GRPO__";

    private RunOptions(string name, string folder, string home, ConfigNode? root, ImmutableArray<ConfigError> errors)
    {
        Name = name;
        Folder = folder;
        Home = home;
        Root = root;
        Errors = errors;
    }

    /// <summary>The run file's name without folder and extension.</summary>
    public string Name { get; }

    /// <summary>The run file's folder, which its paths are relative to; empty: the current one.</summary>
    public string Folder { get; }

    /// <summary>What <c>~</c> at the beginning of a path stands for; empty: itself.</summary>
    public string Home { get; }

    internal ConfigNode? Root { get; }

    internal ImmutableArray<ConfigError> Errors { get; }

    /// <param name="json">Text of a run file: JSON, comments and trailing commas allowed.</param>
    /// <param name="path">Where it stands; names it in messages and gives its folder.</param>
    /// <param name="home">What <c>~</c> at the beginning of a path stands for; empty: itself.</param>
    public static RunOptions Parse(string json, string path = "run.json", string home = "")
    {
        var errors = new List<ConfigError>();
        ConfigNode? root = ConfigText.Parse(json, Path.GetFileName(path), errors);
        if (root is not (null or ConfigNode.Map))
        {
            errors.Add(new("", $"is {root.Shown}, where an object was expected.", "Write { \"model\": ..., \"phases\": [...], \"rewards\": [...] }.", root.Source));
            root = null;
        }

        return new RunOptions(Path.GetFileNameWithoutExtension(path), Path.GetDirectoryName(path) ?? "", home, root, [.. errors]);
    }

    /// <summary>One value more, which wins over all before it.</summary>
    /// <param name="key">With its path; phases and rewards by name: <c>phases.grpo.steps</c>.</param>
    /// <param name="value">JSON, or a text without quotes.</param>
    /// <param name="by">Named as the value's source.</param>
    public RunOptions With(string key, string value, string by = "--set") => With(key, value, new ValueSource(SourceKind.CommandLine, by));

    /// <summary>Lays the variables whose names begin with <see cref="EnvironmentPrefix"/> over this, in ordinal order; others are left alone.</summary>
    public RunOptions WithEnvironment(IEnumerable<KeyValuePair<string, string>> variables)
    {
        RunOptions options = this;
        foreach (var (variable, value) in variables.Where(pair => pair.Key.StartsWith(EnvironmentPrefix, StringComparison.Ordinal)).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            string key = variable[EnvironmentPrefix.Length..].Replace("__", ".").ToLowerInvariant();
            options = options.With(key, value, new ValueSource(SourceKind.Environment, variable));
        }

        return options;
    }

    /// <summary>Checks everything and fills every default. All mistakes are reported, not just the first.</summary>
    public PlanResult ToPlan(IPlanFacts facts) => new PlanReader(this, facts).Read();

    private RunOptions With(string key, string value, ValueSource source)
    {
        if (Root is null)
        {
            return this;
        }

        var errors = new List<ConfigError>(Errors);
        ConfigNode root = Root;
        if (key.Length == 0 || key.Split('.').Any(part => part.Length == 0))
        {
            errors.Add(new(key, "is no path of a setting.", "Write for example phases.grpo.steps=3.", source));
        }
        else
        {
            root = Lay(Root, key.Split('.'), 0, ConfigText.ParseValue(value, source), errors);
        }

        return new RunOptions(Name, Folder, Home, root, [.. errors]);
    }

    private static ConfigNode Lay(ConfigNode node, string[] path, int depth, ConfigNode value, List<ConfigError> errors)
    {
        if (depth == path.Length)
        {
            return value;
        }

        switch (node)
        {
            case ConfigNode.Map map:
                return map.With(path[depth], Lay(map[path[depth]] ?? new ConfigNode.Map([], value.Source), path, depth + 1, value, errors));
            case ConfigNode.List list:
                int index = Named(list, path[depth]);
                if (index >= 0)
                {
                    return list with { Items = list.Items.SetItem(index, Lay(list.Items[index], path, depth + 1, value, errors)) };
                }

                string[] names = [.. list.Items.Select(NameOf).OfType<string>()];
                string there = names.Length == 0 ? "it has no named ones" : $"there are {string.Join(", ", names)}";
                string fix = NearestName.Of(path[depth], names) is { } near ? $"Did you mean {near}?" : "Name one that the run file has.";
                errors.Add(new(string.Join('.', path), $"names \"{path[depth]}\", which {string.Join('.', path[..depth])} does not have; {there}.", fix, value.Source));
                return node;
            default:
                // A section that was null or absent begins here; a value in the way is overwritten, and what is missing then is reported.
                return Lay(new ConfigNode.Map([], value.Source), path, depth, value, errors);
        }
    }

    private static int Named(ConfigNode.List list, string name)
    {
        for (int i = 0; i < list.Items.Length; i++)
        {
            if (NameOf(list.Items[i]) == name)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>What an item of a list is addressed by: its name, or (a reward without one) its kind.</summary>
    internal static string? NameOf(ConfigNode node) =>
        node is ConfigNode.Map map && (map["name"] ?? map["kind"]) is ConfigNode.Scalar scalar ? scalar.Text : null;
}
