using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Jsonl;
using GrpoActors.Hub;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Runtime.Composition;

/// <summary>Turns rows of a data file into prompts as the model reads them: text as it stands, or a conversation through the model's chat template.</summary>
/// <param name="chat">Null for a model without a chat template.</param>
/// <param name="options">Null: the defaults.</param>
/// <param name="ends">With at least one token.</param>
internal sealed class RowEncoder(ITokenizer tokenizer, ModelChat? chat, ChatOptions? options, TurnEnds ends)
{
    private readonly JsonElement variables = JsonDocument.Parse(options?.Variables ?? "{}").RootElement;

    /// <exception cref="RowException">The row cannot be encoded; the message says why, without its line.</exception>
    public PromptRow Encode(JsonlRow row, DataColumns columns, DataUse use)
    {
        bool rendered = IsRendered(row);
        string text = Prompt(row, columns);
        try
        {
            // A rendered text holds its special tokens already.
            if (use != DataUse.Examples)
            {
                int[] alone = tokenizer.Encode(text, addSpecialTokens: !rendered);
                return alone.Length > 0 ? new PromptRow(text, alone, [], row.Answer, row.Columns) : throw new RowException("has an empty prompt");
            }

            EncodedPair pair = EncodedPair.Of(tokenizer, text, row.Completion!, addSpecialTokens: !rendered);
            bool ended = pair.Completion is [.., int last] && ends.Ids.Contains(last);
            int[] completion = ended ? pair.Completion : [.. pair.Completion, (rendered ? ends.OfTurn : ends.OfText)!.Value];
            return pair.Prompt.Length > 0
                ? new PromptRow(text, pair.Prompt, completion, row.Answer, row.Columns)
                : throw new RowException(pair.Crosses
                    ? "has one token for its prompt and the beginning of its completion; end the prompt at the end of a word"
                    : "has an empty prompt");
        }
        catch (UnknownCharacterException unknown)
        {
            throw new RowException($"cannot be encoded: {unknown.Message.TrimEnd('.')}; mend it, or add the character to the model's tokenizer", unknown);
        }
    }

    /// <summary>A token of this worked example reaches from its prompt into its completion.</summary>
    /// <inheritdoc cref="Encode"/>
    public bool Crosses(JsonlRow row, DataColumns columns)
    {
        try
        {
            return EncodedPair.Of(tokenizer, Prompt(row, columns), row.Completion!, addSpecialTokens: !IsRendered(row)).Crosses;
        }
        catch (Exception wrong) when (wrong is RowException or UnknownCharacterException)
        {
            return false; // said where the row is encoded
        }
    }

    /// <summary>The prompt's text, as <see cref="Encode"/> encodes it.</summary>
    public string Prompt(JsonlRow row, DataColumns columns)
    {
        string? prompt = row.Prompt is { } written ? columns.Template.Replace(DataColumns.Placeholder, written, StringComparison.Ordinal) : null;
        return IsRendered(row)
            ? Render(row, row.Messages ?? JsonSerializer.SerializeToElement(new[] { new { role = "user", content = prompt } }))
            : prompt!;
    }

    private bool IsRendered(JsonlRow row) => row.Messages is not null || (options?.ApplyToPrompts ?? false);

    private string Render(JsonlRow row, JsonElement messages)
    {
        if (chat is null)
        {
            throw new RowException("has messages, and the model has no chat template; give prompt, or model.chat.chat_template_path");
        }

        try
        {
            TemplateColumns own = TemplateColumns.Of(name => row.Columns.TryGetValue(name, out JsonElement value) ? value : null, variables);
            return chat.RenderPrompt(WithSystem(messages), own.Tools, own.Variables);
        }
        catch (TemplateException refused)
        {
            throw new RowException($"is refused by the chat template: {refused.Message.TrimEnd('.')}", refused);
        }
        catch (InvalidDataException wrong)
        {
            throw new RowException(wrong.Message, wrong);
        }
    }

    private JsonElement WithSystem(JsonElement messages)
    {
        if (options?.System is not { } system || messages[0].GetProperty("role").GetString() == "system")
        {
            return messages;
        }

        var longer = new JsonArray(new JsonObject { ["role"] = "system", ["content"] = system });
        foreach (JsonElement message in messages.EnumerateArray())
        {
            longer.Add(JsonNode.Parse(message.GetRawText()));
        }

        return JsonSerializer.SerializeToElement(longer);
    }
}

/// <summary>A row cannot be used. The message continues "the row": "has an empty prompt".</summary>
internal sealed class RowException : Exception
{
    public RowException(string message)
        : base(message)
    {
    }

    public RowException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
