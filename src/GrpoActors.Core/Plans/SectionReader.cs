using System.Collections.Immutable;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Plans;

/// <summary>What is collected while a run file is read.</summary>
internal sealed class Findings
{
    public List<ConfigError> Errors { get; } = [];

    public List<SettingValue> Values { get; } = [];

    public Dialect Dialect { get; set; }
}

/// <summary>Reads one object of a run file by the tables of <see cref="RunSchema"/>. A wrong value is reported and replaced by a harmless one, so that reading goes on.</summary>
internal sealed class SectionReader
{
    private readonly ConfigNode.Map _map;
    private readonly Findings _findings;
    private readonly ImmutableArray<Section> _sections;
    private readonly HashSet<Setting> _bad = [];

    /// <param name="path">Of the object; empty for the top.</param>
    /// <param name="node">What stands there; null: nothing.</param>
    /// <param name="sections">The settings that may stand there.</param>
    /// <param name="elsewhere">Settings that may stand in objects of another kind, for a better message.</param>
    public SectionReader(string path, ConfigNode? node, Findings findings, ImmutableArray<Section> sections, params Section[] elsewhere)
    {
        Path = path;
        _findings = findings;
        _sections = sections;
        _map = node as ConfigNode.Map ?? new ConfigNode.Map([], node?.Source ?? ValueSource.Default);
        if (node is not (null or ConfigNode.Map) && !node.IsNull)
        {
            Add(new(path, $"is {node.Shown}, where an object was expected.", "Write { ... }.", node.Source));
        }

        foreach (var (key, value) in _map.Members)
        {
            Setting? setting = sections.Select(section => section[key]).FirstOrDefault(known => known is not null);
            if (setting is null)
            {
                Add(Unknown(key, value, elsewhere));
            }
            else if (setting.Synonym == key && _map[setting.Key] is { } same && same.Source.Kind == value.Source.Kind)
            {
                Wrong(setting, $"is also given as {key}.", "Keep one of them.");
            }
        }
    }

    public string Path { get; }

    public ValueSource Source => _map.Source;

    public bool Has(Setting setting) => Node(setting) is not null;

    public ConfigNode? Node(Setting setting)
    {
        ConfigNode? node = _map[setting.Key], synonym = setting.Synonym is { } other ? _map[other] : null;
        node = node is null || synonym?.Source.Kind > node.Source.Kind ? synonym : node; // the later layer wins, whichever name it uses
        return node is { IsNull: false } ? node : null;
    }

    public ValueSource SourceOf(Setting setting) => Node(setting)?.Source ?? ValueSource.Default;

    public string KeyOf(Setting setting) => Path.Length == 0 ? setting.Key : $"{Path}.{setting.Key}";

    /// <summary>None of them was reported as wrong: checks between settings make sense.</summary>
    public bool Sound(params Setting[] settings) => !settings.Any(_bad.Contains);

    /// <summary>The value, or its default.</summary>
    /// <param name="derived">Stands in where the default follows from something else.</param>
    public T Get<T>(Setting<T> setting, T? derived = default, string how = "")
    {
        T value;
        ValueSource source;
        if (Node(setting) is { } node)
        {
            source = node.Source;
            if (!setting.Form.TryRead(node, out value))
            {
                Wrong(setting, $"is {node.Shown}.", setting.Form.Hint(node));
                value = setting.HasDefault ? setting.DefaultIn(_findings.Dialect) : value;
                return value;
            }
        }
        else if (!setting.Null.IsEmpty && _map[setting.Key] is { IsNull: true } none)
        {
            (value, source) = (setting.Null[0], none.Source);
        }
        else if (setting.Required)
        {
            Wrong(setting, "is missing.", $"Expected {setting.Expected}.");
            setting.Form.TryRead(new ConfigNode.Scalar(System.Text.Json.JsonValueKind.Null, "null", default), out value);
            return value;
        }
        else if (setting.HasDefault)
        {
            value = setting.DefaultIn(_findings.Dialect);
            source = setting.DefaultSource(_findings.Dialect);
        }
        else
        {
            value = derived!;
            source = how.Length == 0 ? ValueSource.Default : new(SourceKind.Derived, how);
        }

        if (value is not null)
        {
            string shown = setting.Form.Show(value);
            _findings.Values.Add(new(KeyOf(setting), shown, source, setting.Part)
            {
                IsDefault = source.Kind <= SourceKind.Derived || shown == setting.DefaultShown(_findings.Dialect),
            });
        }

        return value;
    }

    /// <summary>What is written, if it is right; reports nothing.</summary>
    public bool Given<T>(Setting<T> setting, out T value)
    {
        value = default!;
        return Node(setting) is { } node && setting.Form.TryRead(node, out value);
    }

    /// <summary>Reports a setting; later checks leave it alone.</summary>
    public void Wrong(Setting setting, string problem, string fix)
    {
        _bad.Add(setting);
        ValueSource where = Has(setting) ? SourceOf(setting) : Source;
        Add(new(KeyOf(setting), problem, fix, where));
    }

    /// <summary>Passes a fact on; its errors become errors of the setting that it was asked about.</summary>
    public T? Learn<T>(Setting setting, Finding<T> fact)
        where T : class
    {
        foreach (ConfigError error in fact.Errors)
        {
            _bad.Add(setting);
            string key = error.Key.Length == 0 ? KeyOf(setting) : $"{KeyOf(setting)}.{error.Key}";
            Add(error with { Key = key, Where = Has(setting) ? SourceOf(setting) : Source });
        }

        return fact.Value;
    }

    /// <summary>A section within this one.</summary>
    public SectionReader Section(SectionSetting setting) => new(KeyOf(setting), Node(setting), _findings, [setting.Section]);

    /// <summary>The items of a list of objects, with the paths that they are addressed by.</summary>
    public IReadOnlyList<(string Path, ConfigNode Node)> Items(SectionSetting setting)
    {
        if (Node(setting) is not { } node)
        {
            return [];
        }

        if (node is not ConfigNode.List list)
        {
            Wrong(setting, $"is {node.Shown}.", $"Expected {setting.Expected}.");
            return [];
        }

        return [.. list.Items.Select((item, index) => ($"{KeyOf(setting)}.{RunOptions.NameOf(item) ?? index.ToString()}", item))];
    }

    private void Add(ConfigError error) => _findings.Errors.Add(error);

    private ConfigError Unknown(string key, ConfigNode value, Section[] elsewhere)
    {
        string full = Path.Length == 0 ? key : $"{Path}.{key}";
        Setting[] here = [.. _sections.SelectMany(section => section.Settings)];
        if (elsewhere.FirstOrDefault(section => section[key] is not null) is { } other)
        {
            return new(full, $"belongs to a {other.Title}.", "Remove it, or move it there.", value.Source);
        }

        if (here.FirstOrDefault(setting => setting.AlsoKnownAs.Contains(key)) is { } known)
        {
            return new(full, "is no setting here.", $"It is called {known.Key}: {known.Expected}.", value.Source);
        }

        if (NearestName.Of(key, here.Select(setting => setting.Key)) is { } near)
        {
            return new(full, "is no setting.", $"Did you mean {near}?", value.Source);
        }

        return RunSchema.HomesOf(key) is { Length: > 0 } homes
            ? new(full, "stands in the wrong place.", $"It belongs to {homes}.", value.Source)
            : new(full, "is no setting.", $"Settings here are {string.Join(", ", here.Select(setting => setting.Key))}.", value.Source);
    }
}
