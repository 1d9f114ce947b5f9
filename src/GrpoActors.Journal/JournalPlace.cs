using GrpoActors.Core;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>Where the plan's setting <c>journal</c> puts a run's journal, and in which layout it lies there: the embedded host's own, or the tables of the clustered service.</summary>
public static class JournalPlace
{
    /// <param name="setting">Null or empty: journal.db in the run folder. A text with = is a PostgreSQL connection string, anything else a path, relative to the current folder.</param>
    /// <param name="runFolder">Full path; its last name and the plan's identity name the run in a database.</param>
    /// <returns>Looks at each opening which layout holds the run; one that has not begun begins in the embedded host's.</returns>
    /// <exception cref="StorageException">The connection string is not understood.</exception>
    public static IJournalProvider Of(string? setting, string runFolder, Digest identity) =>
        new EitherLayout(Embedded(setting, runFolder, identity), () => Cluster(setting, runFolder, identity));

    /// <summary>The run's name in a database that runs share.</summary>
    /// <param name="runFolder">Full path.</param>
    public static string RunName(string runFolder, Digest identity) => $"{Path.GetFileName(runFolder)}-{identity.ToString()[..16]}";

    /// <summary>The setting is a connection string; otherwise a SQLite file is meant.</summary>
    public static bool IsDatabase(string? setting) => setting?.Contains('=', StringComparison.Ordinal) ?? false;

    /// <summary>Full path of the SQLite file where the setting names no database.</summary>
    public static string File(string? setting, string runFolder) => string.IsNullOrEmpty(setting) ? Path.Combine(runFolder, "journal.db") : Path.GetFullPath(setting);

    /// <summary>Keeps a journal that lies outside of the run folder under another name, so that the run begins anew; the one inside goes with its folder.</summary>
    /// <exception cref="StorageException">It cannot be renamed.</exception>
    public static void SetAside(string? setting, string runFolder, Digest identity)
    {
        switch (Embedded(setting, runFolder, identity))
        {
            case PostgresJournalProvider database:
                Cluster(setting, runFolder, identity).SetAside();
                database.SetAside();
                break;
            case SqliteJournalProvider file when !string.IsNullOrEmpty(setting):
                file.SetAside();
                break;
            default:
                break;
        }
    }

    /// <summary>The place in the embedded host's own layout.</summary>
    internal static IJournalProvider Embedded(string? setting, string runFolder, Digest identity) =>
        IsDatabase(setting) ? new PostgresJournalProvider(setting!, RunName(runFolder, identity)) : new SqliteJournalProvider(File(setting, runFolder));

    /// <summary>The place in the layout of the clustered service.</summary>
    internal static AkkaJournalProvider Cluster(string? setting, string runFolder, Digest identity) =>
        IsDatabase(setting) ? AkkaJournalProvider.InDatabase(setting!, RunName(runFolder, identity)) : AkkaJournalProvider.InFile(File(setting, runFolder), runFolder, identity);

    private sealed class EitherLayout(IJournalProvider embedded, Func<AkkaJournalProvider> cluster) : IJournalProvider
    {
        public IJournal OpenForWriting() => Now().OpenForWriting();

        public IJournalReader OpenForReading() => Now().OpenForReading();

        private IJournalProvider Now() => cluster() is { } shared && shared.HoldsRun() ? shared : embedded;
    }
}
