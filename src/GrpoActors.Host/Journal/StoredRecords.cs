using GrpoActors.Core.Runs;
using GrpoActors.Formats.Journal;

namespace GrpoActors.Host.Journal;

/// <summary>What every journal checks before it hands a stored record out as an event, wherever it is stored.</summary>
internal static class StoredRecords
{
    /// <param name="from">Position that the first record must have.</param>
    /// <param name="fenceMax">The journal's own fence: no record can stand above it.</param>
    /// <param name="first">Asks again for the position of the oldest record kept: a writer may delete while this one reads.</param>
    /// <exception cref="JournalDamagedException">At the first record that fails.</exception>
    /// <exception cref="JournalCompactedException">Records that were about to be read are deleted.</exception>
    public static IEnumerable<JournalEntry> Checked(IEnumerable<StoredRecord> records, long from, long fenceMax, string place, Func<long> first)
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

                throw Damaged(expected, $"it is missing; the next one there is record {record.Position}");
            }

            if (RecordChecksum.Of(record.Position, record.Fence, record.Payload) != record.Crc)
            {
                throw Damaged(expected, "its checksum does not match its bytes");
            }

            if (record.Fence < fence || record.Fence > fenceMax)
            {
                throw Damaged(expected, $"it was written under fence {record.Fence}, between records of fence {fence} and the journal's {fenceMax}");
            }

            RunEvent read;
            try
            {
                read = EventRecord.Decode(record.Payload);
            }
            catch (JournalFormatException e)
            {
                throw new JournalDamagedException($"Record {expected} of the journal {place} cannot be read. {e.Message}", expected, e);
            }

            fence = record.Fence;
            expected++;
            yield return new JournalEntry(record.Position, record.Fence, read);
        }

        JournalDamagedException Damaged(long position, string what) => new(
            $"Record {position} of the journal {place} is damaged: {what}; restore the file from a copy, or start over with --fresh.", position);
    }
}
