using GrpoActors.Core.Runs;
using GrpoActors.Journal;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>A journal in memory with the promises of <see cref="IJournal"/>: conditional appends and deletions, a fence, whole transactions.</summary>
/// <param name="forgets">What is deleted is gone; otherwise readers do not see it, and whoever checks the run does.</param>
internal sealed class SimulatedJournal(bool forgets) : IJournalProvider
{
    private readonly List<JournalEntry> records = [];
    private readonly List<(long End, long First)> before = []; // how the journal stood before each transaction
    private long origin; // position of records[0]
    private long first;
    private long fence;

    /// <summary>Told of each event as it becomes durable.</summary>
    public Action<RunEvent> Appended { get; set; } = _ => { };

    public int Kept => (int)(End - first);

    public int Count => records.Count;

    public IEnumerable<RunEvent> Events => records.Select(record => record.Event);

    private long End => origin + records.Count;

    public IJournal OpenForWriting() => new Writer(this, ++fence);

    public IJournalReader OpenForReading() => new Writer(this, 0);

    /// <summary>Takes the last transactions away, as a database restored from yesterday does.</summary>
    public void LoseTransactions(int count)
    {
        int from = Math.Max(0, before.Count - count);
        (long end, first) = before[from];
        records.RemoveRange((int)(end - origin), (int)(End - end));
        before.RemoveRange(from, before.Count - from);
    }

    private void Append(long writerFence, long expectedPosition, IReadOnlyList<RunEvent> events)
    {
        RequireFence(writerFence);
        if (expectedPosition != End)
        {
            throw new StaleWriterException($"The journal holds {End} records; this writer has seen {expectedPosition}.");
        }

        before.Add((End, first));
        foreach (RunEvent e in events)
        {
            records.Add(new JournalEntry(End, writerFence, e));
        }

        foreach (RunEvent e in events)
        {
            Appended(e);
        }
    }

    private void DeleteBefore(long writerFence, long position)
    {
        RequireFence(writerFence);
        if (position <= first)
        {
            return;
        }

        before.Add((End, first));
        first = position;
        if (forgets)
        {
            records.RemoveRange(0, (int)(first - origin));
            origin = first;
            before.Clear();
        }
    }

    private void RequireFence(long writerFence)
    {
        if (writerFence != fence)
        {
            throw new StaleWriterException($"The journal is held by writer {fence}; this is writer {writerFence}.");
        }
    }

    private sealed class Writer(SimulatedJournal journal, long fence) : IJournal
    {
        public string Place => "the simulated journal";

        public long First => journal.first;

        public long Position { get; private set; } = journal.End;

        public long Fence => fence;

        public IEnumerable<JournalEntry> Read(long from = 0)
        {
            for (long position = Math.Max(from, journal.first); position < journal.End; position++)
            {
                yield return journal.records[(int)(position - journal.origin)];
            }
        }

        public IEnumerable<StoredRecord> Stored(long from = 0) => throw new NotSupportedException();

        public Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
        {
            journal.Append(fence, expectedPosition, events);
            Position += events.Count;
            return Task.CompletedTask;
        }

        public Task DeleteBeforeAsync(long position, CancellationToken cancellation)
        {
            journal.DeleteBefore(fence, position);
            return Task.CompletedTask;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
