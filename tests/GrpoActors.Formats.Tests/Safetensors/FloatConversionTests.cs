using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Formats.Tests.Safetensors;

public sealed class FloatConversionTests
{
    private static readonly ushort[] AllBits = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];

    [Fact]
    public void Every_float16_widens_exactly()
    {
        float[] wide = new float[AllBits.Length];
        FloatConversion.FromFloat16(AllBits, wide);
        for (int bits = 0; bits < wide.Length; bits++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            Assert.True(float.IsNaN(expected) ? float.IsNaN(wide[bits]) : BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(wide[bits]), $"{bits:x4}");
        }
    }

    [Fact]
    public void Every_bfloat16_widens_exactly_and_narrows_back()
    {
        float[] wide = new float[AllBits.Length];
        FloatConversion.FromBFloat16(AllBits, wide);
        for (int bits = 0; bits < wide.Length; bits++)
        {
            Assert.Equal((uint)bits << 16, BitConverter.SingleToUInt32Bits(wide[bits]));
            Assert.True(float.IsNaN(wide[bits]) ? (FloatConversion.ToBFloat16(wide[bits]) & 0x7FFF) > 0x7F80 : FloatConversion.ToBFloat16(wide[bits]) == bits, $"{bits:x4}");
        }
    }

    [Fact]
    public void Any_length_and_any_start_is_converted()
    {
        for (int length = 0; length < 70; length++)
        {
            float[] fromF16 = new float[length], fromBF16 = new float[length];
            FloatConversion.FromFloat16(AllBits.AsSpan(0x3BF1, length), fromF16);
            FloatConversion.FromBFloat16(AllBits.AsSpan(0x3F71, length), fromBF16);
            Assert.Equal(AllBits.Skip(0x3BF1).Take(length).Select(bits => (float)BitConverter.UInt16BitsToHalf(bits)), fromF16);
            Assert.Equal(AllBits.Skip(0x3F71).Take(length).Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16)), fromBF16);
        }
    }

    [Theory]
    [InlineData(0x3F80_8000u, 0x3F80)] // halfway: to even, down
    [InlineData(0x3F81_8000u, 0x3F82)] // halfway: to even, up
    [InlineData(0x3F80_8001u, 0x3F81)]
    [InlineData(0x3F80_7FFFu, 0x3F80)]
    [InlineData(0x7F7F_FFFFu, 0x7F80)] // the largest float rounds to infinity
    [InlineData(0x7F80_0001u, 0x7FC0)] // NaN stays NaN
    [InlineData(0x8000_0000u, 0x8000)]
    [InlineData(0x0000_8000u, 0x0000)]
    [InlineData(0x0000_8001u, 0x0001)]
    public void Narrowing_to_bfloat16_rounds_to_the_nearest_and_ties_to_even(uint bits, int expected) =>
        Assert.Equal(expected, FloatConversion.ToBFloat16(BitConverter.UInt32BitsToSingle(bits)));

    [Fact]
    public void The_first_value_that_is_not_finite_is_found_wherever_it_stands()
    {
        foreach (float bad in new[] { float.NaN, -float.NaN, float.NegativeInfinity })
        {
            for (int at = 0; at < 67; at++)
            {
                float[] values = [.. Enumerable.Repeat(float.MaxValue, 67)];
                values[at] = bad;
                Assert.Equal(at, FloatConversion.FirstNotFinite(values));
            }
        }

        Assert.Equal(-1, FloatConversion.FirstNotFinite([-1, 0, float.MinValue, float.Epsilon]));
    }
}
