using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;

namespace GrpoActors.Journal;

/// <summary>What every journal checks before it hands a stored record out as an event, wherever it is stored.</summary>
internal static class StoredRecords
{
    /// <param name="from">Position that the first record must have.</param>
    /// <param name="first">Asks again for the position of the oldest record kept: a writer may delete while this one reads.</param>
    /// <exception cref="JournalDamagedException">At the first record that fails.</exception>
    /// <exception cref="JournalCompactedException">Records that were about to be read are deleted.</exception>
    public static IEnumerable<JournalEntry> Checked(IEnumerable<StoredRecord> records, long from, string place, Func<long> first)
    {
        long expected = from;
        long fence = 0;
        foreach (StoredRecord record in records)
        {
            if (record.Position != expected)
            {
                if (first() > expected)
                {
                    throw new JournalCompactedException($"The journal {place} was compacted while it was being read: read it again.");
                }

                throw Damaged(expected, place, $"it is missing; the next one there is record {record.Position}");
            }

            RunEvent read = Event(record, fence, place);
            fence = record.Fence;
            expected++;
            yield return new JournalEntry(record.Position, record.Fence, read);
        }
    }

    /// <summary>The event of one record, checked by itself.</summary>
    /// <param name="fenceMin">Fence of the record before it.</param>
    /// <exception cref="JournalDamagedException">The record fails.</exception>
    public static RunEvent Event(StoredRecord record, long fenceMin, string place)
    {
        long fenceMax = record.Position + 1; // its writer took one above the number of records that it found
        if (RecordChecksum.Of(record.Position, record.Fence, record.Payload) != record.Crc)
        {
            throw Damaged(record.Position, place, "its checksum does not match its bytes");
        }

        if (record.Fence < fenceMin || record.Fence > fenceMax)
        {
            throw Damaged(record.Position, place, $"it was written under fence {record.Fence}, where only {fenceMin} to {fenceMax} are possible");
        }

        try
        {
            return EventRecord.Decode(record.Payload);
        }
        catch (JournalFormatException e)
        {
            throw new JournalDamagedException($"Record {record.Position} of the journal {place} cannot be read. {e.Message}", record.Position, e);
        }
    }

    private static JournalDamagedException Damaged(long position, string place, string what) =>
        new($"Record {position} of the journal {place} is damaged: {what}; restore it from a copy, or start over with --fresh.", position);
}
