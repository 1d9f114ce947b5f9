using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>The journal could not be written: disk full, database gone. One sentence.</summary>
public sealed class JournalWriteException(string message, Exception cause) : StorageException(message, cause);

/// <summary>Records were compacted away between two that were being read. Reading again from the start succeeds.</summary>
public sealed class JournalCompactedException(string message) : StorageException(message);

/// <summary>There is no journal at this place.</summary>
public sealed class NoJournalException(string message) : StorageException(message);

/// <summary>Another writer has taken over, so this one knows less than the journal. It must stop and change nothing more.</summary>
public sealed class StaleWriterException(string message) : StorageException(message);

/// <summary>What is stored cannot be right. A database has no torn rows, so this is damage or another program's hand, and no start can go on from it.</summary>
/// <param name="position">The first record that is wrong; -1 if it is the journal as a whole.</param>
public sealed class JournalDamagedException(string message, long position, Exception? cause = null) : StorageException(message, cause!)
{
    public long Position { get; } = position;
}
