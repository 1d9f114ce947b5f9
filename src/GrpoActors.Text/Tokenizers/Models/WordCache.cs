namespace GrpoActors.Text;

/// <summary>Remembers the ids of words seen before: a fixed number of slots, each holding the word that came last.</summary>
/// <remarks>Entries are immutable and replaced as one reference, so threads share it without locks. Memory is bounded: the slots
/// times the longest word.</remarks>
internal sealed class WordCache
{
    /// <summary>Longer words are not kept: they hardly come twice.</summary>
    public const int LongestWord = 48;

    private const int Slots = 1 << 16;

    private readonly Entry?[] _entries = new Entry?[Slots];

    public int[]? Find(ReadOnlySpan<char> word, out int slot)
    {
        slot = string.GetHashCode(word, StringComparison.Ordinal) & (Slots - 1);
        var entry = Volatile.Read(ref _entries[slot]);
        return entry is not null && word.SequenceEqual(entry.Word) ? entry.Ids : null;
    }

    public void Keep(ReadOnlySpan<char> word, int slot, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _entries[slot], new Entry(new string(word), ids.ToArray()));

    private sealed record Entry(string Word, int[] Ids);
}
