using GrpoActors.Core;

namespace GrpoActors.Host.Journal;

/// <summary>Where the plan's setting <c>journal</c> puts a run's journal.</summary>
public static class JournalPlace
{
    /// <summary>The run's name in a database that runs share.</summary>
    /// <param name="runFolder">Full path.</param>
    public static string RunName(string runFolder, Digest identity) => $"{Path.GetFileName(runFolder)}-{identity.ToString()[..16]}";

    /// <summary>The setting is a connection string; otherwise a SQLite file is meant.</summary>
    public static bool IsDatabase(string? setting) => setting?.Contains('=', StringComparison.Ordinal) ?? false;

    /// <summary>Full path of the SQLite file where the setting names no database.</summary>
    public static string File(string? setting, string runFolder) => string.IsNullOrEmpty(setting) ? Path.Combine(runFolder, "journal.db") : Path.GetFullPath(setting);

    /// <param name="setting">Null or empty: journal.db in the run folder. A text with = is a PostgreSQL connection string, anything else a path, relative to the current folder.</param>
    /// <param name="runFolder">Full path; its last name and the plan's identity name the run in a database.</param>
    /// <exception cref="RunFolders.StorageException">The connection string is not understood.</exception>
    public static IJournalProvider Of(string? setting, string runFolder, Digest identity) => setting switch
    {
        null or "" => new SqliteJournalProvider(Path.Combine(runFolder, "journal.db")),
        _ when setting.Contains('=', StringComparison.Ordinal) => new PostgresJournalProvider(setting, RunName(runFolder, identity)),
        _ => new SqliteJournalProvider(Path.GetFullPath(setting)),
    };

    /// <summary>Keeps a journal that lies outside of the run folder under another name, so that the run begins anew; the one inside goes with its folder.</summary>
    /// <exception cref="RunFolders.StorageException">It cannot be renamed.</exception>
    public static void SetAside(string? setting, string runFolder, Digest identity)
    {
        switch (Of(setting, runFolder, identity))
        {
            case PostgresJournalProvider database:
                database.SetAside();
                break;
            case SqliteJournalProvider file when !string.IsNullOrEmpty(setting):
                file.SetAside();
                break;
            default:
                break;
        }
    }
}
