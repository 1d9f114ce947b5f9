using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Hub;

/// <summary>A model's chat template with its special tokens. Immutable; any number of threads may render.</summary>
public sealed class ModelChat
{
    private const string TemplateFile = "chat_template.jinja", ProcessorTemplateFile = "chat_template.json", TemplateKey = "chat_template";
    private const string FurtherTemplatesFolder = "additional_chat_templates", TemplateExtension = ".jinja";
    private const string DefaultName = "default", ToolUseName = "tool_use";

    // Stands behind the words that are to be continued, to be found again in the rendering; the blank tells whether the template trims them.
    private const string ContinuesHere = "CONTINUES-BEHIND-THIS-WORD ";

    private readonly ChatTemplate template;
    private readonly ChatTemplate? withTools;
    private readonly ImmutableSortedDictionary<string, string> specialTokens;

    private ModelChat((string Plain, string? WithTools) source, ImmutableSortedDictionary<string, string> specialTokens)
    {
        template = ChatTemplate.Parse(source.Plain);
        withTools = source.WithTools is null ? null : ChatTemplate.Parse(source.WithTools);
        this.specialTokens = specialTokens;
        Sha256 = Digest.Of(source.Plain + source.WithTools);
    }

    /// <summary>Of the template's text in UTF-8; of two, of both.</summary>
    public Digest Sha256 { get; }

    /// <summary>
    /// The template of a Hugging Face folder: <c>chat_template.jinja</c> with those of <c>additional_chat_templates</c>, else <c>chat_template</c> of
    /// <c>tokenizer_config.json</c> (of several, the one named default, and for conversations with tools the one named tool_use), else <c>chat_template.json</c>.
    /// </summary>
    /// <param name="folder">Null for a model without one.</param>
    /// <param name="ownTemplate">A Jinja file that is used instead.</param>
    /// <returns>Null where there is no template.</returns>
    /// <exception cref="TemplateException">It is no template.</exception>
    /// <exception cref="InvalidDataException">A file beside it is no JSON of the usual form, or of several templates none is named default.</exception>
    public static ModelChat? Read(string? folder, string? ownTemplate = null)
    {
        (string, string?)? source = ownTemplate is not null ? (File.ReadAllText(ownTemplate), null) : folder is null ? null : Source(folder);
        return source is { } found
            ? new ModelChat(found, folder is null ? ImmutableSortedDictionary<string, string>.Empty : SpecialTokens.Read(folder))
            : null;
    }

    /// <param name="messages">An array of objects with <c>role</c> and <c>content</c>.</param>
    /// <param name="variables">JSON object of further template variables; null: none.</param>
    /// <param name="addGenerationPrompt">Ends with the opening of the assistant's turn.</param>
    /// <param name="now">What strftime_now reads; absent, a template that asks for the date is refused, so that a run depends on no clock.</param>
    /// <exception cref="TemplateException">The template errs on these messages or refuses them.</exception>
    public string Render(
        JsonElement messages, JsonElement? tools = null, JsonElement? variables = null, bool addGenerationPrompt = true, DateTimeOffset? now = null) =>
        (tools is null ? template : withTools ?? template).Render(new ChatTemplateInput
        {
            Messages = messages,
            Tools = tools,
            AddGenerationPrompt = addGenerationPrompt,
            SpecialTokens = specialTokens,
            Variables = variables is { ValueKind: JsonValueKind.Object } given
            ? given.EnumerateObject().ToDictionary(variable => variable.Name, variable => variable.Value)
            : new Dictionary<string, JsonElement>(),
            Now = now,
        }).Text;

    /// <summary>
    /// A prompt: the conversation, and the opening of the assistant's turn. Where the assistant has spoken last, its words are what the model goes on
    /// with, as with transformers' continue_final_message: nothing is written behind them.
    /// </summary>
    /// <inheritdoc cref="Render"/>
    /// <exception cref="InvalidDataException">The assistant's last words cannot be continued; continues "the row".</exception>
    public string RenderPrompt(JsonElement messages, JsonElement? tools = null, JsonElement? variables = null, DateTimeOffset? now = null)
    {
        JsonElement last = messages.EnumerateArray().LastOrDefault();
        bool assistant = last.ValueKind == JsonValueKind.Object && last.TryGetProperty("role", out JsonElement role)
            && role.ValueKind == JsonValueKind.String && role.ValueEquals("assistant");
        if (!assistant)
        {
            return Render(messages, tools, variables, addGenerationPrompt: true, now);
        }

        string text = Render(Marked(messages), tools, variables, addGenerationPrompt: false, now);
        int at = text.LastIndexOf(ContinuesHere.TrimEnd(), StringComparison.Ordinal);
        if (at < 0)
        {
            throw new InvalidDataException("ends with the assistant, whose words the chat template leaves out, so that they cannot be continued");
        }

        return string.CompareOrdinal(text, at, ContinuesHere, 0, ContinuesHere.Length) == 0 ? text[..at] : text[..at].TrimEnd();
    }

    /// <summary>The token that the template writes right behind the assistant's words; null where it writes none, or errs on a plain conversation.</summary>
    public AddedToken? TurnEnd(ITokenizer tokenizer)
    {
        const string words = "qzxjwords";
        string text;
        try
        {
            var messages = new[] { new { role = "user", content = "ask" }, new { role = "assistant", content = words } };
            text = Render(JsonSerializer.SerializeToElement(messages), addGenerationPrompt: false, now: DateTimeOffset.UnixEpoch);
        }
        catch (TemplateException)
        {
            return null;
        }

        int at = text.LastIndexOf(words, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        string behind = text[(at + words.Length)..].TrimStart(' ');
        AddedToken? found = tokenizer.AddedTokens
            .Where(token => token.Content.Length > 0 && behind.StartsWith(token.Content, StringComparison.Ordinal))
            .MaxBy(token => token.Content.Length);
        // What stands before the words as well is the opening of a turn, which some templates always write.
        return found is not null && text[..at].TrimEnd().EndsWith(found.Content, StringComparison.Ordinal) ? null : found;
    }

    private static JsonElement Marked(JsonElement messages)
    {
        JsonArray marked = JsonNode.Parse(messages.GetRawText())!.AsArray();
        JsonNode last = marked[^1]!;
        if (SpecialTokens.Text(last["content"]) is { } words)
        {
            last["content"] = words + ContinuesHere;
        }
        else if ((last["content"] as JsonArray)?.OfType<JsonObject>().LastOrDefault(part => SpecialTokens.Text(part["text"]) is not null) is { } part)
        {
            part["text"] = SpecialTokens.Text(part["text"]) + ContinuesHere;
        }
        else
        {
            throw new InvalidDataException("ends with the assistant, and its last message has no text to continue");
        }

        return JsonSerializer.SerializeToElement(marked);
    }

    private static (string Plain, string? WithTools)? Source(string folder)
    {
        string file = Path.Combine(folder, TemplateFile), further = Path.Combine(folder, FurtherTemplatesFolder);
        (string?, string?)[] own = File.Exists(file) ? [(DefaultName, File.ReadAllText(file))] : [];
        (string?, string?)[] others = Directory.Exists(further)
            ? [.. Directory.GetFiles(further, "*" + TemplateExtension).Order(StringComparer.Ordinal)
                .Select(other => (Path.GetFileNameWithoutExtension(other), File.ReadAllText(other)))]
            : [];
        if (own.Length + others.Length > 0)
        {
            return Named(further, [.. own, .. others]);
        }

        foreach (string name in new[] { SpecialTokens.ConfigFile, ProcessorTemplateFile })
        {
            file = Path.Combine(folder, name);
            switch (SpecialTokens.Json(file)?[TemplateKey])
            {
                case JsonValue text when text.TryGetValue(out string? source):
                    return (source, null);
                case JsonArray several:
                    return Named($"{file}: {TemplateKey}",
                        [.. several.OfType<JsonObject>().Select(entry => (SpecialTokens.Text(entry["name"]), SpecialTokens.Text(entry["template"])))]);
                default:
                    break;
            }
        }

        return null;
    }

    private static (string Plain, string? WithTools) Named(string place, (string? Name, string? Source)[] templates)
    {
        string? Find(string name) => templates.FirstOrDefault(template => template.Name == name).Source;
        return Find(DefaultName) is { } plain
            ? (plain, Find(ToolUseName))
            : throw new InvalidDataException(
                $"{place} holds the templates {string.Join(", ", templates.Select(template => template.Name))}, and none is named {DefaultName}; "
                + $"give the one you mean that name, or write it to a {TemplateFile}.");
    }
}
