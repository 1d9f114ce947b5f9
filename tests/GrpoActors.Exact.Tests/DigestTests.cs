using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Exact.Tests;

public sealed class DigestTests
{
    /// <summary>
    /// A constant of the house: it must hold on every processor, and under DOTNET_EnableAVX512=0 and DOTNET_EnableAVX2=0. A change to it is a change
    /// of the numerics revision.
    /// </summary>
    [Fact]
    public void Elementary_functions_have_the_bits_of_every_other_machine()
    {
        ulong digest = 0;
        for (uint i = 0; i < 20_000; i++)
        {
            PhiloxBlock block = Philox.Block(5, i, 0, 0, 0);
            float x = i % 4 == 0 ? BitConverter.UInt32BitsToSingle(block.Word1) : (block.Uniform - 0.5f) * 100;
            double y = i % 4 == 0 ? BitConverter.UInt64BitsToDouble(((ulong)block.Word2 << 32) | block.Word3) : (block.Word2 * 1e-8) - 20;
            foreach (float value in new[] { Elementary.Exp(x), Elementary.Log(x), Elementary.Sin(x), Elementary.Cos(x), Elementary.Tanh(x), Elementary.Pow(x, 1.7f), block.Normal })
                digest = Mixed(digest, float.IsNaN(value) ? 1 : BitConverter.SingleToUInt32Bits(value));
            foreach (double value in new[] { Elementary.Exp(y), Elementary.Log(y), Elementary.Sin(y), Elementary.Cos(y), Elementary.Tanh(y), Elementary.Pow(y, 3.3), Elementary.Pow(y, -7) })
                digest = Mixed(digest, double.IsNaN(value) ? 1 : BitConverter.DoubleToUInt64Bits(value));
        }
        Assert.Equal("4F08282E06939D9E", digest.ToString("X16"));
    }

    private static ulong Mixed(ulong digest, ulong word)
    {
        digest = (digest ^ word) * 0xD6E8FEB86659FD93;
        return digest ^ (digest >> 29);
    }
}
