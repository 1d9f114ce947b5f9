using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core;
using GrpoActors.Text;

namespace GrpoActors.Hub;

/// <summary>
/// The tokens of a Hugging Face folder that have a name of their own, such as <c>eos_token</c>: of <c>tokenizer_config.json</c>, else of
/// <c>special_tokens_map.json</c>.
/// </summary>
internal static class SpecialTokens
{
    public const string Eos = "eos_token";
    public const string ConfigFile = "tokenizer_config.json";

    private const string MapFile = "special_tokens_map.json";

    /// <exception cref="InvalidDataException">A file is no JSON of the usual form.</exception>
    public static ImmutableSortedDictionary<string, string> Read(string folder)
    {
        var tokens = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        Add(tokens, Json(Path.Combine(folder, MapFile)));
        Add(tokens, Json(Path.Combine(folder, ConfigFile)));
        return tokens.ToImmutable();
    }

    /// <returns>Null where there is no such file.</returns>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static JsonObject? Json(string file)
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
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file}: is no valid JSON at line {e.LineNumber + 1}: {JsonFault.Words(e)}.", e);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{file}: is no valid JSON: a key is given twice.", e);
        }
    }

    public static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static void Add(ImmutableSortedDictionary<string, string>.Builder tokens, JsonObject? from)
    {
        foreach (string name in DeclaredTokens.Names)
        {
            // A token is its text, or an object that describes it.
            if ((Text(from?[name]) ?? Text((from?[name] as JsonObject)?["content"])) is { } token)
            {
                tokens[name] = token;
            }
        }
    }
}
