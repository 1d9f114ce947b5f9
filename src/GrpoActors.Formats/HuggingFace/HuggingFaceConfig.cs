using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace GrpoActors.Formats.HuggingFace;

/// <summary>A decoder-only model's <c>config.json</c>, with the end-of-sequence ids of <c>generation_config.json</c>; defaults as in transformers.</summary>
/// <param name="ModelType">For example <c>llama</c>; the defaults below follow it.</param>
/// <param name="NumKeyValueHeads">Default: <paramref name="NumAttentionHeads"/>.</param>
/// <param name="HeadDim">Default: HiddenSize / NumAttentionHeads; 128 for qwen3, as in transformers.</param>
/// <param name="AttentionBias">Null where the key is absent: qwen2 then has biases on q, k and v, the others none.</param>
/// <param name="SlidingWindow">Tokens that attention reaches back; null for all. Also null where <c>use_sliding_window</c> is false.</param>
/// <param name="LayerTypes">For example <c>full_attention</c>, one for each layer; empty where the key is absent.</param>
/// <param name="ConfigEosTokenIds">Of config.json; empty where it has none.</param>
/// <param name="GenerationEosTokenIds">Of generation_config.json; empty where it has none.</param>
/// <param name="UnknownKeys">Keys that are neither read here nor known to leave log-probs alone; null values are left out. Whoever builds a model refuses what it does not know.</param>
public sealed record HuggingFaceConfig(
    string ModelType, ImmutableArray<string> Architectures, int VocabSize, int HiddenSize, int IntermediateSize, int NumHiddenLayers,
    int NumAttentionHeads, int NumKeyValueHeads, int HeadDim, int MaxPositionEmbeddings, double RmsNormEps, string HiddenAct,
    bool? AttentionBias, bool MlpBias, bool TieWordEmbeddings, double InitializerRange, double AttentionDropout, RopeParameters Rope,
    int? SlidingWindow, ImmutableArray<string> LayerTypes, ImmutableArray<int> ConfigEosTokenIds, ImmutableArray<int> GenerationEosTokenIds,
    int? BosTokenId, int? PadTokenId, string? Dtype,
    ImmutableSortedDictionary<string, JsonElement> UnknownKeys)
{
    public const string ConfigFile = "config.json";
    public const string GenerationConfigFile = "generation_config.json";

    private const string AdapterConfigFile = "adapter_config.json", PartialRotaryFactor = "partial_rotary_factor";

    // What transformers writes into published configurations and what no log-prob depends on.
    private static readonly string[] Harmless =
    [
        "_name_or_path", "_from_model_config", "transformers_version", "transformers.js_config", "use_cache", "unk_token_id", "sep_token_id", "decoder_start_token_id",
        "max_window_layers", "output_attentions", "output_hidden_states", "return_dict", "id2label", "label2id", "problem_type", "task_specific_params", "tokenizer_class",
        "is_decoder", "is_llama_config", "chunk_size_feed_forward", "gradient_checkpointing", "torchscript", "keys_to_ignore_at_inference", "max_length", "temperature", "do_sample", "top_p", "top_k",
        "_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "unsloth_fixed", "unsloth_version", "model_name",
        "_commit_hash", "auto_map", "custom_pipelines", "neftune_noise_alpha", "cache_implementation", "padding_side", "finetuning_task", "prefix",
        "tie_encoder_decoder", "cross_attention_hidden_size", "use_bfloat16", "tf_legacy_loss",
        // Settings of generation, which transformers 4 wrote here too.
        "min_length", "max_new_tokens", "min_new_tokens", "num_beams", "num_beam_groups", "diversity_penalty", "early_stopping", "typical_p",
        "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
        "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
        "suppress_tokens", "begin_suppress_tokens",
    ];

    /// <summary>Weights that only a quantiser's own kernels read. Refused by name where a model is built.</summary>
    public const string QuantizationKey = "quantization_config";

    /// <exception cref="HuggingFaceFormatException">Anything that is wrong in either file.</exception>
    /// <exception cref="IOException">config.json cannot be read.</exception>
    public static HuggingFaceConfig Read(string folder)
    {
        string config = Path.Combine(folder, ConfigFile), generation = Path.Combine(folder, GenerationConfigFile);
        if (!File.Exists(config))
        {
            string adapter = Path.Combine(folder, AdapterConfigFile);
            throw new HuggingFaceFormatException([File.Exists(adapter)
                ? $"{folder}: is a PEFT adapter ({AdapterConfigFile}){BaseOf(adapter)}, not a model; "
                    + "merge it into its base first (merge_and_unload, then save_pretrained), and name that folder."
                : $"{folder}: there is no {ConfigFile}; expected the folder of a Hugging Face model."]);
        }

        return Read(config, Load(config), generation, File.Exists(generation) ? Load(generation) : null);
    }

    private static string BaseOf(string adapter)
    {
        var unread = new List<string>();
        string? model = new JsonFields(adapter, "", JsonFields.Parse(adapter, Load(adapter)), unread).Text("base_model_name_or_path");
        return model is null ? "" : $" of {model}";
    }

    /// <summary>From the text of a <c>config.json</c> that lies in no folder.</summary>
    /// <param name="file">What messages call it.</param>
    public static HuggingFaceConfig Parse(string text, string file = ConfigFile) => Read(file, Encoding.UTF8.GetBytes(text), GenerationConfigFile, null);

    private static HuggingFaceConfig Read(string configFile, byte[] config, string generationFile, byte[]? generation)
    {
        var problems = new List<string>();
        var fields = new JsonFields(configFile, "", JsonFields.Parse(configFile, config), problems);
        ImmutableArray<int>? generationEos = generation is null
            ? null
            : new JsonFields(generationFile, "", JsonFields.Parse(generationFile, generation), problems).TokenIds("eos_token_id");
        HuggingFaceConfig read = Read(fields, generationEos);
        return problems.Count == 0 ? read : throw new HuggingFaceFormatException([.. problems]);
    }

    private static HuggingFaceConfig Read(JsonFields fields, ImmutableArray<int>? generationEos)
    {
        string modelType = fields.RequiredText("model_type");
        int hidden = fields.RequiredInt32("hidden_size"), heads = fields.RequiredInt32("num_attention_heads"), layers = fields.RequiredInt32("num_hidden_layers");
        int keyValueHeads = fields.Int32("num_key_value_heads") ?? heads;
        if (heads > 0 && heads % keyValueHeads != 0)
        {
            fields.Problem("num_key_value_heads", $"a divisor of num_attention_heads ({heads})", keyValueHeads);
        }

        int? headDim = fields.Int32("head_dim") ?? (modelType == "qwen3" ? 128 : null);
        if (headDim is null && heads > 0 && hidden % heads != 0)
        {
            fields.Problem("hidden_size", $"a multiple of num_attention_heads ({heads}), as there is no head_dim", hidden);
        }

        ImmutableArray<string> layerTypes = fields.Texts("layer_types");
        if (layerTypes.Length != 0 && layerTypes.Length != layers)
        {
            fields.Problem("layer_types", $"one entry for each of num_hidden_layers ({layers})", layerTypes.Length);
        }

        int? window = fields.Int32("sliding_window");
        int contextLength = fields.RequiredInt32("max_position_embeddings");
        string? dtype = fields.Text("dtype"), torchDtype = fields.Text("torch_dtype"); // transformers 4 wrote torch_dtype
        ImmutableArray<int>? eos = fields.TokenIds("eos_token_id");
        var read = new HuggingFaceConfig(
            modelType, fields.Texts("architectures"), fields.RequiredInt32("vocab_size"), hidden, fields.RequiredInt32("intermediate_size"), layers,
            heads, keyValueHeads, headDim ?? (heads > 0 ? hidden / heads : 0), contextLength, fields.Double("rms_norm_eps") ?? 1e-6, fields.Text("hidden_act") ?? "silu",
            fields.Flag("attention_bias"), fields.Flag("mlp_bias") ?? false, fields.Flag("tie_word_embeddings") ?? false,
            fields.Double("initializer_range") ?? 0.02, fields.Double("attention_dropout") ?? 0, ReadRope(fields, contextLength),
            fields.Flag("use_sliding_window") == false ? null : window, layerTypes, eos ?? [], generationEos ?? [],
            fields.Int32("bos_token_id", min: 0), fields.Int32("pad_token_id", min: -1), dtype ?? torchDtype,
            ImmutableSortedDictionary<string, JsonElement>.Empty);
        return read with { UnknownKeys = fields.Others().RemoveRange(Harmless).RemoveRange(WhereNeutral(fields.Others())) };
    }

    /// <summary>Ids that end a completion by either file.</summary>
    public ImmutableArray<int> EosTokenIds => [.. GenerationEosTokenIds.Union(ConfigEosTokenIds)];

    // Keys whose usual value leaves the mathematics as they are; another value makes them unknown.
    private static IEnumerable<string> WhereNeutral(ImmutableSortedDictionary<string, JsonElement> others) => others
        .Where(pair => pair.Key switch
        {
            "pretraining_tp" or PartialRotaryFactor => IsOne(pair.Value),
            "pruned_heads" => pair.Value.ValueKind == JsonValueKind.Object && pair.Value.GetPropertyCount() == 0,
            "rope_interleaved" or "is_encoder_decoder" or "add_cross_attention" or "use_mrope" => pair.Value.ValueKind == JsonValueKind.False,
            "residual_dropout" or "resid_pdrop" or "embd_pdrop" or "hidden_dropout" => pair.Value.ValueKind == JsonValueKind.Number && pair.Value.GetDouble() == 0,
            _ => false,
        })
        .Select(pair => pair.Key);

    private static bool IsOne(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 1;

    // transformers 5 writes rope_parameters, with rope_theta inside; transformers 4 wrote rope_theta beside rope_scaling, whose rope_type was once called type.
    private static RopeParameters ReadRope(JsonFields fields, int contextLength)
    {
        double? outerTheta = fields.Double("rope_theta", double.Epsilon);
        JsonFields? scaling = fields.Object("rope_scaling");
        if ((fields.Object("rope_parameters") ?? scaling) is not { } rope)
        {
            return new RopeParameters(outerTheta ?? RopeParameters.ThetaDefault, "default", 1, null, null, contextLength, ImmutableSortedDictionary<string, JsonElement>.Empty);
        }

        string? oldType = rope.Text("type");
        string type = rope.Text("rope_type") ?? oldType ?? "default";
        double? factor = rope.Double("factor", double.Epsilon);
        if (factor is null && type is "linear" or "llama3" or "dynamic" or "yarn")
        {
            rope.Problem("factor", $"a number, as rope_type is {type}", "none");
        }

        var read = new RopeParameters(
            rope.Double("rope_theta", double.Epsilon) ?? outerTheta ?? RopeParameters.ThetaDefault, type, factor ?? 1,
            rope.Double("low_freq_factor"), rope.Double("high_freq_factor"), rope.Int32("original_max_position_embeddings") ?? contextLength,
            ImmutableSortedDictionary<string, JsonElement>.Empty);
        if (type == "llama3" && (read.LowFreqFactor is null || read.HighFreqFactor is null))
        {
            rope.Problem(read.LowFreqFactor is null ? "low_freq_factor" : "high_freq_factor", "a number, as rope_type is llama3", "none");
        }

        ImmutableSortedDictionary<string, JsonElement> others = rope.Others();
        bool whole = others.TryGetValue(PartialRotaryFactor, out JsonElement share) && IsOne(share);
        return read with { UnknownKeys = whole ? others.Remove(PartialRotaryFactor) : others };
    }

    private static byte[] Load(string path)
    {
        long bytes = LinkedFile.LengthBytes(path);
        return bytes <= JsonFields.FileBytesMax
            ? File.ReadAllBytes(path)
            : throw new HuggingFaceFormatException([$"{path}: expected at most {JsonFields.FileBytesMax} bytes, found {bytes}."]);
    }
}

/// <summary>How positions rotate, from <c>rope_parameters</c> or the older <c>rope_theta</c> and <c>rope_scaling</c>.</summary>
/// <param name="Type"><c>default</c>, <c>linear</c>, <c>llama3</c>, or another that a model's builder refuses by name.</param>
/// <param name="Factor">1 for <c>default</c>.</param>
/// <param name="LowFreqFactor">llama3 only.</param>
/// <param name="OriginalMaxPositionEmbeddings">Default: max_position_embeddings.</param>
public sealed record RopeParameters(
    double Theta, string Type, double Factor, double? LowFreqFactor, double? HighFreqFactor, int OriginalMaxPositionEmbeddings,
    ImmutableSortedDictionary<string, JsonElement> UnknownKeys)
{
    public const double ThetaDefault = 10_000;
}
