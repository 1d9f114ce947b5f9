using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Templates.Tests;

/// <summary>Every construct of the language on hand-made templates, against what jinja2 makes of them.</summary>
public sealed class ConstructTests
{
    private static readonly Lazy<JsonDocument> Goldens = new(() => JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Goldens", "Templates", "constructs.json"))));

    public static TheoryData<string> Groups => [.. Goldens.Value.RootElement.GetProperty("cases").EnumerateArray()
        .Select(c => c.GetProperty("group").GetString()!).Distinct()];

    [Theory]
    [MemberData(nameof(Groups))]
    public void A_construct_gives_jinja2s_text_or_errs_where_jinja2_does(string group)
    {
        var variables = Goldens.Value.RootElement.GetProperty("variables").EnumerateObject().ToDictionary(v => v.Name, v => v.Value);
        var differences = new List<string>();
        foreach (var golden in Goldens.Value.RootElement.GetProperty("cases").EnumerateArray())
        {
            if (golden.GetProperty("group").GetString() != group)
            {
                continue;
            }
            string template = golden.GetProperty("template").GetString()!;
            string? expected = golden.TryGetProperty("text", out var text) ? text.GetString() : null;
            string? found = Rendered(template, variables, out string reason);
            if (found != expected)
            {
                differences.Add($"{template}\n  expected {expected ?? golden.GetProperty("error").GetString()}\n  found    {found ?? reason}");
            }
        }
        Assert.True(differences.Count == 0, string.Join("\n", differences));
    }

    private static string? Rendered(string template, Dictionary<string, JsonElement> variables, out string reason)
    {
        reason = "";
        try
        {
            return ChatTemplate.Parse(template).Render(new ChatTemplateInput
            {
                Messages = JsonDocument.Parse("[]").RootElement,
                Variables = variables,
                Now = new DateTimeOffset(2024, 7, 6, 9, 5, 3, TimeSpan.Zero),
            }).Text;
        }
        catch (TemplateException error)
        {
            reason = error.Message;
            return null;
        }
    }
}
