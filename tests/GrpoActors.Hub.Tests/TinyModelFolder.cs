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

    /// <summary>Gives a folder a tokenizer like Llama's instead: a blank before the text; some words of several characters (16: 68, 17: ▁a) and one across a blank (18: ▁ab).</summary>
    public static void UseSentencePiece(string folder) => File.WriteAllText(Path.Combine(folder, "tokenizer.json"), """
        {"added_tokens":[{"id":0,"content":"<pad>","special":true},{"id":1,"content":"<bos>","special":true},{"id":2,"content":"<eos>","special":true}],"normalizer":null,
         "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<bos>":{"ids":[1]}}},
         "decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
         "model":{"type":"BPE","unk_token":"<pad>","vocab":{"<pad>":0,"<bos>":1,"<eos>":2,"▁":3,"2":4,"3":5,"4":6,"5":7,"6":8,"8":9,"+":10,"=":11,"a":12,"b":13,"[":14,"]":15,"68":16,"▁a":17,"▁ab":18,"ab":19},
                  "merges":[["6","8"],["▁","a"],["a","b"],["▁a","b"]]}}
        """);
}
