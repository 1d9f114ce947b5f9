using System.Collections.Concurrent;
using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>The tokenizers that goldens exist for. SmolLM2's stands beside the tests; the others are big and may be absent.</summary>
internal static class PublishedTokenizers
{
    private static readonly ConcurrentDictionary<string, Lazy<ITokenizer>> Loaded = new();

    private static readonly Lazy<JsonDocument> Goldens = new(() => JsonDocument.Parse(File.ReadAllBytes(InTests("tokenizers.json"))));

    public static ITokenizer Load(string name) => Loaded.GetOrAdd(name, key => new(() => Tokenizers.Load(PathOf(key)!))).Value;

    public static JsonElement Golden(string name) => Goldens.Value.RootElement.GetProperty(name);

    public static string? PathOf(string name)
    {
        if (name == "smollm2")
        {
            return InTests("smollm2.tokenizer.json");
        }

        string?[] roots =
        [
            Environment.GetEnvironmentVariable("GRPO_ASSETS"),
            Path.Combine(
                Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
                    ? cache
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
                "grpo-actors"),
        ];
        return roots.OfType<string>().Where(root => root.Length > 0)
            .Select(root => Path.Combine(root, "tokenizers", name, "tokenizer.json"))
            .FirstOrDefault(File.Exists);
    }

    private static string InTests(string file) => Path.Combine(AppContext.BaseDirectory, "Goldens", file);
}

/// <summary>A test of one published tokenizer, skipped with the reason where its file is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PublishedFactAttribute : FactAttribute
{
    public PublishedFactAttribute(string name)
    {
        if (PublishedTokenizers.PathOf(name) is null)
        {
            Skip = $"The tokenizer {name} is not on this machine: set GRPO_ASSETS to a folder that holds tokenizers/{name}/tokenizer.json.";
        }
    }
}
