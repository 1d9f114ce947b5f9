using System.Text.Json.Nodes;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Text;

namespace GrpoActors.Hub.Tests;

/// <summary>A Hugging Face folder small enough for a unit test: random weights, one token a character, a chat template.</summary>
public static class TinyModelFolder
{
    public const string Template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% if mood is defined %}{{ mood }}{% endif %}{% endif %}";

    public static string Create(string folder, string? template = Template, string? templateInConfig = null, WeightType type = WeightType.F32, string modelType = "llama", bool tied = true, long shardBytesMax = long.MaxValue)
    {
        Directory.CreateDirectory(folder);
        var tokenizer = CharacterTokenizer.Create("0123456789+-= abcdefghijklmnopqrstuvwxyz[]\n", ["<pad>", "<bos>", "<eos>"], ["<think>"]);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJson());
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("LlamaForCausalLM"),
            ["model_type"] = modelType,
            ["vocab_size"] = tokenizer.VocabularySize,
            ["hidden_size"] = 16,
            ["intermediate_size"] = 32,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 2,
            ["num_key_value_heads"] = 1,
            ["head_dim"] = 8,
            ["max_position_embeddings"] = 64,
            ["rms_norm_eps"] = 1e-5,
            ["tie_word_embeddings"] = tied,
            ["eos_token_id"] = 2,
        };
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), "{\"eos_token_id\": [2, 0], \"bos_token_id\": 1}\n");
        var tokenizerConfig = new JsonObject { ["bos_token"] = new JsonObject { ["content"] = "<bos>" }, ["eos_token"] = "<eos>" };
        if (templateInConfig is not null)
        {
            tokenizerConfig["chat_template"] = templateInConfig;
        }

        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), tokenizerConfig.ToJsonString());
        if (template is not null)
        {
            File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), template);
        }

        PolicyWeights weights = Initialisation.Random(ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder)), new SeedTree(11));
        SafetensorsWriter.WriteFolder(
            weights.Tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values)), type, shardBytesMax, name => File.Create(Path.Combine(folder, name)));
        return folder;
    }
}
