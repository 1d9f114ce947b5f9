using System.Buffers.Binary;
using System.Runtime.InteropServices;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;

namespace GrpoActors.Simulation.Tests;

/// <summary>An engine whose weights are a digest of everything that they were trained on, in order: one token more, one update twice, and all later bits differ.</summary>
/// <param name="diverges">Some gradients are NaN.</param>
internal sealed class FakeEngine(bool diverges) : IEngine
{
    public EngineTraits Traits { get; } = new("fake", Exact: true, "1", 128, Fma: true);

    public ISampler OpenSampler() => throw new NotSupportedException("The simulator's generators sample for themselves.");

    public ITrainer OpenTrainer(PolicyWeights weights) => new FakeTrainer(weights.Tensors, diverges);

    public void Dispose()
    {
    }
}

/// <remarks>Weights and moments are 16 floats each, which hold the 16 bit words of a digest. The gradient is a digest of all that Forward and Backward were given.</remarks>
internal sealed class FakeTrainer(IReadOnlyList<NamedTensor> start, bool diverges) : ITrainer
{
    public const float LogProb = -0.5f;

    private Digest weights = ContentOf(start);
    private Digest moments;
    private Digest? reference;
    private Digest gradient;
    private long updates;

    public long Parameters => 16;

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores)
    {
        scores.LogProbs.AsSpan(0, batch.Targets).Fill(LogProb);
        scores.Entropies.AsSpan(0, batch.Targets).Fill(1);
        if (keepForBackward)
        {
            gradient = gradient.Then(MemoryMarshal.AsBytes(batch.Tokens.AsSpan())).Then(MemoryMarshal.AsBytes(batch.Offsets.AsSpan()));
        }
    }

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores)
    {
        Digest kept = reference ?? throw new InvalidOperationException("No reference was kept.");
        scores.LogProbs.AsSpan(0, batch.Targets).Fill(LogProb - (kept.A % 16 / 64f));
        scores.Entropies.AsSpan(0, batch.Targets).Fill(1);
    }

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy) => gradient = gradient.Then(MemoryMarshal.AsBytes(dLogProb));

    /// <summary>A gradient norm of 100 once in 16 updates, and NaN once in 48: what a sentinel is for.</summary>
    public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
    {
        Digest g = gradient;
        gradient = default;
        if (diverges && g.A % 48 == 0)
        {
            throw new NotFiniteException("The gradient norm is NaN.");
        }

        Span<byte> rate = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(rate, learningRate);
        moments = moments.Then(g);
        updates++;
        weights = weights.Then(g).Then(rate).Then(moments);
        return new UpdateResult(g.A % 16 == 1 ? 100 : 1, weights);
    }

    public void ResetOptimizer()
    {
        moments = default;
        updates = 0;
    }

    public void KeepReference() => reference = weights;

    public void MixReference(double share)
    {
        Span<byte> mix = stackalloc byte[8 + Digest.ByteLength];
        BinaryPrimitives.WriteDoubleLittleEndian(mix, share);
        weights.CopyTo(mix[8..]);
        reference = (reference ?? throw new InvalidOperationException("No reference was kept.")).Then(mix);
    }

    public PolicyWeights Publish(PolicyVersion version, Digest policy) => new(version, policy, TensorsOf("w", weights));

    public TrainerState Capture() => new(TensorsOf("w", weights), TensorsOf("w.m", moments), updates, reference is { } kept ? TensorsOf("w", kept) : null);

    public void Restore(TrainerState state)
    {
        weights = ContentOf(state.Weights);
        moments = ContentOf(state.Moments);
        updates = state.OptimizerSteps;
        reference = state.Reference is null ? null : ContentOf(state.Reference);
        gradient = default;
    }

    public void Dispose()
    {
    }

    public static IReadOnlyList<NamedTensor> TensorsOf(string name, Digest content)
    {
        Span<byte> bytes = stackalloc byte[Digest.ByteLength];
        content.CopyTo(bytes);
        float[] values = new float[16];
        for (int i = 0; i < 16; i++)
        {
            values[i] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * i)..]);
        }

        return [new NamedTensor(name, [16], values)];
    }

    public static Digest ContentOf(IReadOnlyList<NamedTensor> tensors)
    {
        Span<byte> bytes = stackalloc byte[Digest.ByteLength];
        for (int i = 0; i < 16; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes[(2 * i)..], (ushort)tensors[0].Values.Span[i]);
        }

        return Digest.FromBytes(bytes);
    }
}
