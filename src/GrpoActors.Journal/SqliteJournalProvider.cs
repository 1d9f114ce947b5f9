using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Journal;

/// <summary>A journal in one SQLite file.</summary>
/// <param name="path">Of the database; its folder exists.</param>
public sealed class SqliteJournalProvider(string path) : IJournalProvider
{
    public IJournal OpenForWriting() => SqliteJournal.OpenForWriting(path);

    public IJournalReader OpenForReading() => SqliteJournal.OpenForReading(path);

    /// <summary>Renames the file with its log to <c>name.1</c>, <c>name.2</c>, ... Nothing happens where there is none.</summary>
    /// <exception cref="StorageException">It cannot be renamed.</exception>
    public void SetAside()
    {
        string aside = NameAside();
        try
        {
            foreach (string suffix in (string[])["-wal", "-shm", ""]) // the log first: alone it is nothing, beside another file it is damage
            {
                if (File.Exists(path + suffix))
                {
                    File.Move(path + suffix, aside + suffix);
                }
            }
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("set the old journal aside", path, e);
        }
    }

    /// <summary>The next free one of <c>name.1</c>, <c>name.2</c>, ...</summary>
    internal string NameAside()
    {
        int number = 1;
        while (File.Exists($"{path}.{number}"))
        {
            number++;
        }

        return $"{path}.{number}";
    }
}

/// <summary>SQLite's failures in one sentence.</summary>
internal static class SqliteFailure
{
    private const int Busy = 5, Locked = 6, ReadOnly = 8, InOut = 10, Corrupt = 11, Full = 13, CannotOpen = 14, NotADatabase = 26;

    public static bool IsDamage(SqliteException e) => e.SqliteErrorCode is Corrupt or NotADatabase;

    public static bool CouldNotOpen(SqliteException e) => e.SqliteErrorCode is CannotOpen or ReadOnly;

    private const long LittleRoomBytes = 64 << 10;
    private const string FullDisk = "the disk is full; free some space and start the same command again";

    public static JournalWriteException Write(string path, SqliteException e) => new($"Could not write the journal {path}: {Why(path, e)}.", e);

    public static StorageException Read(string path, SqliteException e) => new($"Could not read the journal {path}: {Why(path, e)}.", e);

    public static JournalDamagedException Damage(string path, SqliteException e, long position) => new(
        $"The journal {path} is no whole SQLite database any more ({(position < 0 ? "found when it was opened" : $"found at record {position}")}: {Said(e)}); restore the file from a copy, or start over with --fresh.",
        position,
        e);

    private static string Why(string path, SqliteException e) => e.SqliteErrorCode switch
    {
        Full => FullDisk,
        InOut when HasLittleRoom(path) => FullDisk, // the index of the log grows by 32 KiB at once, and SQLite does not say why it could not
        Busy or Locked => "another process keeps it locked; end that one and start the same command again",
        ReadOnly => "the file or its folder is read-only; allow writing, or choose another run folder",
        InOut => $"the disk, or a limit on the size of files (ulimit -f), refused it ({Said(e)}); look at both and start the same command again",
        CannotOpen => "it cannot be opened; look whether its folder exists and may be written",
        _ => Said(e),
    };

    private static bool HasLittleRoom(string path)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(path)).AvailableFreeSpace < LittleRoomBytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false; // it cannot be asked
        }
    }

    private static string Said(SqliteException e) => e.Message.TrimEnd('.');
}
