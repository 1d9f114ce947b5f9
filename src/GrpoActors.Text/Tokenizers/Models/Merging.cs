namespace GrpoActors.Text;

/// <summary>Merges a word's symbols: always the pair of lowest rank, of equal ones the leftmost, until no pair has a rank.</summary>
/// <remarks>Short words look through all pairs each time; long ones keep their symbols as a linked list and their pairs in a heap,
/// O(n log n), so that 100 kB without a space is no worse than text. For one thread.</remarks>
internal sealed class Merging(MergeTable merges)
{
    private const int LongWord = 32;

    private readonly PriorityQueue<(int At, int Rank), long> _pairs = new();
    private int[] _ranks = new int[LongWord];
    private int[] _mergedIds = new int[LongWord];
    private int[] _next = [];
    private int[] _previous = [];

    /// <summary>Merges in place; the first of <paramref name="symbols"/> become the result.</summary>
    /// <returns>How many remain.</returns>
    public int Merge(Span<int> symbols)
    {
        if (symbols.Length < 2 || merges.Count == 0)
        {
            return symbols.Length;
        }

        return symbols.Length <= LongWord ? MergeShort(symbols) : MergeLong(symbols);
    }

    private int MergeShort(Span<int> symbols)
    {
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++)
        {
            merges.TryGet(symbols[i], symbols[i + 1], out _ranks[i], out _mergedIds[i]);
        }

        while (count > 1)
        {
            int best = _ranks.AsSpan(0, count - 1).IndexOf(Min(_ranks.AsSpan(0, count - 1)));
            if (_ranks[best] == int.MaxValue)
            {
                break;
            }

            symbols[best] = _mergedIds[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            _ranks.AsSpan(best + 1, count - best - 2).CopyTo(_ranks.AsSpan(best));
            _mergedIds.AsSpan(best + 1, count - best - 2).CopyTo(_mergedIds.AsSpan(best));
            count--;
            if (best > 0)
            {
                merges.TryGet(symbols[best - 1], symbols[best], out _ranks[best - 1], out _mergedIds[best - 1]);
            }

            if (best + 1 < count)
            {
                merges.TryGet(symbols[best], symbols[best + 1], out _ranks[best], out _mergedIds[best]);
            }
        }

        return count;
    }

    private static int Min(ReadOnlySpan<int> ranks)
    {
        int least = int.MaxValue;
        foreach (int rank in ranks)
        {
            least = Math.Min(least, rank);
        }

        return least;
    }

    private int MergeLong(Span<int> symbols)
    {
        const int gone = -2;
        int count = symbols.Length;
        if (_next.Length < count)
        {
            _next = new int[count * 2];
            _previous = new int[count * 2];
        }

        _pairs.Clear();
        for (int i = 0; i < count; i++)
        {
            _next[i] = i + 1 < count ? i + 1 : -1;
            _previous[i] = i - 1;
            Offer(symbols, i);
        }

        while (_pairs.TryDequeue(out var pair, out _))
        {
            int left = pair.At, right = _next[left];
            bool stands = right >= 0 && merges.TryGet(symbols[left], symbols[right], out int rank, out int merged) && rank == pair.Rank;
            if (!stands)
            {
                continue; // one of the two has merged with another since
            }

            merges.TryGet(symbols[left], symbols[right], out _, out symbols[left]);
            _next[left] = _next[right];
            _next[right] = gone;
            if (_next[left] >= 0)
            {
                _previous[_next[left]] = left;
            }

            if (_previous[left] >= 0)
            {
                Offer(symbols, _previous[left]);
            }

            Offer(symbols, left);
        }

        int kept = 0;
        for (int i = 0; i >= 0; i = _next[i])
        {
            symbols[kept++] = symbols[i];
        }

        return kept;
    }

    private void Offer(ReadOnlySpan<int> symbols, int left)
    {
        int right = left + 1 < symbols.Length ? _next[left] : -1;
        if (right >= 0 && merges.TryGet(symbols[left], symbols[right], out int rank, out _))
        {
            _pairs.Enqueue((left, rank), ((long)rank << 32) | (uint)left);
        }
    }
}
