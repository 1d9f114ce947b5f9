using GrpoActors.Core.Runs;
using GrpoActors.Host.Journal;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>A journal in memory with the promises of <see cref="IJournal"/>: conditional appends, a fence, whole transactions.</summary>
internal sealed class SimulatedJournal : IJournalProvider
{
    private readonly List<JournalEntry> records = [];
    private readonly List<int> transactionStarts = [];
    private long fence;

    /// <summary>Told of each event as it becomes durable.</summary>
    public Action<RunEvent> Appended { get; set; } = _ => { };

    public int Count => records.Count;

    public IEnumerable<RunEvent> Events => records.Select(record => record.Event);

    public IJournal OpenForWriting() => new Writer(this, ++fence);

    public IJournalReader OpenForReading() => new Writer(this, 0);

    /// <summary>Takes the last transactions away, as a database restored from yesterday does.</summary>
    /// <returns>How many records are gone.</returns>
    public int LoseTransactions(int count)
    {
        int from = transactionStarts.Count > count ? transactionStarts[^count] : 0;
        int lost = records.Count - from;
        records.RemoveRange(from, lost);
        transactionStarts.RemoveAll(start => start >= from);
        return lost;
    }

    private void Append(long writerFence, long expectedPosition, IReadOnlyList<RunEvent> events)
    {
        if (writerFence != fence)
        {
            throw new StaleWriterException($"The journal is held by writer {fence}; this is writer {writerFence}.");
        }

        if (expectedPosition != records.Count)
        {
            throw new StaleWriterException($"The journal holds {records.Count} records; this writer has seen {expectedPosition}.");
        }

        transactionStarts.Add(records.Count);
        foreach (RunEvent e in events)
        {
            records.Add(new JournalEntry(records.Count, writerFence, e));
        }

        foreach (RunEvent e in events)
        {
            Appended(e);
        }
    }

    private sealed class Writer(SimulatedJournal journal, long fence) : IJournal
    {
        public string Place => "the simulated journal";

        public long First => 0;

        public long Position { get; private set; } = journal.records.Count;

        public long Fence => fence;

        public IEnumerable<JournalEntry> Read(long from = 0)
        {
            for (int i = (int)from; i < journal.records.Count; i++)
            {
                yield return journal.records[i];
            }
        }

        public IEnumerable<StoredRecord> Stored(long from = 0) => throw new NotSupportedException();

        public Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
        {
            journal.Append(fence, expectedPosition, events);
            Position += events.Count;
            return Task.CompletedTask;
        }

        public Task DeleteBeforeAsync(long position, CancellationToken cancellation) => throw new NotSupportedException("The simulator keeps all records.");

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
