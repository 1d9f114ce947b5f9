namespace GrpoActors.Engine.Training;

/// <summary>How sequences are laid together for one forward and backward pass.</summary>
public static class MicroBatches
{
    /// <summary>
    /// Completions of a group share the computation of their prompt in units: as many as together have this many tokens, or as many as the prompt where that has more;
    /// at least one. A constant, because the cut into units shows in the bits of the gradient; micro-batches are whole units.
    /// </summary>
    public const int UnitTokensMax = 1024;

    public delegate ReadOnlySpan<int> TokensOf(int sequence);

    /// <summary>Consecutive sequences up to the token budget, at least one each.</summary>
    public static IEnumerable<(int Start, int Count)> Cut(int sequences, Func<int, int> lengthOf, int tokensMax)
    {
        int start = 0, tokens = 0;
        for (int i = 0; i < sequences; i++)
        {
            int length = lengthOf(i);
            if (i > start && tokens + length > tokensMax)
            {
                yield return (start, i - start);
                (start, tokens) = (i, 0);
            }

            tokens += length;
        }

        if (sequences > start)
        {
            yield return (start, sequences - start);
        }
    }

    /// <summary>Lays sequences end to end.</summary>
    /// <param name="tailOf">Tokens that follow those of <paramref name="headOf"/>; null where there are none.</param>
    /// <param name="groupStarts">As <see cref="PackedBatch"/> has them.</param>
    public static PackedBatch Pack(int sequences, TokensOf headOf, TokensOf? tailOf, Func<int, int> firstTargetOf, int[]? groupStarts = null)
    {
        int[] offsets = new int[sequences + 1], firstTargets = new int[sequences];
        for (int i = 0; i < sequences; i++)
        {
            offsets[i + 1] = offsets[i] + headOf(i).Length + (tailOf is null ? 0 : tailOf(i).Length);
            firstTargets[i] = firstTargetOf(i);
        }

        int[] tokens = new int[offsets[^1]];
        for (int i = 0; i < sequences; i++)
        {
            ReadOnlySpan<int> head = headOf(i);
            head.CopyTo(tokens.AsSpan(offsets[i]));
            if (tailOf is not null)
            {
                tailOf(i).CopyTo(tokens.AsSpan(offsets[i] + head.Length));
            }
        }

        return new PackedBatch(tokens, offsets, firstTargets, groupStarts);
    }
}
