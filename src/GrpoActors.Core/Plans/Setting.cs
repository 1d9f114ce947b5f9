using System.Collections.Immutable;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Plans;

/// <summary>Whose name a setting bears.</summary>
internal enum NameOrigin : byte
{
    Ours = 0,
    Trl = 1,
    Transformers = 2,
    Verl = 3,
}

/// <summary>One key of a run file: the only place where its name, form, range, default and words stand.</summary>
/// <param name="Key">Snake case.</param>
/// <param name="Summary">One or two sentences for the reference; units and meaning.</param>
internal abstract record Setting(string Key, string Summary)
{
    public NameOrigin Origin { get; init; } = NameOrigin.Ours;

    public SettingPart Part { get; init; } = SettingPart.Identity;

    /// <summary>What the same thing is called elsewhere: for "did you mean".</summary>
    public ImmutableArray<string> AlsoKnownAs { get; init; } = [];

    /// <summary>A second name that is taken as well.</summary>
    public string? Synonym { get; init; }

    public bool Required { get; init; }

    /// <summary>In words, where the default follows from something else, or where there is none.</summary>
    public string? DefaultInWords { get; init; }

    public abstract string Expected { get; }

    /// <summary>As JSON; null where there is none.</summary>
    public abstract string? DefaultShown(Dialect dialect);
}

internal sealed record Setting<T>(string Key, ValueForm<T> Form, string Summary) : Setting(Key, Summary)
{
    private readonly ImmutableArray<T> _defaults = [];

    /// <summary>The same in every dialect.</summary>
    public T Default
    {
        init => _defaults = [value];
    }

    public (T Trl, T Verl, T Paper) DefaultByDialect
    {
        init => _defaults = [value.Trl, value.Verl, value.Paper];
    }

    public bool HasDefault => _defaults.Length > 0;

    /// <summary>What <c>null</c> stands for, where that is not the default: [] for the default.</summary>
    public ImmutableArray<T> Null { get; init; } = [];

    public override string Expected => Form.Expected;

    public T DefaultIn(Dialect dialect) => _defaults.Length == 1 ? _defaults[0] : _defaults[(int)dialect];

    /// <summary>TRL's default is the default; a dialect that sets another one is named as the source.</summary>
    public ValueSource DefaultSource(Dialect dialect) =>
        _defaults.Length == 1 || EqualityComparer<T>.Default.Equals(_defaults[0], _defaults[(int)dialect])
            ? ValueSource.Default
            : new(SourceKind.Dialect, dialect.ToString().ToLowerInvariant());

    public override string? DefaultShown(Dialect dialect) => HasDefault ? Form.Show(DefaultIn(dialect)) : null;
}

/// <summary>A key that holds a section, or a list of them, each with its <c>name</c>.</summary>
internal sealed record SectionSetting(string Key, string Summary, Section Section, bool IsList = false) : Setting(Key, Summary)
{
    public override string Expected => IsList ? $"a list of objects ({Section.Title})" : $"an object ({Section.Title})";

    public override string? DefaultShown(Dialect dialect) => null;
}

/// <summary>The settings that may stand together in one object.</summary>
/// <param name="Title">For the reference, in lower case.</param>
internal sealed record Section(string Title, string Intro, ImmutableArray<Setting> Settings)
{
    public Setting? this[string key] => Settings.FirstOrDefault(setting => setting.Key == key || setting.Synonym == key);
}
