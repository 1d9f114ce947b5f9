using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class ReductionTests
{
    [Theory]
    [InlineData(0), InlineData(1), InlineData(15), InlineData(16), InlineData(100), InlineData(4096), InlineData(4097), InlineData(50_000)]
    public void Sums_follow_the_written_rule(int length)
    {
        float[] x = Sample.Of(length, 1), y = Sample.Of(length, 2);
        double sum = 0, dot = 0;
        for (int start = 0; start < length; start += 4096)
        {
            float[] sums = new float[16], dots = new float[16];
            for (int i = start; i < Math.Min(length, start + 4096); i++)
            {
                sums[i % 16] += x[i];
                dots[i % 16] = Fused.MultiplyAdd(x[i], y[i], dots[i % 16]);
            }
            for (int half = 8; half > 0; half /= 2)
            {
                for (int j = 0; j < half; j++)
                {
                    sums[j] += sums[j + half];
                    dots[j] += dots[j + half];
                }
            }
            sum += sums[0];
            dot += dots[0];
        }
        Assert.Equal(sum, Lanes.Sum(x));
        Assert.Equal(dot, Lanes.Dot(x, y));
        Assert.Equal(length == 0 ? float.NegativeInfinity : x.Max(), Lanes.Max(x));
        for (int threads = 1; threads <= 4; threads++)
        {
            using var team = new ThreadTeam(threads);
            Assert.Equal(Lanes.Dot(x, x), Lanes.SumOfSquares(x, team));
            Assert.Equal(Lanes.Dot(x, x), Lanes.SumOfSquares(x));
        }
    }

    [Fact]
    public void The_largest_of_a_span_with_NaN_is_NaN()
    {
        for (int at = 0; at < 40; at++)
        {
            float[] x = Sample.Of(40, 1);
            x[at] = float.NaN;
            Assert.True(float.IsNaN(Lanes.Max(x)));
        }
    }

    [Fact]
    public void AdamW_equals_the_formula_in_float64_over_several_steps()
    {
        const int n = 5000;
        using var team = new ThreadTeam(2);
        float[] p = Sample.Of(n, 1), m = new float[n], v = new float[n];
        double[] p64 = Sample.Doubles(p), m64 = new double[n], v64 = new double[n];
        for (int step = 1; step <= 5; step++)
        {
            float[] g = Sample.Of(n, (uint)(10 + step), 0.1f);
            float[] used = [.. g];
            AdamW.Step(p, used, m, v, AdamWUpdate.At(step, 1e-2, 0.9, 0.999, 1e-8, 0.1, 0.5f), team);
            Assert.All(used, value => Assert.Equal(0, value));
            for (int i = 0; i < n; i++)
            {
                double gradient = g[i] * 0.5;
                p64[i] -= 1e-2 * 0.1 * p64[i];
                m64[i] = (0.9 * m64[i]) + (0.1 * gradient);
                v64[i] = (0.999 * v64[i]) + (0.001 * gradient * gradient);
                p64[i] -= 1e-2 / (1 - Math.Pow(0.9, step)) * m64[i] / ((Math.Sqrt(v64[i]) / Math.Sqrt(1 - Math.Pow(0.999, step))) + 1e-8);
            }
        }
        Sample.Near(p64, p, 1e-6, "parameters");
        Sample.Near(m64, m, 1e-6, "first moment");
        Sample.Near(v64, v, 1e-6, "second moment");
    }

    [Fact]
    public void The_digest_of_an_update_sees_every_bit_and_no_thread()
    {
        const int n = 20_011;
        float[] g = Sample.Of(n, 2);
        (ulong Digest, float[] P) Updated(int threads, int flipped)
        {
            using var team = new ThreadTeam(threads);
            float[] p = Sample.Of(n, 1), m = new float[n], v = new float[n];
            if (flipped >= 0)
                p[flipped] = MathF.BitIncrement(p[flipped] * 4) / 4;
            return (AdamW.Step(p, [.. g], m, v, AdamWUpdate.At(1, 1e-9, 0.9, 0.999, 1e-8, 0, 1), team), p);
        }
        (ulong digest, float[] first) = Updated(1, -1);
        for (int threads = 2; threads <= 4; threads++)
        {
            (ulong again, float[] p) = Updated(threads, -1);
            Assert.Equal(digest, again);
            Sample.SameBits(first, p, "parameters");
        }
        foreach (int flipped in new[] { 0, 17, 4096, 20_010 })
            Assert.NotEqual(digest, Updated(2, flipped).Digest);
    }
}
