using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Templates.Tests;

public sealed class PublishedTemplateTests
{
    private const string TemplatesPath = "tokenizers/templates.json";

    [AssetFact("fixtures/" + TemplatesPath, TemplatesPath)]
    public void Every_published_template_renders_or_errs_as_transformers_does()
    {
        using var goldens = PublishedAssets.Read("fixtures/" + TemplatesPath, TemplatesPath);
        var differences = new List<string>();
        int rows = 0;
        foreach (var published in goldens.RootElement.EnumerateObject())
        {
            var template = ChatTemplate.Parse(published.Value.GetProperty("template").GetString()!);
            foreach (var row in published.Value.GetProperty("rows").EnumerateArray())
            {
                rows++;
                string expected = row.TryGetProperty("text", out var text) ? text.GetString()! : "error: " + Reason(row);
                string found = Rendered(template, Input(row));
                if (found != expected)
                {
                    differences.Add($"{published.Name}, {row.GetProperty("chat").GetString()}:\n  expected {expected}\n  found    {found}");
                }
            }
        }
        Assert.True(differences.Count == 0, $"{differences.Count} of {rows} differ:\n{string.Join("\n", differences.Take(10))}");
        Assert.Equal(704, rows);
    }

    /// <summary>The reference's message without the name of the exception's class.</summary>
    private static string Reason(JsonElement row)
    {
        string error = row.GetProperty("error").GetString()!;
        return error[(error.IndexOf(": ", StringComparison.Ordinal) + 2)..];
    }

    private static string Rendered(ChatTemplate template, ChatTemplateInput input)
    {
        try
        {
            var chat = template.Render(input);
            return chat.AssistantSpans.Count > 0 && !template.MarksAssistant ? "spans without a generation block" : chat.Text;
        }
        catch (TemplateException error)
        {
            return "error: " + error.Reason;
        }
    }

    private static ChatTemplateInput Input(JsonElement row) => new()
    {
        Messages = row.GetProperty("messages"),
        Tools = row.GetProperty("tools"),
        AddGenerationPrompt = row.GetProperty("add_generation_prompt").GetBoolean(),
        Variables = row.GetProperty("variables").EnumerateObject().ToDictionary(v => v.Name, v => v.Value),
        Now = new DateTimeOffset(2024, 7, 26, 0, 0, 0, TimeSpan.Zero),
    };

    [AssetFact("models/smollm2-135m-instruct/chat_template.jinja")]
    public void SmolLM2_renders_its_chats() => RendersItsChats("smollm2", "models/smollm2-135m-instruct");

    [AssetFact("tokenizers/qwen3/tokenizer_config.json")]
    public void Qwen3_renders_its_chats() => RendersItsChats("qwen3", "tokenizers/qwen3");

    [AssetFact("tokenizers/llama3/tokenizer_config.json")]
    public void Llama3_renders_its_chats() => RendersItsChats("llama3", "tokenizers/llama3");

    [AssetFact("tokenizers/deepseek_v3/tokenizer_config.json")]
    public void DeepSeek_V3_renders_its_chats() => RendersItsChats("deepseek_v3", "tokenizers/deepseek_v3");

    [AssetFact("tokenizers/gemma3/tokenizer_config.json")]
    public void Gemma3_renders_its_chats() => RendersItsChats("gemma3", "tokenizers/gemma3");

    private static void RendersItsChats(string name, string folder)
    {
        using var config = PublishedAssets.Read(folder + "/tokenizer_config.json");
        var template = ChatTemplate.Parse(PublishedAssets.Find(folder + "/chat_template.jinja") is { } file
            ? File.ReadAllText(file)
            : config.RootElement.GetProperty("chat_template").GetString()!);
        using var goldens = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Goldens", "tokenizers.json")));
        var chats = goldens.RootElement.GetProperty(name).GetProperty("chats");
        Assert.Equal(6, chats.GetArrayLength());
        foreach (var chat in chats.EnumerateArray())
        {
            var rendered = template.Render(new ChatTemplateInput
            {
                Messages = chat.GetProperty("messages"),
                AddGenerationPrompt = chat.GetProperty("add_generation_prompt").GetBoolean(),
                SpecialTokens = SpecialTokens(config.RootElement),
            });
            Assert.Equal(chat.GetProperty("text").GetString(), rendered.Text);
        }
    }

    private static Dictionary<string, string> SpecialTokens(JsonElement config) => config.EnumerateObject()
        .Where(p => p.Name.EndsWith("_token", StringComparison.Ordinal) && p.Value.ValueKind is JsonValueKind.String or JsonValueKind.Object)
        .ToDictionary(p => p.Name, p => p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString()! : p.Value.GetProperty("content").GetString()!);
}
