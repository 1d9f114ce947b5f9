using GrpoActors.Core;
using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Starting weights of a model that was never trained.</summary>
public static class Initialisation
{
    /// <summary>Matrices and embeddings normal(0, initializer_range), norms 1, biases 0, as Hugging Face initialises them. Each number is a function of (seed, tensor, element) alone.</summary>
    /// <remarks>The Philox block's normal (Box and Muller) at counter (tensor index in ordinal order, element low, element high, 0).</remarks>
    public static PolicyWeights Random(ModelSpec spec, SeedTree seed)
    {
        var layout = new ModelLayout(spec);
        ulong key = seed.Key(SeedPurpose.Initialisation, 0);
        var weights = new ParameterSet(layout);
        for (int index = 0; index < layout.Tensors.Count; index++)
        {
            TensorLayout tensor = layout.Tensors[index];
            Span<float> values = weights[tensor];
            if (tensor.Decays)
            {
                KeyedNormal.Fill(values, spec.InitializerRange, key, (uint)index);
            }
            else
            {
                values.Fill(tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            }
        }

        IReadOnlyList<NamedTensor> tensors = weights.Named();
        return new PolicyWeights(new PolicyVersion(0), WeightsDigest.Of(tensors), tensors, weights);
    }
}
