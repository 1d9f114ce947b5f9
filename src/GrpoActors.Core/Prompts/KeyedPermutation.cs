using System.Numerics;
using GrpoActors.Exact;

namespace GrpoActors.Core.Prompts;

/// <summary>A shuffle without a list: a bijection of [0, count), a pure function of a key and two words that name which shuffle.</summary>
/// <remarks>
/// A Feistel network of 8 rounds over the smallest even number of bits that holds count, whose round function is Philox
/// (counter: round, half, word2, word3); a result outside [0, count) is permuted again until it falls inside, which takes
/// fewer than 4 tries on average as the network's domain is less than 4 * count. Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
/// </remarks>
public static class KeyedPermutation
{
    /// <summary>Largest count: 2^40.</summary>
    public const long CountMax = 1L << 40;

    private const uint Rounds = 8;

    /// <param name="count">In [1, <see cref="CountMax"/>].</param>
    /// <param name="index">In [0, count).</param>
    /// <returns>In [0, count); no other index gives the same.</returns>
    public static long At(ulong key, uint word2, uint word3, long count, long index)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, CountMax);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        if (count == 1)
        {
            return 0;
        }

        int bits = BitOperations.Log2((ulong)count - 1) + 1;
        int halfBits = (bits + 1) / 2;
        ulong value = (ulong)index;
        do
        {
            value = Network(key, word2, word3, halfBits, value);
        }
        while (value >= (ulong)count);
        return (long)value;
    }

    private static ulong Network(ulong key, uint word2, uint word3, int halfBits, ulong value)
    {
        uint mask = (1u << halfBits) - 1;
        uint left = (uint)(value >> halfBits), right = (uint)value & mask;
        for (uint round = 0; round < Rounds; round++)
        {
            (left, right) = (right, left ^ (Philox.Block(key, round, right, word2, word3).Word0 & mask));
        }

        return ((ulong)left << halfBits) | right;
    }
}
