using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace GrpoActors.Core.Plans;

/// <summary>
/// A run's identity as bytes: JSON with names in ordinal order, snake case, no white space, shortest round-trip numbers. Places are no part of
/// it: contents are, by SHA-256.
/// </summary>
public static class PlanIdentity
{
    private static readonly JsonSerializerOptions Complete = Options(places: true);
    private static readonly JsonSerializerOptions WithoutPlaces = Options(places: false);
    private static readonly JsonSerializerOptions Readable = new(Complete) { WriteIndented = true, NewLine = "\n" };

    public static string CanonicalJson(RunIdentity identity) => Sorted(JsonSerializer.SerializeToNode(identity, WithoutPlaces))!.ToJsonString(Complete);

    /// <summary>SHA-256 of <see cref="CanonicalJson"/> in UTF-8. Opens the ledger.</summary>
    public static Digest IdentityDigest(RunIdentity identity) => Digest.Of(CanonicalJson(identity));

    /// <summary>The content of a run folder's plan.json: identity, operation, every value with its source.</summary>
    public static string PlanJson(RunPlan plan, ImmutableArray<SettingValue> values) => new JsonObject
    {
        ["identity_sha256"] = IdentityDigest(plan.Identity).ToString(),
        ["identity"] = Sorted(JsonSerializer.SerializeToNode(plan.Identity, Complete)),
        ["operation"] = Sorted(JsonSerializer.SerializeToNode(plan.Operation, Complete)),
        ["settings"] = new JsonObject(values.Select(value => KeyValuePair.Create(value.Key, JsonNode.Parse(value.Value)))),
        ["sources"] = new JsonObject(values.Select(value => KeyValuePair.Create(value.Key, (JsonNode?)value.Source.ToString()))),
    }.ToJsonString(Readable) + "\n";

    /// <summary>The plan of a run folder's plan.json.</summary>
    /// <exception cref="InvalidDataException">It is none; the message is a sentence about the content.</exception>
    public static RunPlan Parse(string planJson)
    {
        try
        {
            JsonNode? root = JsonNode.Parse(planJson);
            return root?["identity"].Deserialize<RunIdentity>(Complete) is { } identity && root["operation"].Deserialize<RunOperation>(Complete) is { } operation
                ? new RunPlan(identity, operation)
                : throw new InvalidDataException("has no identity and operation: it is no plan of a run.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"is damaged: {(e is JsonException broken ? JsonFault.Words(broken) : "a value in it is not what it should be")}.", e);
        }
    }

    /// <summary>
    /// What a user has set differently since a plan.json was written, of the settings that make the identity, and by their names. Where nothing is, as with another content under an old
    /// name, the keys of the identity itself.
    /// </summary>
    public static ImmutableArray<IdentityDifference> Differences(string planJson, RunIdentity identity, ImmutableArray<SettingValue> values)
    {
        ImmutableArray<IdentityDifference> differences = Differences(CanonicalJson(Parse(planJson).Identity), CanonicalJson(identity));
        if (differences.IsEmpty || JsonNode.Parse(planJson)?["settings"] is not JsonObject settings)
        {
            return differences;
        }

        ImmutableArray<IdentityDifference> set =
        [
            .. from value in values
               where value.Part == SettingPart.Identity && settings.ContainsKey(value.Key) && !JsonNode.DeepEquals(settings[value.Key], JsonNode.Parse(value.Value))
               select new IdentityDifference(value.Key, Shown(settings[value.Key]), value.Value),
        ];
        return set.IsEmpty ? differences : set;
    }

    /// <summary>The keys in which two identities differ, with both values: what "a run folder of another identity" means.</summary>
    /// <param name="before">Canonical JSON, or the identity of a plan.json.</param>
    public static ImmutableArray<IdentityDifference> Differences(string before, string after)
    {
        var differences = ImmutableArray.CreateBuilder<IdentityDifference>();
        Compare("", JsonNode.Parse(before), JsonNode.Parse(after), differences);
        return differences.ToImmutable();
    }

    private static void Compare(string path, JsonNode? before, JsonNode? after, ImmutableArray<IdentityDifference>.Builder differences)
    {
        if (before is JsonObject a && after is JsonObject b)
        {
            foreach (string key in a.Select(pair => pair.Key).Union(b.Select(pair => pair.Key)).Order(StringComparer.Ordinal))
            {
                Compare(path.Length == 0 ? key : $"{path}.{key}", a[key], b[key], differences);
            }
        }
        else if (before is JsonArray x && after is JsonArray y)
        {
            for (int i = 0; i < Math.Max(x.Count, y.Count); i++)
            {
                JsonNode? left = i < x.Count ? x[i] : null, right = i < y.Count ? y[i] : null;
                Compare($"{path}.{Name(left) ?? Name(right) ?? i.ToString()}", left, right, differences);
            }
        }
        else if (!JsonNode.DeepEquals(before, after) && !path.EndsWith(".schedule.total_steps", StringComparison.Ordinal)) // it is the phase's steps, which are named themselves
        {
            differences.Add(new(path, Shown(before), Shown(after)));
        }
    }

    private static string? Name(JsonNode? item) => (item as JsonObject)?["name"]?.GetValue<string>();

    private static string Shown(JsonNode? value) => value?.ToJsonString(Complete) ?? "null";

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, Sorted(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    private static JsonSerializerOptions Options(bool places)
    {
        var resolver = new DefaultJsonTypeInfoResolver();
        resolver.Modifiers.Add(WithoutComputed);
        resolver.Modifiers.Add(NameCases);
        if (!places)
        {
            resolver.Modifiers.Add(RemovePlaces);
        }

        return new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            TypeInfoResolver = resolver,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // an unbounded clamp is Infinity
            AllowOutOfOrderMetadataProperties = true, // sorted keys put "case" anywhere
            Converters = { new DigestConverter(), new DurationConverter(), new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        };
    }

    // Only what the constructor or an initialiser takes is state; the rest follows from it.
    private static void WithoutComputed(JsonTypeInfo type)
    {
        for (int i = type.Properties.Count - 1; i >= 0; i--)
        {
            JsonPropertyInfo property = type.Properties[i];
            if (property is { Set: null, AssociatedParameter: null })
            {
                type.Properties.RemoveAt(i);
            }
            else if (property.AttributeProvider?.IsDefined(typeof(EmbeddedJsonAttribute), inherit: false) == true)
            {
                property.CustomConverter = new EmbeddedJsonConverter();
            }
        }
    }

    // A case of a closed record is written with its name; without this only what the cases share would be.
    private static void NameCases(JsonTypeInfo type)
    {
        if (!type.Type.IsAbstract || type.Kind != JsonTypeInfoKind.Object)
        {
            return;
        }

        type.PolymorphismOptions = new JsonPolymorphismOptions { TypeDiscriminatorPropertyName = "case", UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FailSerialization };
        foreach (Type @case in type.Type.GetNestedTypes().Where(type.Type.IsAssignableFrom))
        {
            type.PolymorphismOptions.DerivedTypes.Add(new(@case, JsonNamingPolicy.SnakeCaseLower.ConvertName(@case.Name)));
        }
    }

    private static void RemovePlaces(JsonTypeInfo type)
    {
        foreach (JsonPropertyInfo property in type.Properties.Where(property => property.AttributeProvider?.IsDefined(typeof(PlaceAttribute), inherit: false) == true).ToList())
        {
            type.Properties.Remove(property);
        }
    }

    private sealed class DigestConverter : JsonConverter<Digest>
    {
        public override Digest Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Digest.Parse(reader.GetString()!);

        public override void Write(Utf8JsonWriter writer, Digest value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    private sealed class DurationConverter : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => TimeSpan.FromSeconds(reader.GetDouble());

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) => writer.WriteNumberValue(value.TotalSeconds);
    }

    /// <summary>A text that is JSON, as JSON: its keys can be compared one by one.</summary>
    private sealed class EmbeddedJsonConverter : JsonConverter<string>
    {
        public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return document.RootElement.GetRawText() is var text && document.RootElement.ValueKind is JsonValueKind.Object
                ? Sorted(JsonNode.Parse(text))!.ToJsonString(Complete)
                : text;
        }

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WriteRawValue(Sorted(JsonNode.Parse(Encoding.UTF8.GetBytes(value)))!.ToJsonString(Complete));
    }
}

/// <param name="Key">With its path; phases and rewards by name.</param>
/// <param name="Before">JSON; null where it was absent.</param>
public sealed record IdentityDifference(string Key, string Before, string After)
{
    public override string ToString() => $"{Key} was {Before} and is now {After}";
}

/// <summary>A place in the file system: no part of a run's identity.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PlaceAttribute : Attribute;

/// <summary>A text that holds JSON.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class EmbeddedJsonAttribute : Attribute;
