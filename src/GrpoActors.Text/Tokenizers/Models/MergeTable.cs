using System.Numerics;
using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Which two tokens merge, into which, and how early: an open hash table from a pair of ids to (rank, merged id).</summary>
internal sealed class MergeTable
{
    private readonly ulong[] _keys; // pair + 1; 0 is a free slot
    private readonly (int Rank, int Merged)[] _values;
    private readonly int _shift;

    private MergeTable(int count)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, count)) + 2); // at most half full
        _keys = new ulong[1 << bits];
        _values = new (int, int)[1 << bits];
        _shift = 64 - bits;
        Count = count;
    }

    public int Count { get; }

    /// <exception cref="TokenizerFormatException">A merge names a token that the vocabulary lacks, or is no pair.</exception>
    public static MergeTable Read(TokenizerJson merges, Vocabulary vocabulary, string continuingPrefix, Action<string, string> seen)
    {
        merges.Require(JsonValueKind.Array);
        var table = new MergeTable(merges.Element.GetArrayLength());
        int rank = 0;
        foreach (var merge in merges.Element.EnumerateArray())
        {
            var (left, right) = Pair(merges, merge, rank);
            string merged = left + (continuingPrefix.Length > 0 && right.StartsWith(continuingPrefix, StringComparison.Ordinal) ? right[continuingPrefix.Length..] : right);
            table.Add(Known(left), Known(right), rank, Known(merged));
            seen(left, right);
            rank++;

            int Known(string token)
            {
                int id = vocabulary.Id(token);
                return id >= 0 ? id : throw (merges with { Path = $"{merges.Path}[{rank}]" }).Wrong($"needs the token '{token}', which is not in the vocabulary");
            }
        }

        return table;
    }

    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        int mask = _keys.Length - 1;
        while (true)
        {
            ulong there = _keys[slot];
            if (there == key)
            {
                (rank, merged) = _values[slot];
                return true;
            }

            if (there == 0)
            {
                rank = int.MaxValue;
                merged = -1;
                return false;
            }

            slot = (slot + 1) & mask;
        }
    }

    // A pair that stands there twice: the later one counts, as in Hugging Face's library.
    private void Add(int left, int right, int rank, int merged)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        while (_keys[slot] != 0 && _keys[slot] != key)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        _keys[slot] = key;
        _values[slot] = (rank, merged);
    }

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> _shift);

    // ["a", "b"], or "a b" in older files.
    private static (string Left, string Right) Pair(TokenizerJson merges, JsonElement merge, int index)
    {
        if (merge.ValueKind == JsonValueKind.String)
        {
            var halves = merge.GetString()!.Split(' ');
            if (halves.Length == 2)
            {
                return (halves[0], halves[1]);
            }
        }
        else if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2
            && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String)
        {
            return (merge[0].GetString()!, merge[1].GetString()!);
        }

        throw (merges with { Path = $"{merges.Path}[{index}]" }).Wrong($"is {merge.GetRawText()}, where two tokens were expected");
    }
}
