using System.Runtime.InteropServices;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;

namespace GrpoActors.Benchmarks;

/// <summary>Shapes that are measured. Random weights: speed does not depend on them.</summary>
internal static class Models
{
    /// <summary>SmolLM2-135M.</summary>
    public static ModelSpec SmolLM2 { get; } = new(
        "llama", VocabularySize: 49152, HiddenSize: 576, IntermediateSize: 1536, Layers: 30, Heads: 9, KeyValueHeads: 3, HeadDim: 64, ContextLength: 8192,
        1e-5, AttentionBias: false, QkNorm: false, TiedHead: true, new RopeSpec(100000), InitializerRange: 0.02, EosTokens: [2]);

    /// <summary>The policy of the arithmetic recipe.</summary>
    public static ModelSpec Arithmetic { get; } = new(
        "llama", VocabularySize: 20, HiddenSize: 128, IntermediateSize: 384, Layers: 4, Heads: 4, KeyValueHeads: 4, HeadDim: 32, ContextLength: 64,
        1e-5, AttentionBias: false, QkNorm: false, TiedHead: true, new RopeSpec(10000), InitializerRange: 0.02, EosTokens: [2]);

    /// <param name="asBFloat16">Every weight cut to what bfloat16 holds.</param>
    public static PolicyWeights Weights(ModelSpec spec, bool asBFloat16 = false)
    {
        PolicyWeights weights = Initialisation.Random(spec, new SeedTree(1));
        foreach (NamedTensor tensor in asBFloat16 ? weights.Tensors : [])
        {
            foreach (ref uint bits in MemoryMarshal.Cast<float, uint>(tensor.Values.Span))
            {
                bits &= 0xFFFF0000;
            }
        }

        return weights;
    }
}
