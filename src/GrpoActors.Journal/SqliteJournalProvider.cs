namespace GrpoActors.Journal;

/// <summary>A journal in one SQLite file.</summary>
/// <param name="path">Of the database; its folder exists.</param>
public sealed class SqliteJournalProvider(string path) : IJournalProvider
{
    public IJournal OpenForWriting() => SqliteJournal.OpenForWriting(path);

    public IJournalReader OpenForReading() => SqliteJournal.OpenForReading(path);

    /// <summary>Renames the file with its log to <c>name.1</c>, <c>name.2</c>, ... Nothing happens where there is none.</summary>
    /// <exception cref="GrpoActors.Formats.Files.StorageException">It cannot be renamed.</exception>
    public void SetAside() => SqliteTables.SetAside(path);
}
