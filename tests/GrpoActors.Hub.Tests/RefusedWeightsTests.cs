using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Hub.Tests;

/// <summary>Weights as trainers and tools leave them, under other names than the model's own.</summary>
public sealed class RefusedWeightsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("_orig_mod.", "its tensors are called '_orig_mod....', as torch.compile writes them; save the model that was compiled")]
    [InlineData("module.", "its tensors are called 'module....', as DistributedDataParallel and DeepSpeed write them; save the model inside")]
    [InlineData("module._orig_mod.", "as torch.compile writes them")]
    [InlineData("_fsdp_wrapped_module.", "as FSDP writes them")]
    [InlineData("base_model.model.", "as PEFT writes them; merge the adapter into its base")]
    [InlineData("policy.", "its tensors are called 'policy....', which is another architecture's layout")]
    public void A_prefix_is_named_with_what_wrote_it_and_what_to_do(string prefix, string says) =>
        Assert.Contains(says, Refused(name => prefix + name));

    [Fact]
    public void An_adapter_that_was_not_merged_is_called_one() => Assert.Contains(
        "its tensors are as PEFT writes them; merge the adapter into its base (merge_and_unload",
        Refused(name => name.Replace(".q_proj.weight", ".q_proj.base_layer.weight")));

    [Fact]
    public void Packed_weights_of_a_quantiser_are_called_so() => Assert.Contains(
        "its weights are quantised, and such weights are not read", Refused(name => name.Replace("proj.weight", "proj.qweight")));

    [Fact]
    public void A_tensor_that_is_nowhere_is_missing_and_no_more() => Assert.EndsWith(
        "which the model's config.json calls for.", Refused(name => name.Replace("model.norm.weight", "model.layers.0.norm2.weight")));

    private string Refused(Func<string, string> renamed)
    {
        TinyModelFolder.Create(folder.Path);
        PolicyWeights weights = Initialisation.Random(ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder.Path)), new SeedTree(11));
        SafetensorsWriter.WriteFolder(
            weights.Tensors.Select(tensor => new TensorSource(renamed(tensor.Name), tensor.Shape, tensor.Values)), WeightType.F32, long.MaxValue, name => File.Create(folder.File(name)));
        using PretrainedModel model = PretrainedModel.Open(folder.Path);
        return Assert.Throws<SafetensorsFormatException>(() => model.Weights).Message;
    }
}
