using System.Runtime.Intrinsics;
using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Exact.Tests;

/// <summary>The reference is the platform's library in double, itself within one ulp; tight figures stand in the doc of <see cref="Elementary"/>.</summary>
public sealed class ElementaryTests
{
    private const int Samples = 40_000;

    private sealed record FloatCase(Func<float, float> Exact, Func<double, double> Reference, float Low, float High);

    private sealed record DoubleCase(Func<double, double> Exact, Func<double, double> Reference, double Low, double High);

    [Theory]
    [InlineData("exp", 1.0), InlineData("log", 0.51), InlineData("sin", 0.51), InlineData("cos", 0.51), InlineData("tanh", 0.51), InlineData("pow", 0.51)]
    public void Float_results_are_within_the_stated_error(string name, double ulps)
    {
        FloatCase @case = name switch
        {
            "exp" => new(Elementary.Exp, Math.Exp, -103f, 88.7f),
            "log" => new(Elementary.Log, Math.Log, 0f, 10f),
            "sin" => new(Elementary.Sin, Math.Sin, -1000f, 1000f),
            "cos" => new(Elementary.Cos, Math.Cos, -1000f, 1000f),
            "tanh" => new(Elementary.Tanh, Math.Tanh, -10f, 10f),
            _ => new(x => Elementary.Pow(x, 2.75f), x => Math.Pow(x, 2.75), 0f, 100f),
        };
        (Func<float, float> exact, Func<double, double> reference, float low, float high) = @case;
        for (uint i = 0; i < Samples; i++)
        {
            float x = low + ((high - low) * Philox.Block(1, i, 0, 0, 0).Uniform);
            double expected = reference(x), ulp = Math.Max(BitConverter.Int32BitsToSingle(1), MathF.BitIncrement(MathF.Abs((float)expected)) - MathF.Abs((float)expected));
            Assert.True(Math.Abs(exact(x) - expected) <= ulps * ulp, $"{name}({x:R}) = {exact(x):R}, not {expected:R}");
        }
    }

    [Theory]
    [InlineData("exp", 2), InlineData("log", 2), InlineData("sin", 2), InlineData("cos", 2), InlineData("tanh", 4), InlineData("pow", 2)]
    public void Double_results_are_close_to_the_platform(string name, double ulps)
    {
        DoubleCase @case = name switch
        {
            "exp" => new(Elementary.Exp, Math.Exp, -745, 709.7),
            "log" => new(Elementary.Log, Math.Log, 0, 10),
            "sin" => new(Elementary.Sin, Math.Sin, -2e6, 2e6),
            "cos" => new(Elementary.Cos, Math.Cos, -2e6, 2e6),
            "tanh" => new(Elementary.Tanh, Math.Tanh, -20, 20),
            _ => new(x => Elementary.Pow(x, 33.3), x => Math.Pow(x, 33.3), 0, 1000),
        };
        (Func<double, double> exact, Func<double, double> reference, double low, double high) = @case;
        for (uint i = 0; i < Samples; i++)
        {
            PhiloxBlock block = Philox.Block(2, i, 0, 0, 0);
            double x = low + ((high - low) * (((block.Word0 * 4294967296.0) + block.Word1) / 18446744073709551616.0));
            double expected = reference(x);
            Assert.True(Math.Abs(exact(x) - expected) <= ulps * Math.Max(double.Epsilon, Math.BitIncrement(Math.Abs(expected)) - Math.Abs(expected)), $"{name}({x:R}) = {exact(x):R}, not {expected:R}");
        }
    }

    [Fact]
    public void Angles_of_any_size_are_reduced_exactly()
    {
        foreach (double x in new[] { 1e10, 1e22, 1.5e300, double.MaxValue, 6381956970095103.0 * Math.ScaleB(1, 797), 1048576.0, 1048575.9, Math.PI, 355.0, -1e15, 3e8 })
        {
            Assert.Equal(Math.Sin(x), Elementary.Sin(x), 1e-15);
            Assert.Equal(Math.Cos(x), Elementary.Cos(x), 1e-15);
        }
        for (int e = 20; e < 1023; e++)
            Assert.Equal(Math.Sin(Math.ScaleB(1.2345678901234567, e)), Elementary.Sin(Math.ScaleB(1.2345678901234567, e)), 1e-15);
    }

    [Fact]
    public void Special_values_follow_the_standard()
    {
        float inf = float.PositiveInfinity, nan = float.NaN;
        Same(inf, Elementary.Exp(inf)); Same(0, Elementary.Exp(-inf)); Same(nan, Elementary.Exp(nan)); Same(1, Elementary.Exp(0f)); Same(1, Elementary.Exp(-0f));
        Same(inf, Elementary.Exp(88.73f)); Same(0, Elementary.Exp(-104f)); Same(BitConverter.Int32BitsToSingle(1), Elementary.Exp(-103.9f));
        Same(-inf, Elementary.Log(0f)); Same(-inf, Elementary.Log(-0f)); Same(nan, Elementary.Log(-1f)); Same(inf, Elementary.Log(inf)); Same(0, Elementary.Log(1f)); Same(nan, Elementary.Log(nan));
        Same((float)Math.Log((double)1e-45f), Elementary.Log(1e-45f));
        Same(0, Elementary.Sin(0f)); Same(-0f, Elementary.Sin(-0f)); Same(nan, Elementary.Sin(inf)); Same(1, Elementary.Cos(-0f)); Same(nan, Elementary.Cos(-inf)); Same(nan, Elementary.Cos(nan));
        Same(-0f, Elementary.Tanh(-0f)); Same(1, Elementary.Tanh(inf)); Same(-1, Elementary.Tanh(-inf)); Same(nan, Elementary.Tanh(nan)); Same(1e-40f, Elementary.Tanh(1e-40f));
        Assert.Equal(double.Epsilon, Elementary.Tanh(double.Epsilon));
        Assert.Equal(double.PositiveInfinity, Elementary.Exp(710.0)); Assert.Equal(0, Elementary.Exp(-746.0)); Assert.Equal(double.Epsilon, Elementary.Exp(-744.9));
        Assert.Equal(Math.Log(double.Epsilon), Elementary.Log(double.Epsilon), 1e-12);
    }

    [Fact]
    public void Powers_treat_every_special_case_as_the_standard_does()
    {
        double[] values = [0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2.5, 1e300, -1e300, 1e-300, double.Epsilon, double.PositiveInfinity, double.NegativeInfinity, double.NaN, 9007199254740993, 1e17];
        foreach (double x in values)
        {
            foreach (double y in values)
            {
                double expected = Math.Pow(x, y), actual = Elementary.Pow(x, y);
                bool isClose = double.IsNaN(expected) ? double.IsNaN(actual)
                    : double.IsFinite(expected) ? Math.Abs(actual - expected) <= 4e-16 * Math.Abs(expected) && double.IsNegative(expected) == double.IsNegative(actual)
                    : actual == expected;
                Assert.True(isClose, $"pow({x:R}, {y:R}) = {actual:R}, not {expected:R}");
            }
        }
    }

    [Fact]
    public void A_vector_has_the_bits_of_its_scalars()
    {
        for (uint i = 0; i < 2000; i++)
        {
            var x = new float[16];
            for (uint lane = 0; lane < 16; lane++)
            {
                PhiloxBlock block = Philox.Block(3, i, lane, 0, 0);
                // One in four is any bit pattern at all; the others are ordinary.
                x[lane] = block.Word1 % 4 == 0 ? BitConverter.UInt32BitsToSingle(block.Word2) : (block.Uniform - 0.5f) * 200;
            }
            Vector512<float> v = Vector512.Create(x), e = Elementary.Exp(v), l = Elementary.Log(v), s = Elementary.Sin(v), c = Elementary.Cos(v), t = Elementary.Tanh(v), p = Elementary.Pow(v, v);
            for (int lane = 0; lane < 16; lane++)
            {
                Same(Elementary.Exp(x[lane]), e.GetElement(lane));
                Same(Elementary.Log(x[lane]), l.GetElement(lane));
                Same(Elementary.Sin(x[lane]), s.GetElement(lane));
                Same(Elementary.Cos(x[lane]), c.GetElement(lane));
                Same(Elementary.Tanh(x[lane]), t.GetElement(lane));
                Same(Elementary.Pow(x[lane], x[lane]), p.GetElement(lane));
            }
        }
    }

    private static void Same(float expected, float actual)
        => Assert.True(BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual) || (float.IsNaN(expected) && float.IsNaN(actual)), $"{actual:R}, not {expected:R}");
}
