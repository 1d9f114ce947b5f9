using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>Reading what is stored where a failure to read is a finding and no end.</summary>
public static class ReadableRecords
{
    /// <summary><see cref="IJournalReader.Stored"/> up to the first record that its store cannot read.</summary>
    /// <param name="unreadable">Called at most once, with the sentence that says why, where that record would come.</param>
    public static IEnumerable<StoredRecord> StoredWhileReadable(this IJournalReader journal, long from, Action<string> unreadable)
    {
        using IEnumerator<StoredRecord> stored = journal.Stored(from).GetEnumerator();
        while (Next(stored, unreadable))
        {
            yield return stored.Current;
        }
    }

    private static bool Next(IEnumerator<StoredRecord> stored, Action<string> unreadable)
    {
        try
        {
            return stored.MoveNext();
        }
        catch (StorageException e)
        {
            unreadable(e.Message);
            return false;
        }
    }
}
