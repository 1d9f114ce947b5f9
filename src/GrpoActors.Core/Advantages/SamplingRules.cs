namespace GrpoActors.Core.Advantages;

/// <summary>Rules about which samples may teach, and how length enters the reward.</summary>
public static class SamplingRules
{
    /// <summary>True when a group teaches something: two scorable completions differ in reward (DAPO's dynamic sampling keeps only such groups).</summary>
    /// <remarks>
    /// Refill without length bias: decide on a group only when all its completions are scored, and take refills in the order in which they
    /// were opened. Taking whichever groups finish first would prefer short answers.
    /// </remarks>
    public static bool HasSpread(ReadOnlySpan<double> rewards, ReadOnlySpan<bool> scorable)
    {
        double min = double.PositiveInfinity, max = double.NegativeInfinity;
        for (int i = 0; i < rewards.Length; i++)
        {
            if (GroupAdvantages.Scorable(scorable, i))
                (min, max) = (Math.Min(min, rewards[i]), Math.Max(max, rewards[i]));
        }
        return max > min;
    }

    /// <summary>How many groups to open for the next refill: the groups still missing, widened by the share kept so far, within what the cap leaves.</summary>
    /// <param name="wanted">Groups that the step trains.</param>
    /// <param name="kept">Groups kept so far.</param>
    /// <param name="opened">Groups opened so far for this step.</param>
    /// <param name="openedMax">Cap on groups opened for one step (verl <c>max_num_gen_batches</c> times the batch).</param>
    /// <returns>0 when the step is full or the cap is reached.</returns>
    public static int RefillGroups(int wanted, int kept, int opened, int openedMax)
    {
        int missing = wanted - kept;
        if (missing <= 0 || opened >= openedMax)
            return 0;
        int widened = kept == 0 ? missing : (int)(((long)missing * opened + kept - 1) / kept);
        return Math.Min(Math.Max(widened, missing), openedMax - opened);
    }

    /// <summary>DAPO's soft overlong penalty (arXiv:2503.14476, eq. 13): 0 up to max - buffer, then linear down to -factor at max and beyond.</summary>
    /// <param name="lengthTokens">Tokens of the completion.</param>
    /// <param name="maxTokens">verl <c>max_response_length</c>.</param>
    /// <param name="bufferTokens">verl <c>overlong_buffer.len</c>; &gt; 0.</param>
    /// <param name="factor">verl <c>overlong_buffer.penalty_factor</c>, default 1.</param>
    public static double SoftOverlongPenalty(int lengthTokens, int maxTokens, int bufferTokens, double factor = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bufferTokens);
        int over = lengthTokens - (maxTokens - bufferTokens);
        return over <= 0 ? 0 : -factor * Math.Min(over, bufferTokens) / bufferTokens;
    }

    /// <summary>Clears the mask of rows that were cut off by the length limit (TRL <c>mask_truncated_completions</c>, DAPO's overlong filtering).</summary>
    public static void MaskTruncated(ReadOnlySpan<int> rowStarts, ReadOnlySpan<bool> truncated, Span<bool> mask)
    {
        for (int row = 0; row < truncated.Length; row++)
        {
            if (truncated[row])
                mask[rowStarts[row]..rowStarts[row + 1]].Clear();
        }
    }
}
