using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Exact.Tests;

public sealed class PhiloxTests
{
    // Random123, kat_vectors, philox4x32 10.
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void A_block_equals_the_published_one(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint w0, uint w1, uint w2, uint w3)
        => Assert.Equal(new PhiloxBlock(w0, w1, w2, w3), Philox.Block(k0 | ((ulong)k1 << 32), c0, c1, c2, c3));

    [Fact]
    public void Uniform_numbers_lie_in_the_half_open_interval_and_are_flat()
    {
        double sum = 0, squares = 0;
        for (uint i = 0; i < 100_000; i++)
        {
            float u = Philox.Block(7, i, 0, 0, 0).Uniform;
            Assert.InRange(u, 0f, 0.99999994f);
            sum += u;
            squares += (double)u * u;
        }
        Assert.Equal(0.5, sum / 100_000, 0.005);
        Assert.Equal(1 / 3.0, squares / 100_000, 0.005);
        Assert.Equal(0f, new PhiloxBlock(255, 0, 0, 0).Uniform);
        Assert.Equal(1 - (1 / 16777216f), new PhiloxBlock(~0u, 0, 0, 0).Uniform);
    }

    [Fact]
    public void Normal_numbers_have_the_moments_of_a_standard_normal()
    {
        double sum = 0, squares = 0, fourths = 0;
        for (uint i = 0; i < 100_000; i++)
        {
            double x = Philox.Block(7, i, 1, 0, 0).Normal;
            sum += x;
            squares += x * x;
            fourths += x * x * x * x;
        }
        Assert.Equal(0, sum / 100_000, 0.015);
        Assert.Equal(1, squares / 100_000, 0.02);
        Assert.Equal(3, fourths / 100_000, 0.1);
    }
}
