using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Cluster.Tests.Bulk;

/// <summary>Weights of models small enough to look at every byte.</summary>
internal static class TinyWeights
{
    public static ModelSpec Spec(int hidden = 8) => new(
        "llama", VocabularySize: 13, HiddenSize: hidden, IntermediateSize: 12, Layers: 2, Heads: 2, KeyValueHeads: 1, HeadDim: 4, ContextLength: 16,
        RmsNormEpsilon: 1e-6, AttentionBias: false, QkNorm: false, TiedHead: true, new RopeSpec(10000), InitializerRange: 0.02, EosTokens: [0]);

    public static PolicyWeights Of(ModelSpec spec, long version, int seed = 1)
    {
        var random = new Random(seed);
        return new PolicyWeights(new PolicyVersion(version), Digest.Of($"policy {version} {seed}"), [.. new ModelLayout(spec).Tensors.Select(tensor => new NamedTensor(tensor.Name, tensor.Shape, Floats(random, tensor.Length)))]);
    }

    /// <summary>One tensor, large enough to fill every buffer between two sockets.</summary>
    public static PolicyWeights Large(long version, int elements = 1 << 24) =>
        new(new PolicyVersion(version), Digest.Of("large"), [new NamedTensor("large", [elements], new float[elements])]);

    /// <summary>The file that these weights would be on a disk.</summary>
    public static byte[] FileOf(PolicyWeights weights)
    {
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, weights.Tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values)), WeightType.F32);
        return file.ToArray();
    }

    private static float[] Floats(Random random, int length)
    {
        float[] values = new float[length];
        foreach (ref float value in values.AsSpan())
        {
            value = random.NextSingle();
        }

        return values;
    }
}
