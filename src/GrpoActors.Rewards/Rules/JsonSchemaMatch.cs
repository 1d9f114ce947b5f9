using System.Text.Json;
using System.Text.RegularExpressions;
using Json.Schema;

namespace GrpoActors.Rewards.Rules;

/// <summary>Kind <c>json_schema</c>: the completion, or its last fenced block, or what stands in <c>tag</c>, is JSON that holds to a schema.</summary>
/// <remarks>JSON Schema 2020-12 and the drafts that a schema names in <c>$schema</c>. No reference is fetched: one that the schema does not hold itself is a fault.</remarks>
internal static partial class JsonSchemaMatch
{
    public const string Kind = "json_schema";

    public static IReward? From(RewardSettings settings)
    {
        string? schemaText = settings.Json("schema"), column = settings.Text("column"), tag = settings.Text("tag");
        (float right, float wrong) = TagRules.Scores(settings);
        if (schemaText is null == column is null)
        {
            settings.Wrong("schema", schemaText is null ? "is missing, and so is column." : "stands beside column.", "Give either the schema itself, or the column of the row that holds it.");
            return null;
        }

        JsonSchema? schema = null;
        if (schemaText is not null)
        {
            try
            {
                schema = Read(schemaText);
            }
            catch (Exception e) when (e is JsonException or JsonSchemaException or ArgumentException or InvalidOperationException)
            {
                settings.Wrong("schema", $"is no JSON schema: {e.Message.TrimEnd('.')}.", "Mend it.");
                return null;
            }
        }

        TagLayout? tags = tag is null ? null : new TagLayout([tag], Opened: false);
        return new DelegateReward(Kind, revision: 1, input =>
        {
            JsonSchema? wanted = schema ?? (input.Columns.TryGetValue(column!, out JsonElement ofRow) && ofRow.ValueKind != JsonValueKind.Null ? Read(ofRow.ValueKind == JsonValueKind.String ? ofRow.GetString()! : ofRow.GetRawText()) : null);
            string? text = tags is null ? input.Completion : tags.Inside(input.Completion, tag!);
            return wanted is null ? null : text is not null && Holds(wanted, Block().Matches(text).LastOrDefault()?.Groups["json"].Value ?? text) ? right : wrong;
        });
    }

    private static bool Holds(JsonSchema schema, string text)
    {
        JsonDocument json;
        try
        {
            json = JsonDocument.Parse(text.Trim(), new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (Exception e) when (e is JsonException or ArgumentException) // half a surrogate pair is no text
        {
            return false;
        }

        using (json)
        {
            return schema.Evaluate(json.RootElement, new EvaluationOptions { OutputFormat = OutputFormat.Flag }).IsValid;
        }
    }

    /// <summary>In a registry of its own: two schemas may have the same <c>$id</c>.</summary>
    private static JsonSchema Read(string text) => JsonSchema.FromText(text, new BuildOptions { SchemaRegistry = new SchemaRegistry() });

    [GeneratedRegex(@"```(?:json)?[ \t]*\n(?<json>.*?)```", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Block();
}
