using GrpoActors.Core.Runs;
using GrpoActors.Journal;

namespace GrpoActors.Runtime.Chaos;

/// <summary>A journal with a crash point before and after each append, named by the kinds of events in it.</summary>
internal sealed class CrashingJournals(IJournalProvider journals, CrashPoints points) : IJournalProvider
{
    public IJournal OpenForWriting() => new CrashingJournal(journals.OpenForWriting(), points);

    public IJournalReader OpenForReading() => journals.OpenForReading();

    private sealed class CrashingJournal(IJournal journal, CrashPoints points) : IJournal
    {
        public string Place => journal.Place;

        public long First => journal.First;

        public long Position => journal.Position;

        public long Fence => journal.Fence;

        public IEnumerable<JournalEntry> Read(long from = 0) => journal.Read(from);

        public IEnumerable<StoredRecord> Stored(long from = 0) => journal.Stored(from);

        public async Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
        {
            string[] kinds = [.. events.Select(e => e.GetType().Name).Distinct()];
            Reach("append", kinds);
            await journal.AppendAsync(expectedPosition, events, cancellation);
            points.Progressed();
            Reach("appended", kinds);
        }

        public async Task DeleteBeforeAsync(long before, CancellationToken cancellation)
        {
            points.Reach("delete-records");
            await journal.DeleteBeforeAsync(before, cancellation);
            points.Reach("delete-records done");
        }

        public void Dispose() => journal.Dispose();

        public ValueTask DisposeAsync() => journal.DisposeAsync();

        private void Reach(string moment, string[] kinds)
        {
            foreach (string kind in kinds)
            {
                points.Reach($"{moment} {kind}");
            }
        }
    }
}
