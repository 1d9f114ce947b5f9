using GrpoActors.Core.Runs;
using GrpoActors.Journal;

namespace GrpoActors.Runtime.Tests.Embedded;

/// <summary>Cancels when a step is durable, on the thread that decides: where a run stops does not depend on who is scheduled when.</summary>
/// <param name="runStep">This step or a later one.</param>
internal sealed class StoppingJournals(IJournalProvider journals, long runStep, CancellationTokenSource stop) : IJournalProvider
{
    public IJournal OpenForWriting() => new Writer(journals.OpenForWriting(), runStep, stop);

    public IJournalReader OpenForReading() => journals.OpenForReading();

    private sealed class Writer(IJournal journal, long runStep, CancellationTokenSource stop) : IJournal
    {
        public string Place => journal.Place;

        public long First => journal.First;

        public long Position => journal.Position;

        public long Fence => journal.Fence;

        public async Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
        {
            await journal.AppendAsync(expectedPosition, events, cancellation);
            if (events.OfType<RunEvent.StepCommitted>().Any(step => step.Inputs.Step + 1 >= runStep))
            {
                await stop.CancelAsync();
            }
        }

        public Task DeleteBeforeAsync(long before, CancellationToken cancellation) => journal.DeleteBeforeAsync(before, cancellation);

        public IEnumerable<JournalEntry> Read(long from = 0) => journal.Read(from);

        public IEnumerable<StoredRecord> Stored(long from = 0) => journal.Stored(from);

        public void Dispose() => journal.Dispose();

        public ValueTask DisposeAsync() => journal.DisposeAsync();
    }
}
