using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Journal;

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
