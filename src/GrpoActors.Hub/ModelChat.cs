using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core;
using GrpoActors.Text.Templates;

namespace GrpoActors.Hub;

/// <summary>A model's chat template with its special tokens. Immutable; any number of threads may render.</summary>
public sealed class ModelChat
{
    private const string TemplateFile = "chat_template.jinja";
    private const string TokenizerConfigFile = "tokenizer_config.json";
    private const string SpecialTokensFile = "special_tokens_map.json";

    // What transformers hands to a template: the tokens that have a name of their own.
    private static readonly string[] TokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly ChatTemplate template;
    private readonly ImmutableSortedDictionary<string, string> specialTokens;

    private ModelChat(string source, ImmutableSortedDictionary<string, string> specialTokens)
    {
        template = ChatTemplate.Parse(source);
        this.specialTokens = specialTokens;
        Sha256 = Digest.Of(source);
    }

    /// <summary>Of the template's text in UTF-8.</summary>
    public Digest Sha256 { get; }

    /// <summary>The template of a Hugging Face folder: <c>chat_template.jinja</c>, else <c>chat_template</c> of <c>tokenizer_config.json</c> (of several, the one named default).</summary>
    /// <param name="folder">Null for a model without one.</param>
    /// <param name="ownTemplate">A Jinja file that is used instead.</param>
    /// <returns>Null where there is no template.</returns>
    /// <exception cref="TemplateException">It is no template.</exception>
    /// <exception cref="InvalidDataException">A file beside it is no JSON of the usual form.</exception>
    public static ModelChat? Read(string? folder, string? ownTemplate = null)
    {
        JsonObject? config = folder is null ? null : Json(Path.Combine(folder, TokenizerConfigFile));
        string? source = ownTemplate is not null ? File.ReadAllText(ownTemplate) : folder is null ? null : Source(folder, config);
        if (source is null)
        {
            return null;
        }

        var tokens = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        AddTokens(tokens, folder is null ? null : Json(Path.Combine(folder, SpecialTokensFile)));
        AddTokens(tokens, config);
        return new ModelChat(source, tokens.ToImmutable());
    }

    /// <param name="messages">An array of objects with <c>role</c> and <c>content</c>.</param>
    /// <param name="variables">JSON object of further template variables; null: none.</param>
    /// <param name="addGenerationPrompt">Ends with the opening of the assistant's turn.</param>
    /// <param name="now">What strftime_now reads; absent, a template that asks for the date is refused, so that a run depends on no clock.</param>
    /// <exception cref="TemplateException">The template errs on these messages or refuses them.</exception>
    public string Render(JsonElement messages, JsonElement? tools = null, JsonElement? variables = null, bool addGenerationPrompt = true, DateTimeOffset? now = null) => template.Render(new ChatTemplateInput
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

    private static string? Source(string folder, JsonObject? config)
    {
        string file = Path.Combine(folder, TemplateFile);
        if (File.Exists(file))
        {
            return File.ReadAllText(file);
        }

        return config?["chat_template"] switch
        {
            JsonValue text when text.TryGetValue(out string? source) => source,
            JsonArray several => several.OfType<JsonObject>().FirstOrDefault(named => Text(named["name"]) == "default")?["template"] is { } source ? Text(source) : null,
            _ => null,
        };
    }

    private static void AddTokens(ImmutableSortedDictionary<string, string>.Builder tokens, JsonObject? from)
    {
        foreach (string name in TokenNames)
        {
            // A token is its text, or an object that describes it.
            if ((Text(from?[name]) ?? Text((from?[name] as JsonObject)?["content"])) is { } token)
            {
                tokens[name] = token;
            }
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static JsonObject? Json(string file)
    {
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(File.ReadAllText(file, Encoding.UTF8)) as JsonObject
                ?? throw new InvalidDataException($"{file}: expected a JSON object.");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"{file}: is no valid JSON: {e.Message}", e);
        }
    }
}
