using GrpoActors.Core;
using GrpoActors.Engine.Cpu;
using GrpoActors.Exact;

namespace GrpoActors.Engine.Tests;

/// <summary>A transformer small enough for central differences, with everything that the family can have unless asked otherwise.</summary>
internal static class MicroModel
{
    public static ModelSpec Spec(bool biases = true, bool qkNorm = true, bool tied = true, int context = 256) => new(
        "llama", VocabularySize: 19, HiddenSize: 16, IntermediateSize: 20, Layers: 2, Heads: 4, KeyValueHeads: 2, HeadDim: 8, context,
        1e-5, biases, qkNorm, tied, new RopeSpec(10000), InitializerRange: 0.3, EosTokens: [2]);

    public static PolicyWeights Weights(ModelSpec spec, ulong seed = 3)
    {
        PolicyWeights weights = Initialisation.Random(spec, new SeedTree(seed));
        // Vectors start at 0 and 1; here they differ, so that their gradients are put to the test.
        uint index = 0;
        foreach (NamedTensor tensor in weights.Tensors.Where(tensor => tensor.Shape.Length == 1))
        {
            Span<float> values = tensor.Values.Span;
            for (int i = 0; i < values.Length; i++)
            {
                values[i] += 0.2f * Philox.Block(seed, index, (uint)i, 0, 7).Normal;
            }

            index++;
        }

        return weights;
    }

    /// <summary>Sequences of the given lengths, keyed tokens, prompts of the given lengths.</summary>
    public static PackedBatch Batch(ModelSpec spec, params (int Length, int Prompt)[] sequences)
    {
        int[] offsets = new int[sequences.Length + 1];
        for (int i = 0; i < sequences.Length; i++)
        {
            offsets[i + 1] = offsets[i] + sequences[i].Length;
        }

        int[] tokens = [.. Enumerable.Range(0, offsets[^1]).Select(i => 3 + (int)(Philox.Block(11, (uint)i, 0, 0, 0).Word0 % (uint)(spec.VocabularySize - 3)))];
        return new PackedBatch(tokens, offsets, [.. sequences.Select(sequence => sequence.Prompt)]);
    }

    /// <summary>Numbers in (-1, 1), the same for the same key.</summary>
    public static float[] Coefficients(int count, uint key)
        => [.. Enumerable.Range(0, count).Select(i => 2 * Philox.Block(5, key, (uint)i, 0, 0).Uniform - 1)];

    public static CpuTrainer Trainer(ModelSpec spec, PolicyWeights weights, int threads = 1, bool recomputes = false)
    {
        using var engine = new CpuEngine(spec, new EngineOptions(threads, 64, recomputes));
        return (CpuTrainer)engine.OpenTrainer(weights);
    }

    public static TokenScores Scores(PackedBatch batch) => new(new float[batch.Targets], new float[batch.Targets]);
}
