using System.Text.Json.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Composition;

/// <summary>Fills in a run file's model description what follows from its tokenizer, so that it is a whole <c>config.json</c>.</summary>
internal static class ModelDescription
{
    /// <param name="config">JSON object; keys that stand in it are left as they are.</param>
    public static string Complete(string config, ITokenizer tokenizer, TokenizerOptions options)
    {
        JsonObject complete = JsonNode.Parse(config)!.AsObject();
        Fill(complete, "architectures", new JsonArray("LlamaForCausalLM"));
        Fill(complete, "model_type", "llama");
        Fill(complete, "vocab_size", tokenizer.VocabularySize);
        Fill(complete, "pad_token_id", tokenizer.TokenId(options.PadToken));
        Fill(complete, "bos_token_id", tokenizer.TokenId(options.BosToken));
        Fill(complete, "eos_token_id", tokenizer.TokenId(options.EosToken));
        Fill(complete, "hidden_act", "silu");
        Fill(complete, "rms_norm_eps", 1e-5);
        Fill(complete, "initializer_range", 0.02);
        Fill(complete, "tie_word_embeddings", true);
        Fill(complete, "max_position_embeddings", 128);
        return complete.ToJsonString();
    }

    private static void Fill(JsonObject config, string key, JsonNode? value)
    {
        if (!config.ContainsKey(key))
        {
            config[key] = value;
        }
    }
}
