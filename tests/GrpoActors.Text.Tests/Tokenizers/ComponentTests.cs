using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>Every supported component, alone and combined, against Hugging Face's library.</summary>
public class ComponentTests
{
    private static readonly Lazy<JsonNode> Goldens =
        new(() => JsonNode.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Goldens", "components.json")))!);

    // (?i)ß also matches "ss" there; here one character never folds to two.
    private static readonly HashSet<string> Deviating = ["rx_ci"];

    public static TheoryData<string> Names => [.. Goldens.Value["cases"]!.AsArray().Select(golden => golden!["name"]!.GetValue<string>()).Except(Deviating)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_component_equals_the_published_library(string name)
    {
        var golden = Goldens.Value["cases"]!.AsArray().Single(entry => entry!["name"]!.GetValue<string>() == name)!;
        var tokenizer = Tokenizers.Parse(Json(golden), name);
        foreach (var row in golden["rows"]!.AsArray())
        {
            string text = row!["text"]!.GetValue<string>();
            int[] ids = [.. row["ids"]!.AsArray().Select(id => id!.GetValue<int>())];
            Assert.Equal(ids, tokenizer.Encode(text, addSpecialTokens: true));
            Assert.Equal(row["decoded"]!.GetValue<string>(), tokenizer.Decode(ids));
            Assert.Equal(row["decoded"]!.GetValue<string>(), Streamed.Text(tokenizer, ids));
        }
    }

    internal static byte[] Json(JsonNode golden)
    {
        var json = Goldens.Value["bases"]![golden["base"]!.GetValue<string>()]!.DeepClone();
        foreach (var (key, value) in golden["changes"]!.AsObject())
        {
            if (key != "model")
            {
                json[key] = value?.DeepClone();
                continue;
            }

            foreach (var (setting, changed) in value!.AsObject())
            {
                json["model"]![setting] = changed?.DeepClone();
            }
        }

        return Encoding.UTF8.GetBytes(json.ToJsonString(new JsonSerializerOptions()));
    }
}

internal static class Streamed
{
    public static string Text(ITokenizer tokenizer, ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var stream = tokenizer.Stream(skipSpecialTokens);
        var text = new StringBuilder();
        foreach (int id in ids)
        {
            string piece = stream.Push(id);
            Assert.False(piece.Length > 0 && (char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0])), "A piece ends within a character.");
            text.Append(piece);
        }

        return text.Append(stream.Finish()).ToString();
    }
}
