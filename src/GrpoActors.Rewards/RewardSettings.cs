using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Rewards;

/// <summary>A reward's settings, read by key (the errors' keys are relative to them); mistakes are collected, so that all are told at once. Whatever was not asked for is a mistake too.</summary>
public sealed class RewardSettings
{
    private readonly JsonElement _json;
    private readonly SortedSet<string> _known = new(StringComparer.Ordinal);
    private readonly List<ConfigError> _errors = [];
    private readonly SortedSet<string> _warnings = new(StringComparer.Ordinal);

    /// <param name="settings">An object.</param>
    public RewardSettings(JsonElement settings) => _json = settings;

    public bool Has(string key)
    {
        _known.Add(key);
        return _json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;
    }

    public string? Text(string key)
    {
        if (!Has(key))
        {
            return null;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        Wrong(key, $"is {value.GetRawText()}, and text is expected.", "Put it in quotes.");
        return null;
    }

    public bool Flag(string key, bool otherwise)
    {
        if (!Has(key))
        {
            return otherwise;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            Wrong(key, $"is {value.GetRawText()}, and true or false is expected.", "Choose one.");
        }

        return value.ValueKind == JsonValueKind.True;
    }

    /// <summary>A finite score.</summary>
    public float Score(string key, float otherwise)
    {
        if (!Has(key))
        {
            return otherwise;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float score) && float.IsFinite(score))
        {
            return score;
        }

        Wrong(key, $"is {value.GetRawText()}, and a finite number is expected.", $"The default is {otherwise}.");
        return otherwise;
    }

    /// <summary>A whole number from <paramref name="min"/> on; null where the key is absent.</summary>
    public int? Count(string key, int min)
    {
        if (!Has(key))
        {
            return null;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count >= min)
        {
            return count;
        }

        Wrong(key, $"is {value.GetRawText()}, and a whole number of at least {min} is expected.", "Change it.");
        return null;
    }

    /// <summary>A whole number of at most 2^53 from <paramref name="min"/> on.</summary>
    public long Size(string key, long min, long otherwise)
    {
        if (!Has(key))
        {
            return otherwise;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long size) && size >= min && size <= 1L << 53)
        {
            return size;
        }

        Wrong(key, $"is {value.GetRawText()}, and a whole number of at least {min} is expected.", $"The default is {otherwise}.");
        return otherwise;
    }

    /// <summary>The value as it is written; null where the key is absent.</summary>
    public string? Json(string key) => Has(key) ? _json.GetProperty(key).GetRawText() : null;

    /// <summary>A list of texts; empty where the key is absent.</summary>
    public ImmutableArray<string> Texts(string key)
    {
        if (!Has(key))
        {
            return [];
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String))
        {
            return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        }

        Wrong(key, $"is {value.GetRawText()}, and a list of texts is expected.", "Write [\"...\"].");
        return [];
    }

    /// <summary>Texts by name; empty where the key is absent.</summary>
    public ImmutableSortedDictionary<string, string> NamedTexts(string key)
    {
        var none = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
        if (!Has(key))
        {
            return none;
        }

        JsonElement value = _json.GetProperty(key);
        if (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(item => item.Value.ValueKind == JsonValueKind.String))
        {
            return none.AddRange(value.EnumerateObject().Select(item => KeyValuePair.Create(item.Name, item.Value.GetString()!)));
        }

        Wrong(key, $"is {value.GetRawText()}, and an object of texts is expected.", "Write {\"NAME\": \"value\"}.");
        return none;
    }

    /// <summary>A regular expression of .NET's syntax; null where the key is absent or wrong.</summary>
    /// <param name="whole">It must match the whole text.</param>
    /// <remarks>
    /// Matching is linear in the text's length wherever the pattern allows it, so that no score depends on a machine's speed; a pattern
    /// with look-around, back-references or atomic groups backtracks, under a limit of <see cref="BacktrackingMax"/>, after which the outcome is TimedOut.
    /// <c>.</c> matches a line break too (Python: re.DOTALL). <c>{,3}</c>, which .NET reads as these four characters and Python as <c>{0,3}</c>, is a mistake.
    /// </remarks>
    public Regex? Pattern(string key, bool whole)
    {
        if (Text(key) is not { } pattern)
        {
            return null;
        }

        if (PatternFault.OpenRepetition(pattern) is { } open)
        {
            Wrong(key, $"is \"{pattern}\", where {open} stands for these characters themselves, not for a repetition as in Python.", $"Write {{0{open[1..]} for the repetition, or \\{open} for the characters.");
            return null;
        }

        string full = whole ? $@"\A(?:{pattern})\z" : pattern;
        RegexOptions options = RegexOptions.CultureInvariant | RegexOptions.Singleline | (Flag("ignore_case", false) ? RegexOptions.IgnoreCase : RegexOptions.None);
        try
        {
            _ = new Regex(pattern, options, BacktrackingMax); // by itself too: an unbalanced ")" must not end our own group
            try
            {
                return new Regex(full, options | RegexOptions.NonBacktracking, BacktrackingMax);
            }
            catch (NotSupportedException)
            {
                _warnings.Add($"{key} has look-around, a back-reference or an atomic group, so that matching may take long on some completions; one that takes more than {BacktrackingMax.TotalSeconds:0} s gets no score");
                return new Regex(full, options, BacktrackingMax);
            }
        }
        catch (RegexParseException e)
        {
            Wrong(key, $"is \"{pattern}\", which is no regular expression: {PatternFault.Words(e)}.", "Mend it.");
            return null;
        }
    }

    public static TimeSpan BacktrackingMax { get; } = TimeSpan.FromSeconds(1);

    public void Wrong(string key, string problem, string fix) => _errors.Add(new(key, problem, fix));

    /// <summary>What is allowed but may surprise; each begins with its key.</summary>
    public ImmutableArray<string> Warnings => [.. _warnings];

    /// <summary>Every mistake, with the keys that nothing asked for.</summary>
    public ImmutableArray<ConfigError> Errors() =>
    [
        .. _errors.Distinct(), // a key may be read twice
        .. _json.EnumerateObject().Where(property => !_known.Contains(property.Name)).Select(property => new ConfigError(
            property.Name, "is not a setting of this reward.", _known.Count == 0 ? "It has none." : $"There are {string.Join(", ", _known)}.")),
    ];
}
