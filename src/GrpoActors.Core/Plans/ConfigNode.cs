using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpoActors.Core.Plans;

/// <summary>A value of a run file that knows where it was written.</summary>
internal abstract record ConfigNode(ValueSource Source)
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Members in the order written; names occur once.</summary>
    public sealed record Map(ImmutableArray<KeyValuePair<string, ConfigNode>> Members, ValueSource Source) : ConfigNode(Source)
    {
        public ConfigNode? this[string name]
        {
            get
            {
                foreach (var member in Members)
                {
                    if (member.Key == name)
                    {
                        return member.Value;
                    }
                }

                return null;
            }
        }

        public Map With(string name, ConfigNode value)
        {
            for (int i = 0; i < Members.Length; i++)
            {
                if (Members[i].Key == name)
                {
                    return this with { Members = Members.SetItem(i, new(name, value)) };
                }
            }

            return this with { Members = Members.Add(new(name, value)) };
        }
    }

    public sealed record List(ImmutableArray<ConfigNode> Items, ValueSource Source) : ConfigNode(Source);

    /// <param name="Kind">String, Number, True, False or Null.</param>
    /// <param name="Text">Without quotes; a number as written.</param>
    public sealed record Scalar(JsonValueKind Kind, string Text, ValueSource Source) : ConfigNode(Source);

    public bool IsNull => this is Scalar { Kind: JsonValueKind.Null };

    /// <summary>As JSON in one line.</summary>
    /// <param name="sorted">Names in ordinal order: the canonical form.</param>
    public string ToJson(bool sorted = false)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Compact))
        {
            Write(json, sorted);
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>For a message: JSON, cut to a readable length.</summary>
    public string Shown
    {
        get
        {
            const int charactersMax = 60;
            string json = ToJson();
            return json.Length <= charactersMax ? json : json[..(charactersMax - 1)] + "…";
        }
    }

    private void Write(Utf8JsonWriter json, bool sorted)
    {
        switch (this)
        {
            case Map map:
                json.WriteStartObject();
                foreach (var (name, value) in sorted ? map.Members.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key)) : map.Members)
                {
                    json.WritePropertyName(name);
                    value.Write(json, sorted);
                }

                json.WriteEndObject();
                break;
            case List list:
                json.WriteStartArray();
                foreach (ConfigNode item in list.Items)
                {
                    item.Write(json, sorted);
                }

                json.WriteEndArray();
                break;
            case Scalar { Kind: JsonValueKind.String } scalar:
                json.WriteStringValue(scalar.Text);
                break;
            case Scalar scalar:
                json.WriteRawValue(sorted ? Canonical(scalar) : scalar.Text);
                break;
            default:
                throw new InvalidOperationException($"Unknown node {GetType().Name}.");
        }
    }

    // 1e-4 and 0.0001 are one number.
    private static string Canonical(Scalar scalar) =>
        scalar.Kind == JsonValueKind.Number && !long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
        && double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? number.ToString("R", CultureInfo.InvariantCulture)
            : scalar.Text;
}
