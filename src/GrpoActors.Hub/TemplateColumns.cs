using System.Text.Json;
using System.Text.Json.Nodes;

namespace GrpoActors.Hub;

/// <summary>
/// What a row of data hands to a chat template beside its messages: its columns <c>tools</c>, <c>documents</c> and <c>chat_template_kwargs</c>, as TRL does.
/// </summary>
/// <param name="Tools">Null where there are none.</param>
/// <param name="Variables">A JSON object, or null.</param>
public readonly record struct TemplateColumns(JsonElement? Tools, JsonElement? Variables)
{
    private const string ToolsColumn = "tools", DocumentsColumn = "documents", VariablesColumn = "chat_template_kwargs";

    /// <param name="column">Of the row; null where it has none of that name, or null.</param>
    /// <param name="variables">A JSON object that holds for all rows; a row's own variables win over it.</param>
    /// <exception cref="InvalidDataException">A column has another form. The message continues "the row".</exception>
    public static TemplateColumns Of(Func<string, JsonElement?> column, JsonElement? variables)
    {
        JsonElement? tools = Read(column, ToolsColumn, JsonValueKind.Array, "a list of tools");
        JsonElement? documents = Read(column, DocumentsColumn, JsonValueKind.Array, "a list of documents");
        JsonElement? own = Read(column, VariablesColumn, JsonValueKind.Object, "an object");
        if (documents is null && own is null)
        {
            return new TemplateColumns(tools, variables);
        }

        JsonObject merged = variables is { } all ? JsonNode.Parse(all.GetRawText())!.AsObject() : [];
        if (documents is { } given)
        {
            merged[DocumentsColumn] = JsonNode.Parse(given.GetRawText());
        }

        foreach (JsonProperty variable in own is { } variablesOfRow ? variablesOfRow.EnumerateObject() : default)
        {
            merged[variable.Name] = JsonNode.Parse(variable.Value.GetRawText());
        }

        return new TemplateColumns(tools, JsonSerializer.SerializeToElement(merged));
    }

    // Tables hold lists and objects as JSON in a text.
    private static JsonElement? Read(Func<string, JsonElement?> column, string name, JsonValueKind kind, string expected)
    {
        if (column(name) is not { ValueKind: not JsonValueKind.Null } found)
        {
            return null;
        }

        JsonElement value = found;
        if (found.ValueKind == JsonValueKind.String)
        {
            try
            {
                value = JsonElement.Parse(found.GetString()!);
            }
            catch (JsonException)
            {
                // said below
            }
        }

        string text = found.GetRawText();
        return value.ValueKind == kind
            ? value
            : throw new InvalidDataException($"has '{name}' {(text.Length <= 80 ? text : text[..80] + "…")}, where the chat template takes {expected}");
    }
}
