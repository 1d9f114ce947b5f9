namespace GrpoActors.Core.Prompts;

/// <summary>Which data row a group asks: a keyed permutation of the rows for each epoch, so that the data cursor is one number, the ordinal.</summary>
public static class PromptOrder
{
    private const uint RefillBit = 0x8000_0000;

    /// <summary>epoch = ordinal / rows; row = the epoch's permutation of [0, rows) at ordinal mod rows.</summary>
    /// <param name="phase">Each phase has a key, so an order, of its own.</param>
    /// <param name="stream">The two streams of a phase have different orders.</param>
    /// <param name="ordinal">>= 0.</param>
    /// <param name="rows">In [1, 2^40].</param>
    /// <returns>In [0, rows). Each row stands once in each epoch.</returns>
    /// <remarks>The orders repeat after 2^31 epochs.</remarks>
    public static long RowAt(SeedTree seeds, int phase, GroupStream stream, long ordinal, long rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        (long epoch, long index) = Math.DivRem(ordinal, rows);
        uint epochAndStream = ((uint)epoch & ~RefillBit) | (stream == GroupStream.Refill ? RefillBit : 0);
        return KeyedPermutation.At(seeds.Key(SeedPurpose.PromptOrder, phase), 0, epochAndStream, rows, index);
    }
}
