using System.Text.Json;
using GrpoActors.Formats.HuggingFace;

namespace GrpoActors.Engine.Models;

/// <summary>A model that this program does not calculate. All reasons at once.</summary>
public sealed class UnsupportedModelException(IReadOnlyList<string> problems) : Exception(string.Join(Environment.NewLine, problems))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>From a Hugging Face configuration to a model that the engines calculate.</summary>
public static class ModelSpecs
{
    /// <summary>The values of <c>model_type</c> that are supported.</summary>
    public static readonly IReadOnlyList<string> ModelTypes = ["llama", "mistral", "qwen2", "qwen3"];

    // Far beyond any model of these families, and small enough that sizes and tables stay within bounds.
    private const int WidthMax = 1 << 24, HeadsMax = 1 << 12, LayersMax = 1 << 12, ContextMax = 1 << 21;

    private const string Supported =
        "Supported are model_type llama, mistral, qwen2 and qwen3 with hidden_act silu, rope_type default, linear or llama3, full attention, and biases on q, k and v for qwen2 only.";

    /// <exception cref="UnsupportedModelException">Another architecture, or a setting that changes the mathematics and is not supported.</exception>
    public static ModelSpec FromConfig(HuggingFaceConfig config)
    {
        var problems = new List<string>();
        void Refuse(bool refused, string problem)
        {
            if (refused)
            {
                problems.Add($"{problem} {Supported}");
            }
        }

        Refuse(!ModelTypes.Contains(config.ModelType), $"model_type: is '{config.ModelType}', which is not supported.");
        Refuse(config.HiddenAct != "silu", $"hidden_act: is '{config.HiddenAct}', which is not supported.");
        Refuse(config.MlpBias, "mlp_bias: is true; a feed-forward part with biases is not supported.");
        Refuse(config.AttentionBias == true && config.ModelType != "qwen2", $"attention_bias: is true; a {config.ModelType} model has a bias on o_proj then, which is not supported.");
        Refuse(config.AttentionDropout != 0, $"attention_dropout: is {config.AttentionDropout}; dropout is not supported.");
        Refuse(config.SlidingWindow is { } window && window < config.MaxPositionEmbeddings,
            $"sliding_window: is {config.SlidingWindow}, less than max_position_embeddings ({config.MaxPositionEmbeddings}); a sliding window is not supported.");
        Refuse(config.LayerTypes.Any(type => type is not ("full_attention" or "sliding_attention")),
            $"layer_types: holds '{config.LayerTypes.FirstOrDefault(type => type is not ("full_attention" or "sliding_attention"))}', which is not supported.");
        Refuse(config.Rope.Type is not ("default" or "linear" or "llama3"), $"rope_parameters.rope_type: is '{config.Rope.Type}', which is not supported.");
        Refuse(!config.Rope.UnknownKeys.IsEmpty, $"rope_parameters: holds {string.Join(", ", config.Rope.UnknownKeys.Keys)}, which this program does not know.");
        if (config.UnknownKeys.TryGetValue(HuggingFaceConfig.QuantizationKey, out JsonElement quantization))
        {
            problems.Add(
                $"{HuggingFaceConfig.QuantizationKey}: the weights are quantised{Method(quantization)}, and such weights are not read; "
                + "take the model that was not quantised, or save it dequantised (model.dequantize(), then save_pretrained).");
        }

        string[] unknown = [.. config.UnknownKeys.Keys.Where(key => key != HuggingFaceConfig.QuantizationKey)];
        Refuse(unknown.Length > 0, $"config.json: holds {string.Join(", ", unknown)}, which this program does not know and which may change the mathematics.");
        foreach ((string key, long found, int most) in (ReadOnlySpan<(string, long, int)>)
            [("hidden_size", config.HiddenSize, WidthMax), ("intermediate_size", config.IntermediateSize, WidthMax), ("vocab_size", config.VocabSize, WidthMax),
             ("num_attention_heads", config.NumAttentionHeads, HeadsMax), ("num_hidden_layers", config.NumHiddenLayers, LayersMax), ("max_position_embeddings", config.MaxPositionEmbeddings, ContextMax)])
        {
            Refuse(found > most, $"{key}: is {found}; at most {most} is expected.");
        }

        Refuse(config.HeadDim % 4 != 0 || config.HeadDim > 256, $"head_dim: is {config.HeadDim}; a multiple of 4 up to 256 is expected.");
        if (problems.Count > 0)
        {
            throw new UnsupportedModelException(problems);
        }

        ModelSpec spec = Spec(config);
        _ = new ModelLayout(spec); // refuses what no buffer holds
        return spec;
    }

    private static string Method(JsonElement quantization) =>
        quantization.ValueKind == JsonValueKind.Object && quantization.TryGetProperty("quant_method", out JsonElement method)
        && method.ValueKind == JsonValueKind.String
            ? $" ({method.GetString()})"
            : "";

    private static ModelSpec Spec(HuggingFaceConfig config) => new(
        config.ModelType, config.VocabSize, config.HiddenSize, config.IntermediateSize, config.NumHiddenLayers, config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim,
        config.MaxPositionEmbeddings, config.RmsNormEps, AttentionBias: config.ModelType == "qwen2", QkNorm: config.ModelType == "qwen3", config.TieWordEmbeddings,
        new RopeSpec(
            config.Rope.Theta, config.Rope.Type == "default" ? null : config.Rope.Type, config.Rope.Factor, config.Rope.LowFreqFactor ?? 1, config.Rope.HighFreqFactor ?? 4,
            config.Rope.OriginalMaxPositionEmbeddings),
        config.InitializerRange, config.EosTokenIds);
}
