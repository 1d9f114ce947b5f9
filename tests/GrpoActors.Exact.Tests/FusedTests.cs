using System.Runtime.Intrinsics;
using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Exact.Tests;

public sealed class FusedTests
{
    [Fact]
    public void Emulation_and_every_width_have_the_bits_of_the_library()
    {
        for (uint i = 0; i < 300_000; i++)
        {
            var (a, b, c) = Operands(i);
            float expected = MathF.FusedMultiplyAdd(a, b, c);
            Same(expected, Fused.Emulated(Vector128.Create(a), Vector128.Create(b), Vector128.Create(c)).GetElement((int)(i % 4)), a, b, c);
            Same(expected, Fused.MultiplyAdd(a, b, c), a, b, c);
            Same(expected, Fused.MultiplyAdd(Vector128.Create(a), Vector128.Create(b), Vector128.Create(c)).GetElement((int)(i % 4)), a, b, c);
            Same(expected, Fused.MultiplyAdd(Vector256.Create(a), Vector256.Create(b), Vector256.Create(c)).GetElement((int)(i % 8)), a, b, c);
            Same(expected, Fused.MultiplyAdd(Vector512.Create(a), Vector512.Create(b), Vector512.Create(c)).GetElement((int)(i % 16)), a, b, c);
        }
    }

    /// <summary>All bit patterns, near cancellation, subnormal results, and sums half way between two floats.</summary>
    private static (float A, float B, float C) Operands(uint i)
    {
        PhiloxBlock block = Philox.Block(11, i, 0, 0, 0), more = Philox.Block(11, i, 1, 0, 0);
        float a = BitConverter.UInt32BitsToSingle(block.Word0), b = BitConverter.UInt32BitsToSingle(block.Word1), c = BitConverter.UInt32BitsToSingle(block.Word2);
        float x = block.Uniform + 0.5f, y = (more.Word0 * 2.3283064e-10f) + 0.5f;
        float[] specials = [0f, -0f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.Epsilon, -float.Epsilon, float.MaxValue, 1f, -1f, 1.17549435e-38f];
        return (i % 8) switch
        {
            0 => (a, b, c),
            1 => (x, y, -x * y),
            2 => (x * 1e-20f, y * 1e-20f, c * 0 == 0 ? 1e-41f * (more.Uniform - 0.5f) : 0),
            // 4097 = 2^12 + 1: products with their last bits far below a sum of powers of two, ties included.
            3 => (1 + ((block.Word0 & 0xFFF) * 2.4414062e-4f), 1 + ((block.Word1 & 0xFFF) * 2.4414062e-4f), (block.Word2 & 1) == 0 ? 16777216f : -16777216f / (1 + (block.Word2 & 0xFF))),
            4 => (specials[block.Word0 % 11], specials[block.Word1 % 11], specials[block.Word2 % 11]),
            5 => (x, 5.9604645e-8f * (1 + (more.Word1 & 3)), 1 + ((more.Word2 & 0xFF) * 1.1920929e-7f)),
            6 => (float.MaxValue, 1 + ((block.Word0 & 3) * 1.1920929e-7f), -(block.Word1 & 0xFFFF) * 1e30f),
            _ => (x * 1.08420217e-19f, y * 1.08420217e-19f, (block.Word2 & 0xFFF) * float.Epsilon),
        };
    }

    private static void Same(float expected, float actual, float a, float b, float c)
        => Assert.True(BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual) || (float.IsNaN(expected) && float.IsNaN(actual)), $"{a:R} * {b:R} + {c:R} = {actual:R}, not {expected:R}");
}
