using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class DigestTests
{
    /// <summary>
    /// Outputs of every kernel in one number: a constant of the house. It must hold on every processor, and under DOTNET_EnableAVX512=0 (256 bits) and
    /// DOTNET_EnableAVX2=0 (128 bits, no fused multiply-add). A change to it is a change of the numerics revision.
    /// </summary>
    [Fact]
    public void Kernels_have_the_bits_of_every_other_machine()
    {
        using var team = new ThreadTeam(2);
        var digest = new Digest();
        const int t = 150, d = 72, f = 100, heads = 3, n = 24, v = 5000;
        float[] x = Sample.Of(t * d, 1), y = new float[t * d], inv = new float[t], weight = Sample.Of(d, 2), dweight = new float[d];
        RmsNorm.Forward(x, weight, 1e-5f, y, inv, team);
        digest.Add(y);
        using var qkvWeight = new PackedMatrix(3 * d, d);
        qkvWeight.Pack(Sample.Of(3 * d * d, 3, 0.2f), team);
        float[] qkv = new float[t * 3 * d], dqkv = new float[t * 3 * d];
        Gemm.Forward(y, qkvWeight, qkv, team);
        digest.Add(qkv);
        float[] cos = new float[t * n / 2], sin = new float[t * n / 2];
        Rope.Tables(Enumerable.Range(0, n / 2).Select(i => Elementary.Pow(10000.0, -2.0 * i / n)).ToArray(), 1, cos, sin);
        int[] position = Enumerable.Range(0, t).ToArray();
        Rope.Forward(qkv, 3 * d, heads, n, position, cos, sin, team);
        digest.Add(qkv);
        var shape = new AttentionShape(heads, heads, n);
        float[] o = new float[t * d], lse = new float[t * heads], gradient = Sample.Of(t * d, 4);
        Attention.Forward(shape, [0, 50, t], qkv, 3 * d, qkv.AsSpan(d), qkv.AsSpan(2 * d), 3 * d, o, lse, team);
        Attention.Backward(shape, [0, 50, t], qkv, 3 * d, qkv.AsSpan(d), qkv.AsSpan(2 * d), 3 * d, o, lse, gradient, dqkv, dqkv.AsSpan(d), dqkv.AsSpan(2 * d), team);
        digest.Add(o);
        digest.Add(lse);
        digest.Add(dqkv);
        float[] dy = new float[t * d], dw = Sample.Of(3 * d * d, 5);
        using var lent = new PackedMatrix(3 * d, d, PackedAs.Lent);
        lent.Lend(Sample.Of(3 * d * d, 3, 0.2f));
        Gemm.InputGradient(dqkv, lent, dy, team);
        Gemm.WeightGradient(dqkv, y, dw, team);
        digest.Add(dy);
        digest.Add(dw);
        RmsNorm.Backward(x, weight, inv, dy, gradient, dweight, accumulate: true, team);
        digest.Add(gradient);
        digest.Add(dweight);
        float[] gate = Sample.Of(t * f, 6, 4), up = Sample.Of(t * f, 7), h = new float[t * f], dh = Sample.Of(t * f, 8);
        SwiGlu.Forward(gate, up, f, h, t, team);
        SwiGlu.Backward(gate, up, f, dh, gate, up, f, t, team);
        digest.Add(h);
        digest.Add(gate);
        digest.Add(up);
        float[] logits = Sample.Of(4 * v, 9, 3), logProb = new float[4], entropy = new float[4];
        int[] targets = Sample.Tokens(4, v, 1);
        var rows = new SoftmaxRow[4];
        LogProbs.Forward(logits, targets, 0.9f, logProb, entropy, rows, team);
        LogProbs.Backward(logits, targets, 0.9f, rows, Sample.Of(4, 10), Sample.Of(4, 11), team);
        digest.Add(logProb);
        digest.Add(entropy);
        digest.Add(logits);
        float[] m = new float[dw.Length], squares = new float[dw.Length], p = Sample.Of(dw.Length, 12);
        digest.Add(AdamW.Step(p, [.. dw], m, squares, AdamWUpdate.At(3, 1e-3, 0.9, 0.95, 1e-8, 0.01, 0.37f), team));
        digest.Add(p);
        digest.Add(BitConverter.DoubleToUInt64Bits(Lanes.SumOfSquares(dw, team)));
        digest.Add(BitConverter.DoubleToUInt64Bits(Lanes.Sum(dw)));
        Assert.Equal("EF1D08D72924F0C9", digest.ToString());
    }

    private sealed class Digest
    {
        private ulong _value;

        public void Add(ReadOnlySpan<float> x)
        {
            foreach (float value in x)
                Add(BitConverter.SingleToUInt32Bits(value));
        }

        public void Add(ulong word)
        {
            _value = (_value ^ word) * 0xD6E8FEB86659FD93;
            _value ^= _value >> 29;
        }

        public override string ToString() => _value.ToString("X16");
    }
}
