using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>Ids and texts as Hugging Face's library gives them.</summary>
public class GoldenTests
{
    [Fact]
    public void SmolLM2_equals_the_published_library() => EqualsGolden("smollm2");

    [PublishedFact("qwen3")]
    public void Qwen3_equals_the_published_library() => EqualsGolden("qwen3");

    [PublishedFact("llama3")]
    public void Llama3_equals_the_published_library() => EqualsGolden("llama3");

    [PublishedFact("deepseek_v3")]
    public void DeepSeekV3_equals_the_published_library() => EqualsGolden("deepseek_v3");

    [PublishedFact("gemma3")]
    public void Gemma3_equals_the_published_library() => EqualsGolden("gemma3");

    private static void EqualsGolden(string name)
    {
        var tokenizer = PublishedTokenizers.Load(name);
        var golden = PublishedTokenizers.Golden(name);
        Assert.Equal(golden.GetProperty("vocab").GetInt32(), tokenizer.VocabularySize);
        Assert.Equal(golden.GetProperty("eos_id").GetInt32(), tokenizer.TokenId(golden.GetProperty("eos").GetString()!));
        foreach (var row in golden.GetProperty("texts").EnumerateArray())
        {
            string text = row.GetProperty("text").GetString()!;
            int[] ids = Ids(row.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(Ids(row.GetProperty("with_special")), tokenizer.Encode(text, addSpecialTokens: true));
            Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode(ids));
            Assert.Equal(row.GetProperty("decoded").GetString(), Streamed.Text(tokenizer, ids));
        }

        foreach (var chat in golden.GetProperty("chats").EnumerateArray())
        {
            string text = chat.GetProperty("text").GetString()!;
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    private static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];
}
