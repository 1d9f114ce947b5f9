using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Formats.Jsonl;

/// <summary>One row of a data file. Exactly one of <paramref name="Prompt"/> and <paramref name="Messages"/> is there.</summary>
/// <param name="Line">In the file, from 1; the row's own number where a file has no lines.</param>
/// <param name="Messages">The conversation before the answer, as in the file: a list of objects with a role.</param>
/// <param name="Completion">The worked answer of a supervised example.</param>
/// <param name="Answer">What rewards compare with; a number in the file is taken as its digits.</param>
/// <param name="Columns">All further columns, for rewards.</param>
public sealed record JsonlRow(
    long Line, string? Prompt, JsonElement? Messages, string? Completion, string? Answer, ImmutableSortedDictionary<string, JsonElement> Columns)
{
    /// <summary>What the number of a row counts: "line", or "row" where a file has no lines.</summary>
    public static string PlaceOf(string file) => Path.GetExtension(file).Equals(".parquet", StringComparison.OrdinalIgnoreCase) ? "row" : "line";

    /// <exception cref="JsonlFormatException">A column is missing, or is not what it should be.</exception>
    internal static JsonlRow Of(string file, long line, JsonElement json, JsonlColumns columns)
    {
        JsonElement? Column(string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
        JsonElement? prompt = Column(columns.Prompt), messages = Column(columns.Messages);
        if (prompt is null == messages is null)
        {
            throw new JsonlFormatException(file, line, $"expected one of '{columns.Prompt}' and '{columns.Messages}', found {(prompt is null ? "neither" : "both")}");
        }

        // TRL's conversational data sets keep the messages under "prompt".
        if (prompt is { ValueKind: JsonValueKind.Array })
        {
            (messages, prompt) = (prompt, null);
        }

        CheckMessages(file, line, messages);
        string? completion = Text(file, line, columns.Completion, Column(columns.Completion), numberToo: false);
        if (columns.CompletionNeeded && string.IsNullOrEmpty(completion))
        {
            throw new JsonlFormatException(file, line, $"expected a text '{columns.Completion}', as this is a worked example, found {(completion is null ? "none" : "an empty one")}");
        }

        string[] known = [columns.Prompt, columns.Messages, columns.Completion, columns.Answer];
        return new JsonlRow(
            line, Text(file, line, columns.Prompt, prompt, numberToo: false), messages, completion,
            Text(file, line, columns.Answer, Column(columns.Answer), numberToo: true),
            json.EnumerateObject().Where(property => !known.Contains(property.Name)).ToImmutableSortedDictionary(property => property.Name, property => property.Value, StringComparer.Ordinal));
    }

    private static string? Text(string file, long line, string name, JsonElement? value, bool numberToo) => value switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Number } number when numberToo => number.GetRawText(),
        { } other => throw new JsonlFormatException(file, line, $"'{name}': expected text{(numberToo ? " or a number" : "")}, found {JsonlReader.Shown(other)}"),
    };

    private static void CheckMessages(string file, long line, JsonElement? messages)
    {
        if (messages is not { } list)
        {
            return;
        }

        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
        {
            throw new JsonlFormatException(file, line, $"messages: expected a list of at least one message, found {JsonlReader.Shown(list)}");
        }

        foreach (JsonElement message in list.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object || !message.TryGetProperty("role", out JsonElement role) || role.ValueKind != JsonValueKind.String)
            {
                throw new JsonlFormatException(file, line, $"messages: expected objects with a text 'role', found {JsonlReader.Shown(message)}");
            }
        }
    }
}

/// <summary>What the columns of a data file are called.</summary>
/// <param name="CompletionNeeded">Rows are worked examples: each must have its completion.</param>
public sealed record JsonlColumns(string Prompt = "prompt", string Messages = "messages", string Completion = "completion", string Answer = "answer", bool CompletionNeeded = false)
{
    public static JsonlColumns Usual { get; } = new();
}

/// <summary>A row cannot be used. The message is one sentence: file, line, what was expected, what was found.</summary>
public sealed class JsonlFormatException : FormatException
{
    public JsonlFormatException(string file, long line, string problem)
        : base($"{file}, {JsonlRow.PlaceOf(file)} {line}: {problem}.") => Line = line;

    public long Line { get; }
}
