using GrpoActors.Core.Runs;

namespace GrpoActors.Journal;

/// <summary>Reads what is durable. One thread at a time.</summary>
public interface IJournalReader : IDisposable
{
    /// <summary>Where it lies, as a person would say it.</summary>
    string Place { get; }

    /// <summary>Position of the oldest record that is still kept: 0 until something is compacted.</summary>
    long First { get; }

    /// <summary>
    /// The events from position <paramref name="from"/> on, one after the other, each checked before it is handed out: positions contiguous from
    /// <see cref="First"/>, checksum right, bytes one whole record, fence never lower than the one before.
    /// </summary>
    /// <exception cref="JournalDamagedException">Thrown where the first record that fails would come.</exception>
    /// <exception cref="JournalCompactedException">A writer deletes what was about to be read.</exception>
    IEnumerable<JournalEntry> Read(long from = 0);

    /// <summary>The records as they are stored, nothing checked: for audit, which says itself what is wrong.</summary>
    IEnumerable<StoredRecord> Stored(long from = 0);
}

/// <param name="Position">Record k has position k, from 0.</param>
/// <param name="Fence">Of the writer that appended it.</param>
public readonly record struct JournalEntry(long Position, long Fence, RunEvent Event);

/// <param name="Crc">CRC-32C over position and fence (int64, little-endian) and payload, as <see cref="RecordChecksum"/> gives it, if nothing was damaged.</param>
public readonly record struct StoredRecord(long Position, long Fence, uint Crc, byte[] Payload);
