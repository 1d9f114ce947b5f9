using GrpoActors.Core.Runs;
using GrpoActors.Journal;

namespace GrpoActors.Simulation.Tests;

/// <summary>One run's stream of events. Both faces may be open at once; only the last one opened for writing can append.</summary>
public interface IJournalProvider
{
    /// <summary>Raises the fence: from here on, whoever opened it for writing before cannot append.</summary>
    IJournal OpenForWriting();

    IJournalReader OpenForReading();
}

/// <summary>The writer's face. Holds the fence it took when it was opened.</summary>
public interface IJournal : IJournalReader, IAsyncDisposable
{
    /// <summary>Records appended so far, which is the position that the next one gets.</summary>
    long Position { get; }

    long Fence { get; }

    /// <summary>Appends all events or none.</summary>
    /// <exception cref="StaleWriterException">Another writer has appended, or has opened the journal since.</exception>
    Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation);

    /// <summary>Deletes the records before <paramref name="before"/>, all or none.</summary>
    /// <exception cref="StaleWriterException">Another writer has opened the journal since: nothing was deleted.</exception>
    Task DeleteBeforeAsync(long before, CancellationToken cancellation);
}
