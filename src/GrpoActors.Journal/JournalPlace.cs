using GrpoActors.Core;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>A run's journal for the embedded host, which writes it in the layout of release 0.1.</summary>
public static class JournalPlace
{
    /// <summary>As <see cref="RunJournal.Of"/>; reads a run in whichever layout it has begun.</summary>
    /// <exception cref="StorageException">The connection string is not understood.</exception>
    public static IJournalProvider Of(string? setting, string runFolder, Digest identity) =>
        new EitherLayout(Embedded(setting, runFolder, identity), RunJournal.Of(setting, runFolder, identity));

    private static IJournalProvider Embedded(string? setting, string runFolder, Digest identity) => RunJournal.IsDatabase(setting)
        ? new PostgresJournalProvider(setting!, RunJournal.NameOf(runFolder, identity))
        : new SqliteJournalProvider(RunJournal.FileOf(setting, runFolder));

    private sealed class EitherLayout(IJournalProvider old, RunJournal journal) : IJournalProvider
    {
        public IJournal OpenForWriting() => old.OpenForWriting();

        public IJournalReader OpenForReading() => journal.IsInOldLayout() ? old.OpenForReading() : journal.OpenForReading();
    }
}
