using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class LayerTests
{
    [Theory]
    [InlineData(3, 5)]
    [InlineData(4, 32)]
    [InlineData(2, 37)]
    public void RmsNorm_equals_its_reference_and_its_differences(int t, int d)
    {
        using var team = new ThreadTeam(2);
        float[] x = Sample.Of(t * d, 1), w = Sample.Of(d, 2), dy = Sample.Of(t * d, 3), y = new float[t * d], inv = new float[t], dx = new float[t * d], dw = new float[d];
        RmsNorm.Forward(x, w, 1e-5f, y, inv, team);
        RmsNorm.Backward(x, w, inv, dy, dx, dw, accumulate: false, team);
        double[] x64 = Sample.Doubles(x), w64 = Sample.Doubles(w);
        double Loss(double[] ignored) => Sample.Weighted(Reference.RmsNorm(x64, w64, 1e-5f), dy);
        Sample.Near(Reference.RmsNorm(x64, w64, 1e-5f), y, 3e-7, "y");
        Sample.Near(Sample.Differences(x64, Loss), dx, 2e-6, "dx");
        Sample.Near(Sample.Differences(w64, Loss), dw, 2e-6, "dw");

        float[] sum = Sample.Of(t * d, 4), expected = sum.Zip(dx, (a, b) => a + b).ToArray();
        RmsNorm.Backward(x, w, inv, dy, sum, [], accumulate: true, team);
        Sample.SameBits(expected, sum, "accumulated dx");
    }

    [Theory]
    [InlineData(5, 9)]
    [InlineData(3, 40)]
    public void SwiGlu_equals_its_reference_and_its_differences_also_inside_a_joint_product(int t, int f)
    {
        using var team = new ThreadTeam(2);
        float[] gate = Sample.Of(t * f, 1, 3), up = Sample.Of(t * f, 2), dy = Sample.Of(t * f, 3), y = new float[t * f], dgate = new float[t * f], dup = new float[t * f];
        SwiGlu.Forward(gate, up, f, y, t, team);
        SwiGlu.Backward(gate, up, f, dy, dgate, dup, f, t, team);
        double[] gate64 = Sample.Doubles(gate), up64 = Sample.Doubles(up);
        double Loss(double[] ignored) => Sample.Weighted(Reference.SwiGlu(gate64, up64), dy);
        Sample.Near(Reference.SwiGlu(gate64, up64), y, 3e-7, "y");
        Sample.Near(Sample.Differences(gate64, Loss), dgate, 1e-6, "dgate");
        Sample.Near(Sample.Differences(up64, Loss), dup, 1e-6, "dup");

        var joint = new float[t * 2 * f];
        for (int row = 0; row < t; row++)
        {
            gate.AsSpan(row * f, f).CopyTo(joint.AsSpan(row * 2 * f));
            up.AsSpan(row * f, f).CopyTo(joint.AsSpan((row * 2 * f) + f));
        }
        var y2 = new float[t * f];
        SwiGlu.Forward(joint, joint.AsSpan(f), 2 * f, y2, t, team);
        Sample.SameBits(y, y2, "joint y");
        SwiGlu.Backward(joint, joint.AsSpan(f), 2 * f, dy, joint, joint.AsSpan(f), 2 * f, t, team);
        for (int row = 0; row < t; row++)
        {
            Sample.SameBits(dgate.AsSpan(row * f, f), joint.AsSpan(row * 2 * f, f), "joint dgate");
            Sample.SameBits(dup.AsSpan(row * f, f), joint.AsSpan((row * 2 * f) + f, f), "joint dup");
        }
    }

    [Fact]
    public void Starting_weights_are_one_normal_for_each_element()
    {
        float[] w = new float[1003];
        KeyedNormal.Fill(w, 0.02, 12345, 7);
        Sample.SameBits([.. Enumerable.Range(0, w.Length).Select(element => (float)(0.02 * Philox.Block(12345, 7, (uint)element, 0, 0).Normal))], w, "normal");
    }

    [Fact]
    public void SwiGlu_of_huge_gates_is_finite()
    {
        using var team = new ThreadTeam(1);
        float[] gate = [-1000, -90, 90, 1000], up = [1, 1, 1, 1], y = new float[4], dgate = new float[4], dup = new float[4];
        SwiGlu.Forward(gate, up, 4, y, 1, team);
        SwiGlu.Backward(gate, up, 4, up, dgate, dup, 4, 1, team);
        Assert.Equal([-0f, -0f, 90, 1000], y.Select(v => Math.Abs(v) < 1e-30f ? -0f : v));
        Assert.All(dgate.Concat(dup), v => Assert.True(float.IsFinite(v)));
    }

    [Theory]
    [InlineData(2, 6)]
    [InlineData(3, 32)]
    [InlineData(1, 64)]
    public void Rope_turns_as_its_reference_and_backward_undoes_it(int heads, int n)
    {
        using var team = new ThreadTeam(2);
        double[] frequency = Enumerable.Range(0, n / 2).Select(i => Math.Pow(10000, -2.0 * i / n)).ToArray();
        int[] position = [0, 1, 99, 2047, 3];
        float[] cos = new float[2048 * n / 2], sin = new float[2048 * n / 2], x = Sample.Of(position.Length * heads * n, 1), y = (float[])x.Clone();
        Rope.Tables(frequency, 1, cos, sin);
        Rope.Forward(y, heads * n, heads, n, position, cos, sin, team);
        Sample.Near(Reference.Rope(Sample.Doubles(x), heads, n, position, frequency), y, 3e-7, "rope");
        Rope.Backward(y, heads * n, heads, n, position, cos, sin, team);
        Sample.Near(Sample.Doubles(x), y, 3e-7, "back");
        Assert.Throws<ArgumentOutOfRangeException>(() => Rope.Forward(y, heads * n, heads, n, [0, 1, 2, 3, 2048], cos, sin, team));
    }

    [Fact]
    public void Embedding_scatters_in_token_order_whatever_the_threads()
    {
        const int v = 11, d = 40, t = 900;
        int[] tokens = Sample.Tokens(t, v, 1);
        float[] w = Sample.Of(v * d, 2), y = new float[t * d], dy = Sample.Of(t * d, 3), expected = Sample.Of(v * d, 4);
        Embedding.Forward(w, d, tokens, y);
        Assert.Equal(w[tokens[7] * d], y[7 * d]);
        float[] start = (float[])expected.Clone();
        for (int i = 0; i < t; i++)
        {
            for (int c = 0; c < d; c++)
                expected[(tokens[i] * d) + c] += dy[(i * d) + c];
        }
        for (int threads = 1; threads <= 4; threads++)
        {
            using var team = new ThreadTeam(threads);
            float[] dw = (float[])start.Clone();
            Embedding.Backward(dy, d, tokens, dw, team);
            Sample.SameBits(expected, dw, "scatter");
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Forward(w, d, [v], new float[d]));
    }

    [Fact]
    public void Bias_and_residual_are_plain_sums_in_order()
    {
        const int t = 500, e = 37;
        using var team = new ThreadTeam(3);
        float[] y = Sample.Of(t * e, 1), bias = Sample.Of(e, 2), added = (float[])y.Clone(), gradient = (float[])bias.Clone(), expected = (float[])bias.Clone();
        Bias.Add(added, e, bias, t, team);
        Bias.Gradient(y, e, gradient, t, team);
        for (int i = 0; i < t * e; i++)
        {
            Assert.Equal(y[i] + bias[i % e], added[i]);
            expected[i % e] += y[i];
        }
        Sample.SameBits(expected, gradient, "bias gradient");
        float[] sum = (float[])y.Clone();
        Residual.Add(sum, added, team);
        Sample.SameBits(y.Zip(added, (a, b) => a + b).ToArray(), sum, "residual");
    }

    [Theory]
    [InlineData(3, 40, 1f)]
    [InlineData(2, 5000, 0.7f)]
    [InlineData(5, 7, 1.5f)]
    public void LogProbs_equal_their_reference_and_their_differences_and_the_sampler(int t, int v, float temperature)
    {
        using var team = new ThreadTeam(2);
        float[] logits = Sample.Of(t * v, 1, 3), logProb = new float[t], entropy = new float[t], a = Sample.Of(t, 2), b = Sample.Of(t, 3);
        int[] targets = Sample.Tokens(t, v, 4);
        var rows = new SoftmaxRow[t];
        LogProbs.Forward(logits, targets, temperature, logProb, entropy, rows, team);
        (double[] logProb64, double[] entropy64) = Reference.LogProbs(Sample.Doubles(logits), targets, temperature);
        Sample.Near(logProb64, logProb, 1e-6, "log-prob");
        Sample.Near(entropy64, entropy, 1e-6, "entropy");

        for (int row = 0; row < t; row++)
        {
            var weights = new float[v];
            SoftmaxRow sampled = LogProbs.Row(logits.AsSpan(row * v, v), temperature, weights);
            Assert.Equal(rows[row], sampled);
            Assert.Equal(logProb[row], LogProbs.Of(logits[(row * v) + targets[row]], temperature, sampled));
            Assert.Equal(sampled.Sum, (float)Lanes.Sum(weights));
        }

        float[] dLogits = (float[])logits.Clone(), dLogitsPlain = (float[])logits.Clone();
        LogProbs.Backward(dLogits, targets, temperature, rows, a, b, team);
        LogProbs.Backward(dLogitsPlain, targets, temperature, rows, a, [], team);
        if (v > 100)
            return;
        double[] logits64 = Sample.Doubles(logits);
        double Loss(double[] x, bool withEntropy)
        {
            (double[] lp, double[] h) = Reference.LogProbs(x, targets, temperature);
            return Sample.Weighted(lp, a) + (withEntropy ? Sample.Weighted(h, b) : 0);
        }
        Sample.Near(Sample.Differences(logits64, x => Loss(x, true)), dLogits, 2e-6, "gradient with entropy");
        Sample.Near(Sample.Differences(logits64, x => Loss(x, false)), dLogitsPlain, 2e-6, "gradient");
    }

    [Fact]
    public void A_NaN_logit_makes_the_log_probability_NaN()
    {
        float[] logits = Sample.Of(40, 1);
        logits[3] = float.NaN;
        Assert.True(float.IsNaN(LogProbs.Of(logits[0], 1, LogProbs.Row(logits, 1, []))));
    }

    [Fact]
    public void Half_precision_is_converted_exactly()
    {
        var bits = Enumerable.Range(0, 65536).Select(i => (ushort)i).ToArray();
        float[] f = new float[65536];
        ushort[] back = new ushort[65536];
        HalfPrecision.FromFloat16(bits, f);
        HalfPrecision.ToFloat16(f, back);
        for (int i = 0; i < bits.Length; i++)
            Assert.True(float.IsNaN(f[i]) ? Half.IsNaN(BitConverter.UInt16BitsToHalf(bits[i])) : f[i] == (float)BitConverter.UInt16BitsToHalf(bits[i]) && back[i] == bits[i]);
        HalfPrecision.FromBFloat16(bits, f);
        HalfPrecision.ToBFloat16(f, back);
        for (int i = 0; i < bits.Length; i++)
            Assert.True(float.IsNaN(f[i]) || back[i] == bits[i]);
        HalfPrecision.ToBFloat16([1.00390625f, 1.01171875f, MathF.BitIncrement(1.00390625f)], back.AsSpan(0, 3)); // ties go to even
        Assert.Equal([0x3F80, 0x3F82, 0x3F81], back[..3].Select(x => (int)x));
    }
}
