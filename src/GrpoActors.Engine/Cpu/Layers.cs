using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>The parts of a transformer layer that go row by row: everything but attention. Training, prefill and decoding call the same ones, so their rows agree to the bit.</summary>
/// <remarks>
/// T tokens, D width, H heads, K key-value heads, N head width, F feed-forward.
/// <code>
/// x_TD -> norm -> [q k v] (+ bias) -> (norm of each head of q and k) -> rotation -> attention -> o -> + x -> norm -> [gate up] -> silu(gate) up -> down -> +
/// </code>
/// </remarks>
internal sealed class Layers(ModelSpec spec, ThreadTeam team, RotaryTables rotary) : IDisposable
{
    private readonly FloatBuffer _headScratch = new();

    public ThreadTeam Team { get; } = team;

    public RotaryTables Rotary { get; } = rotary;

    public float Epsilon { get; } = (float)spec.RmsNormEpsilon;

    public AttentionShape Shape { get; } = new(spec.Heads, spec.KeyValueHeads, spec.HeadDim);

    public int D { get; } = spec.HiddenSize;

    public int F { get; } = spec.IntermediateSize;

    public int N { get; } = spec.HeadDim;

    public int Heads { get; } = spec.Heads;

    public int KeyValueHeads { get; } = spec.KeyValueHeads;

    /// <summary>Width of q: H N.</summary>
    public int Q { get; } = spec.Heads * spec.HeadDim;

    /// <summary>Width of k, and of v: K N.</summary>
    public int Kv { get; } = spec.KeyValueHeads * spec.HeadDim;

    /// <summary>Width of a joint row of q, k and v.</summary>
    public int Qkv => Q + 2 * Kv;

    /// <summary>Normalises the stream and makes q, k and v, rotated.</summary>
    /// <param name="rawHeads">Only with a norm of q and k: room for q, then k, before it; shape [T H N + T K N].</param>
    /// <param name="invRmsHeads">Only then: shape [T H + T K].</param>
    public void QueriesKeysValues(
        PackedLayer layer, ReadOnlySpan<float> x_TD, ReadOnlySpan<int> position_T, Span<float> normed_TD, Span<float> invRms_T, Span<float> qkv_TE, Span<float> rawHeads, Span<float> invRmsHeads)
    {
        int tokens = position_T.Length;
        RmsNorm.Forward(x_TD, layer.InputNorm_D, Epsilon, normed_TD, invRms_T, Team);
        Gemm.Forward(normed_TD, layer.Qkv, qkv_TE, Team);
        if (layer.QkvBias.Length != 0)
        {
            Bias.Add(qkv_TE, Qkv, layer.QkvBias, tokens, Team);
        }

        if (layer.QNorm_N.Length != 0)
        {
            int q = tokens * Q, k = tokens * Kv;
            NormHeads(qkv_TE, 0, Q, layer.QNorm_N, rawHeads[..q], invRmsHeads[..(tokens * Heads)]);
            NormHeads(qkv_TE, Q, Kv, layer.KNorm_N, rawHeads.Slice(q, k), invRmsHeads.Slice(tokens * Heads, tokens * KeyValueHeads));
        }

        Rope.Forward(qkv_TE, Qkv, Heads + KeyValueHeads, N, position_T, Rotary.Cos_PN2, Rotary.Sin_PN2, Team);
    }

    /// <summary>From the attended heads to the stream after the feed-forward part.</summary>
    /// <param name="attended_TQ">Shape [T, H N].</param>
    /// <param name="middle_TD">Written: the stream between attention and feed-forward.</param>
    /// <param name="next_TD">Written: the stream after the layer; may be <paramref name="x_TD"/>.</param>
    public void AfterAttention(
        PackedLayer layer, ReadOnlySpan<float> x_TD, ReadOnlySpan<float> attended_TQ, int tokens,
        Span<float> middle_TD, Span<float> normed_TD, Span<float> invRms_T, Span<float> gateUp_T2F, Span<float> activated_TF, Span<float> next_TD)
    {
        Gemm.Forward(attended_TQ, layer.Output, middle_TD, Team);
        Residual.Add(middle_TD, x_TD, Team);
        RmsNorm.Forward(middle_TD, layer.PostNorm_D, Epsilon, normed_TD, invRms_T, Team);
        Gemm.Forward(normed_TD, layer.GateUp, gateUp_T2F, Team);
        SwiGlu.Forward(gateUp_T2F, gateUp_T2F[F..], 2 * F, activated_TF, tokens, Team);
        Gemm.Forward(activated_TF, layer.Down, next_TD, Team);
        Residual.Add(next_TD, middle_TD, Team);
    }

    /// <summary>Backwards through the norm of q or k, in place.</summary>
    /// <param name="column">First column of these heads in a joint row.</param>
    public void NormHeadsBackward(Span<float> dqkv_TE, int column, int width, ReadOnlySpan<float> weight_N, ReadOnlySpan<float> raw, ReadOnlySpan<float> invRms, Span<float> dweight_N)
    {
        Span<float> both = _headScratch.AtLeast(2 * raw.Length);
        Span<float> dy = both[..raw.Length], dx = both[raw.Length..];
        CopyColumns(dqkv_TE, Qkv, column, dy, width, 0, width, raw.Length / width);
        RmsNorm.Backward(raw, weight_N, invRms, dy, dx, dweight_N, accumulate: false, Team);
        CopyColumns(dx, width, 0, dqkv_TE, Qkv, column, width, raw.Length / width);
    }

    public void Dispose() => _headScratch.Dispose();

    private void NormHeads(Span<float> qkv_TE, int column, int width, ReadOnlySpan<float> weight_N, Span<float> raw, Span<float> invRms)
    {
        int tokens = raw.Length / width;
        CopyColumns(qkv_TE, Qkv, column, raw, width, 0, width, tokens);
        Span<float> normed = _headScratch.AtLeast(raw.Length);
        RmsNorm.Forward(raw, weight_N, Epsilon, normed, invRms, Team);
        CopyColumns(normed, width, 0, qkv_TE, Qkv, column, width, tokens);
    }

    private static void CopyColumns(ReadOnlySpan<float> from, int fromStride, int fromColumn, Span<float> to, int toStride, int toColumn, int width, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            from.Slice(row * fromStride + fromColumn, width).CopyTo(to[(row * toStride + toColumn)..]);
        }
    }
}
