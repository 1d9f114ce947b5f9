using GrpoActors.Core;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class ModelSpecsTests
{
    private const string Config = """
        {
          "model_type": "mistral", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "eos_token_id": 2 REST
        }
        """;

    [Theory]
    [InlineData("")]
    [InlineData(""", "sliding_window": null""")]
    [InlineData(""", "sliding_window": 128""")]
    [InlineData(""", "rope_scaling": {"rope_type": "linear", "factor": 2.0}""")]
    public void Settings_that_are_calculated_are_taken(string rest)
    {
        ModelSpec spec = ModelSpecs.FromConfig(HuggingFaceConfig.Parse(Config.Replace("REST", rest, StringComparison.Ordinal)));
        Assert.Equal((8, 2, true, 128), (spec.HeadDim, spec.KeyValueHeads, spec.TiedHead, spec.ContextLength));
        Assert.Equal([2], spec.EosTokens);
    }

    [Theory]
    [InlineData(""", "sliding_window": 64""", "sliding_window: is 64")]
    [InlineData(""", "hidden_act": "gelu" """, "hidden_act: is 'gelu'")]
    [InlineData(""", "mlp_bias": true""", "mlp_bias")]
    [InlineData(""", "attention_bias": true""", "attention_bias")]
    [InlineData(""", "rope_scaling": {"rope_type": "yarn", "factor": 2.0}""", "rope_type: is 'yarn'")]
    [InlineData(""", "logit_scale": 0.5""", "logit_scale")]
    public void Settings_that_change_the_mathematics_are_refused_by_name(string rest, string named)
    {
        var refused = Assert.Throws<UnsupportedModelException>(() => ModelSpecs.FromConfig(HuggingFaceConfig.Parse(Config.Replace("REST", rest, StringComparison.Ordinal))));
        Assert.Contains(named, Assert.Single(refused.Problems), StringComparison.Ordinal);
        Assert.Contains("Supported are", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quantised_weights_are_called_so_with_what_to_do()
    {
        var refused = Assert.Throws<UnsupportedModelException>(() => ModelSpecs.FromConfig(HuggingFaceConfig.Parse(Config.Replace(
            "REST", """, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}""", StringComparison.Ordinal))));
        Assert.StartsWith("quantization_config: the weights are quantised (bitsandbytes), and such weights are not read; take the model that was not quantised", Assert.Single(refused.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000", "num_hidden_layers: is 2000000000; at most 4096")]
    [InlineData("\"max_position_embeddings\": 128", "\"max_position_embeddings\": 2000000000", "max_position_embeddings: is 2000000000; at most 2097152")]
    [InlineData("\"vocab_size\": 64", "\"vocab_size\": 2000000000", "vocab_size: is 2000000000; at most 16777216")]
    [InlineData("\"intermediate_size\": 48", "\"intermediate_size\": 16000000, \"head_dim\": 8", "The model has more than")]
    [InlineData("\"hidden_size\": 32", "\"hidden_size\": 16000000, \"head_dim\": 8", "The model has more than")]
    public void A_model_that_is_too_large_is_refused_by_its_numbers(string usual, string large, string named)
    {
        string config = Config.Replace("REST", "", StringComparison.Ordinal).Replace(usual, large, StringComparison.Ordinal);
        if (named.StartsWith("The", StringComparison.Ordinal))
        {
            config = config.Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 64", StringComparison.Ordinal);
        }

        var refused = Assert.Throws<UnsupportedModelException>(() => ModelSpecs.FromConfig(HuggingFaceConfig.Parse(config)));
        Assert.StartsWith(named, Assert.Single(refused.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_architecture_is_refused_with_the_list_of_what_is_supported()
    {
        var refused = Assert.Throws<UnsupportedModelException>(() => ModelSpecs.FromConfig(HuggingFaceConfig.Parse(Config.Replace("mistral", "mamba", StringComparison.Ordinal).Replace("REST", "", StringComparison.Ordinal))));
        Assert.Contains("'mamba'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("llama, mistral, qwen2 and qwen3", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_weights_are_a_function_of_the_seed_with_the_deviation_of_the_configuration()
    {
        ModelSpec spec = MicroModel.Spec();
        PolicyWeights one = Initialisation.Random(spec, new SeedTree(1)), again = Initialisation.Random(spec, new SeedTree(1)), other = Initialisation.Random(spec, new SeedTree(2));
        Assert.Equal(one.Policy, again.Policy);
        Assert.NotEqual(one.Policy, other.Policy);
        Assert.Equal(one.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal), one.Tensors.Select(tensor => tensor.Name));
        double squares = 0, count = 0;
        foreach (NamedTensor tensor in one.Tensors)
        {
            if (tensor.Shape.Length == 1)
            {
                Assert.All(tensor.Values.ToArray(), value => Assert.Equal(tensor.Name.EndsWith("bias", StringComparison.Ordinal) ? 0f : 1f, value));
                continue;
            }

            squares += tensor.Values.ToArray().Sum(value => (double)value * value);
            count += tensor.Values.Length;
        }

        Assert.Equal(spec.InitializerRange, Math.Sqrt(squares / count), 0.02 * spec.InitializerRange);
    }

    [Fact]
    public void Weights_of_another_shape_are_refused_by_name()
    {
        PolicyWeights weights = MicroModel.Weights(MicroModel.Spec());
        NamedTensor[] tensors = [.. weights.Tensors];
        tensors[3] = tensors[3] with { Shape = [1, tensors[3].Values.Length] };
        var refused = Assert.Throws<ArgumentException>(() => MicroModel.Trainer(MicroModel.Spec(), weights with { Tensors = tensors }));
        Assert.Contains(tensors[3].Name, refused.Message, StringComparison.Ordinal);
        refused = Assert.Throws<ArgumentException>(() => MicroModel.Trainer(MicroModel.Spec(), weights with { Tensors = [.. weights.Tensors.Skip(1)] }));
        Assert.Contains(weights.Tensors[0].Name, refused.Message, StringComparison.Ordinal);
        refused = Assert.Throws<ArgumentException>(() => MicroModel.Trainer(MicroModel.Spec(qkNorm: false), weights));
        Assert.Contains("q_norm", refused.Message, StringComparison.Ordinal);
    }
}
