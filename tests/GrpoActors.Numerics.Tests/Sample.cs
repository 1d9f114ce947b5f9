using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Numerics.Tests;

/// <summary>Keyed test data, comparison by bits, and central differences.</summary>
internal static class Sample
{
    /// <summary>Numbers of about unit size, uneven in magnitude, so that any change of order shows.</summary>
    public static float[] Of(int count, uint stream, float scale = 1)
    {
        var x = new float[count];
        for (uint i = 0; i < count; i++)
            x[i] = Philox.Block(42, i, stream, 0, 0).Normal * scale;
        return x;
    }

    public static int[] Tokens(int count, int vocabulary, uint stream)
    {
        var x = new int[count];
        for (uint i = 0; i < count; i++)
            x[i] = (int)(Philox.Block(43, i, stream, 0, 0).Word0 % (uint)vocabulary);
        return x;
    }

    public static double[] Doubles(ReadOnlySpan<float> x)
    {
        var y = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
            y[i] = x[i];
        return y;
    }

    public static void SameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, not {expected[i]:R}");
        }
    }

    public static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double largest = 1e-3;
        foreach (double x in expected)
            largest = Math.Max(largest, Math.Abs(x));
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= tolerance * largest))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, not {expected[i]:R} (largest {largest:R})");
        }
    }

    /// <summary>dLoss/dx by central differences of a float64 function.</summary>
    public static double[] Differences(double[] x, Func<double[], double> loss)
    {
        var gradient = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double kept = x[i];
            const double h = 1e-5;
            x[i] = kept + h;
            double up = loss(x);
            x[i] = kept - h;
            double down = loss(x);
            x[i] = kept;
            gradient[i] = (up - down) / (2 * h);
        }
        return gradient;
    }

    /// <summary>Σ weight y: a loss whose gradient with respect to y is the weight.</summary>
    public static double Weighted(double[] y, ReadOnlySpan<float> weight)
    {
        double sum = 0;
        for (int i = 0; i < y.Length; i++)
            sum += y[i] * weight[i];
        return sum;
    }
}
