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
internal sealed class RowEncoder(ITokenizer tokenizer, ModelChat? chat, ChatOptions? options, int eos)
{
    private readonly JsonElement variables = JsonDocument.Parse(options?.Variables ?? "{}").RootElement;

    /// <exception cref="RowException">The row cannot be encoded; the message says why, without its line.</exception>
    public PromptRow Encode(JsonlRow row, DataColumns columns, DataUse use)
    {
        bool rendered = row.Messages is not null || (options?.ApplyToPrompts ?? false);
        string text = Prompt(row, columns);
        try
        {
            // A rendered text holds its special tokens already.
            int[] prompt = tokenizer.Encode(text, addSpecialTokens: !rendered);
            int[] completion = use == DataUse.Examples ? [.. tokenizer.Encode(row.Completion!), eos] : [];
            return prompt.Length > 0
                ? new PromptRow(text, prompt, completion, row.Answer, row.Columns)
                : throw new RowException("has an empty prompt");
        }
        catch (UnknownCharacterException unknown)
        {
            throw new RowException($"cannot be encoded: {unknown.Message.TrimEnd('.')}; mend it, or add the character to the model's tokenizer", unknown);
        }
    }

    /// <summary>The prompt's text, as <see cref="Encode"/> encodes it.</summary>
    public string Prompt(JsonlRow row, DataColumns columns)
    {
        string? prompt = row.Prompt is { } written ? columns.Template.Replace(DataColumns.Placeholder, written, StringComparison.Ordinal) : null;
        if (row.Messages is { } messages)
        {
            return Render(messages);
        }

        return options?.ApplyToPrompts == true ? Render(JsonSerializer.SerializeToElement(new[] { new { role = "user", content = prompt } })) : prompt!;
    }

    private string Render(JsonElement messages)
    {
        if (chat is null)
        {
            throw new RowException("has messages, and the model has no chat template; give prompt, or model.chat.chat_template_path");
        }

        try
        {
            return chat.Render(WithSystem(messages), variables: variables);
        }
        catch (TemplateException refused)
        {
            throw new RowException($"is refused by the chat template: {refused.Message.TrimEnd('.')}", refused);
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
