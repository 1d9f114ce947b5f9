using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>One run's stream of events, wherever it is stored. Both faces may be open at once, in one process or several; only the last one opened for writing can append.</summary>
public interface IJournalProvider
{
    /// <summary>Raises the fence: from here on, whoever opened it for writing before cannot append. Creates the journal if there is none.</summary>
    /// <exception cref="JournalWriteException">It cannot be created or written.</exception>
    /// <exception cref="JournalDamagedException">It is no journal of this program.</exception>
    IJournal OpenForWriting();

    /// <summary>Takes no fence and disturbs no writer.</summary>
    /// <exception cref="NoJournalException">There is none.</exception>
    /// <exception cref="StorageException">It cannot be read.</exception>
    IJournalReader OpenForReading();
}

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

/// <summary>The one writer's face. Holds the fence it took when it was opened.</summary>
/// <remarks>Appends are the caller's to order: one call at a time. What waits together is handed over in one call and shares one transaction.</remarks>
public interface IJournal : IJournalReader, IAsyncDisposable
{
    /// <summary>Records appended so far, which is the position that the next one gets.</summary>
    long Position { get; }

    long Fence { get; }

    /// <summary>Appends all events or none. When it returns they survive the loss of power.</summary>
    /// <param name="expectedPosition">Position that the caller has folded up to.</param>
    /// <exception cref="StaleWriterException">Somebody else has appended, or has opened the journal for writing since: this writer must stop.</exception>
    /// <exception cref="JournalWriteException">Nothing was appended, as far as can be told. The caller ends; whoever opens it next finds out by reading.</exception>
    Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation);

    /// <summary>Deletes the records before <paramref name="before"/>, all or none. Call it only when the record that retires them is durable.</summary>
    /// <param name="before">The new <see cref="IJournalReader.First"/>; nothing happens where it is not above the present one. Below <see cref="Position"/>: one record is kept.</param>
    /// <exception cref="StaleWriterException">Somebody else has opened the journal for writing since: nothing was deleted.</exception>
    /// <exception cref="JournalWriteException">Nothing was deleted, as far as can be told.</exception>
    Task DeleteBeforeAsync(long before, CancellationToken cancellation);
}

/// <param name="Position">Record k has position k, from 0.</param>
/// <param name="Fence">Of the writer that appended it.</param>
public readonly record struct JournalEntry(long Position, long Fence, RunEvent Event);

/// <param name="Crc">CRC-32C over position and fence (int64, little-endian) and payload, as <see cref="RecordChecksum"/> gives it, if nothing was damaged.</param>
public readonly record struct StoredRecord(long Position, long Fence, uint Crc, byte[] Payload);
