namespace GrpoActors.Core.Plans;

/// <summary>A user's mistake in a run's settings.</summary>
/// <param name="Key">The setting with its path, for example <c>phases.grpo.mini_batches</c>; empty: the run file as a whole.</param>
/// <param name="Problem">Continues the key to a sentence and quotes the value that was found: "is 5, which does not divide groups_per_step (32)."</param>
/// <param name="Fix">What to do: "Try 4 or 8."</param>
/// <param name="Where">Where the value was written.</param>
public sealed record ConfigError(string Key, string Problem, string Fix, ValueSource Where = default)
{
    /// <summary>One line: <c>mini_batches: is 5, which does not divide groups_per_step (32). Try 4 or 8. [arithmetic.json:14]</c></summary>
    public override string ToString()
    {
        string key = Key.Length > 0 ? Key + ": " : Where.Kind == SourceKind.File ? Where.Name + ": " : "";
        string fix = Fix.Length == 0 ? "" : " " + Fix;
        return Where.Kind == SourceKind.Default ? key + Problem + fix : $"{key}{Problem}{fix} [{Where}]";
    }
}

/// <summary>The layers of a run's settings; a later one wins.</summary>
public enum SourceKind : byte
{
    Default = 0,
    /// <summary>A default that the chosen dialect sets differently.</summary>
    Dialect = 1,
    /// <summary>Follows from other settings or from the model.</summary>
    Derived = 2,
    File = 3,
    Environment = 4,
    /// <summary><c>--set</c>, or an option of its own such as <c>--seed</c>; in a host's code: <see cref="RunOptions.With(string, string, string)"/>.</summary>
    CommandLine = 5,
}

/// <summary>Where a value comes from.</summary>
/// <param name="Name">Run file, dialect, environment variable or command line option.</param>
/// <param name="Line">In the run file, from 1; 0 elsewhere.</param>
public readonly record struct ValueSource(SourceKind Kind, string Name, int Line = 0)
{
    public static ValueSource Default { get; } = new(SourceKind.Default, "");

    public override string ToString() => Kind switch
    {
        SourceKind.Default => "default",
        SourceKind.Dialect => $"dialect {Name}",
        SourceKind.Derived => Name,
        SourceKind.File => $"{Name}:{Line}",
        SourceKind.Environment => $"environment {Name}",
        _ => Name,
    };
}

/// <summary>A filled value, as <c>grpo config show</c> prints it.</summary>
/// <param name="Key">With its path.</param>
/// <param name="Value">As JSON.</param>
public sealed record SettingValue(string Key, string Value, ValueSource Source, SettingPart Part)
{
    /// <summary>It is what would hold if nobody had written it.</summary>
    public bool IsDefault { get; init; }
}

/// <summary>What a setting may change.</summary>
public enum SettingPart : byte
{
    /// <summary>The result depends on it.</summary>
    Identity = 0,
    /// <summary>Free to change at any start.</summary>
    Operation = 1,
}
