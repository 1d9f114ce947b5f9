using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Formats.HuggingFace;

/// <summary>The keys of one JSON object, read by name and type; a mistake is noted and reading goes on, so that all are told at once.</summary>
/// <param name="path">Of the object within the file, ending in a dot, or empty.</param>
internal sealed class JsonFields(string file, string path, JsonElement? json, List<string> problems)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public const int FileBytesMax = 16 << 20;

    /// <exception cref="HuggingFaceFormatException">The file is no JSON object.</exception>
    public static JsonElement Parse(string file, ReadOnlyMemory<byte> utf8)
    {
        if (GitLfsPointer.Begins(utf8.Span))
        {
            throw new HuggingFaceFormatException([$"{file}: {GitLfsPointer.Sentence}"]);
        }

        try
        {
            JsonElement root = StrictJson.Parse(utf8);
            return root.ValueKind == JsonValueKind.Object ? root : throw new HuggingFaceFormatException([$"{file}: expected a JSON object, found {Shown(root)}."]);
        }
        catch (JsonException e)
        {
            throw new HuggingFaceFormatException([$"{file}: broken JSON{(e.LineNumber is { } line ? $" in line {line + 1}" : "")}: {StrictJson.Reason(e)}."]);
        }
    }

    public bool Has(string key) => Value(key) is not null;

    public int? Int32(string key, int min = 1) => Read(key, $"a whole number of at least {min}", (JsonElement value, out int number) =>
        Whole(value, out number) && number >= min);

    public int RequiredInt32(string key, int min = 1) => Required(key, Int32(key, min), $"a whole number of at least {min}");

    public double? Double(string key, double min = 0) => Read(key, $"a finite number of at least {min}", (JsonElement value, out double number) =>
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out number) && double.IsFinite(number) && number >= min;
    });

    public bool? Flag(string key) => Read(key, "true or false", (JsonElement value, out bool flag) =>
    {
        flag = value.ValueKind == JsonValueKind.True;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False;
    });

    public string? Text(string key)
    {
        if (Value(key) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            Problem(key, "text", value);
            return null;
        }

        return value.GetString();
    }

    public string RequiredText(string key)
    {
        if (!Has(key))
        {
            problems.Add($"{file}: {path}{key} is missing; expected text.");
        }

        return Text(key) ?? "";
    }

    public ImmutableArray<string> Texts(string key)
    {
        if (Value(key) is not { } value)
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
        {
            Problem(key, "a list of texts", value);
            return [];
        }

        return [.. value.EnumerateArray().Select(item => item.GetString()!)];
    }

    /// <summary>A token id or a list of them, as eos_token_id is; null where the key is absent or null.</summary>
    public ImmutableArray<int>? TokenIds(string key)
    {
        if (Value(key) is not { } value)
        {
            return null;
        }

        IEnumerable<JsonElement> items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];
        var ids = ImmutableArray.CreateBuilder<int>();
        foreach (JsonElement item in items)
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out int id) || id < 0)
            {
                Problem(key, "a token id or a list of token ids", value);
                return null;
            }

            ids.Add(id);
        }

        return ids.ToImmutable();
    }

    public JsonFields? Object(string key)
    {
        if (Value(key) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            Problem(key, "an object", value);
            return null;
        }

        return new JsonFields(file, $"{path}{key}.", value, problems);
    }

    /// <summary>What nothing has asked for, nulls left out.</summary>
    public ImmutableSortedDictionary<string, JsonElement> Others() => json is not { } value
        ? ImmutableSortedDictionary<string, JsonElement>.Empty
        : value.EnumerateObject().Where(property => !_read.Contains(property.Name) && property.Value.ValueKind != JsonValueKind.Null)
            .ToImmutableSortedDictionary(property => property.Name, property => property.Value, StringComparer.Ordinal);

    public void Problem(string key, string expected, object found) =>
        problems.Add($"{file}: {path}{key}: expected {expected}, found {(found is JsonElement value ? Shown(value) : found)}.");

    private delegate bool Reader<T>(JsonElement value, out T read);

    private T? Read<T>(string key, string expected, Reader<T> reader)
        where T : struct
    {
        if (Value(key) is not { } value)
        {
            return null;
        }

        if (!reader(value, out T read))
        {
            Problem(key, expected, value);
            return null;
        }

        return read;
    }

    private int Required(string key, int? value, string expected)
    {
        if (!Has(key))
        {
            problems.Add($"{file}: {path}{key} is missing; expected {expected}.");
        }

        return value ?? 0;
    }

    private JsonElement? Value(string key)
    {
        _read.Add(key);
        return json is { } value && value.TryGetProperty(key, out JsonElement found) && found.ValueKind != JsonValueKind.Null ? found : null;
    }

    private static bool Whole(JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
