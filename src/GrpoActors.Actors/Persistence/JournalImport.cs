using System.Data.Common;
using GrpoActors.Core;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace GrpoActors.Actors.Persistence;

/// <summary>Makes a run's place ready for <see cref="JournalActor"/>: its tables are there, embedded writers are ended, and what the embedded host has begun in its own layout is copied over.</summary>
/// <remarks>One transaction does all of it: killed in the middle, nothing has happened. The old journal is kept under another name (<c>run.1</c>; <c>journal.db.1</c>).</remarks>
internal static class JournalImport
{
    private const string FullFlush = "2";

    /// <summary>Call it before the journal's actor is started.</summary>
    /// <param name="setting">As in <see cref="JournalPlace.Of"/>.</param>
    /// <param name="runFolder">Full path.</param>
    /// <returns>The persistence id, and how many records were copied.</returns>
    /// <exception cref="JournalDamagedException">The old journal is damaged; nothing was changed.</exception>
    /// <exception cref="StorageException">The database cannot be read or written, or does not keep what it has answered.</exception>
    public static (string PersistenceId, long Records) Prepare(string? setting, string runFolder, Digest identity)
    {
        AkkaJournalProvider place = JournalPlace.Cluster(setting, runFolder, identity);
        AkkaTables tables = place.Tables;
        IJournalProvider old = JournalPlace.Embedded(setting, runFolder, identity);
        string path = JournalPlace.File(setting, runFolder);
        try
        {
            using DbConnection connection = tables.Connect();
            bool begun = place.HoldsRun();
            if (!begun && connection is SqliteConnection file && SqliteJournal.IsIn(file, null))
            {
                Copy(file, path);
            }

            using DbTransaction transaction = tables.Begin(connection);
            long records = !begun && SetAside(old, connection, transaction) ? Import(place, old, connection, transaction) : Open(place, connection, transaction);
            transaction.Commit();
            if (old is SqliteJournalProvider before)
            {
                RequireFullFlushes(path);
                Keep(before, path);
            }

            return (place.Run, records);
        }
        catch (Exception e)
        {
            throw tables.Writing(e) ?? e;
        }
    }

    private static long Open(AkkaJournalProvider place, DbConnection connection, DbTransaction transaction)
    {
        place.Tables.Create(connection, transaction);
        AkkaJournal.Take(connection, transaction, place.Tables, place.Run);
        return 0;
    }

    /// <remarks>The reader has a connection of its own, and sees the old journal as it was before this transaction; nobody can append to it any more.</remarks>
    private static long Import(AkkaJournalProvider place, IJournalProvider old, DbConnection connection, DbTransaction transaction)
    {
        using IJournalReader reader = old.OpenForReading();
        place.Tables.Create(connection, transaction);
        AkkaJournal made = AkkaJournal.Take(connection, transaction, place.Tables, place.Run);
        made.Import(transaction, reader.First, reader.Read().Select(entry => entry.Event)).GetAwaiter().GetResult();
        return made.Position - reader.First;
    }

    private static bool SetAside(IJournalProvider old, DbConnection connection, DbTransaction transaction)
    {
        switch (old)
        {
            case PostgresJournalProvider database:
                return PostgresJournal.SetAside((NpgsqlConnection)connection, database.Place);
            case SqliteJournalProvider when SqliteJournal.IsIn((SqliteConnection)connection, (SqliteTransaction)transaction):
                SqliteJournal.Drop((SqliteConnection)connection, (SqliteTransaction)transaction);
                return true;
            default:
                return false;
        }
    }

    private static string Aside(string path) => path + ".aside";

    /// <summary>The old file, whole, under a name of its own until the import is done.</summary>
    private static void Copy(SqliteConnection connection, string path)
    {
        File.Delete(Aside(path));
        AkkaTables.Execute(connection, null, "VACUUM INTO @aside", ("aside", Aside(path)));
    }

    private static void Keep(SqliteJournalProvider old, string path)
    {
        if (File.Exists(Aside(path)))
        {
            File.Move(Aside(path), old.NameAside());
        }
    }

    /// <summary>The connections of Akka.Persistence.Sql set no pragmas: the log is the file's own, full flushes are this build's default, and neither is taken on trust.</summary>
    private static void RequireFullFlushes(string path)
    {
        using var connection = new SqliteConnection(JournalHocon.Sqlite(path));
        connection.Open();
        string mode = $"{AkkaTables.Scalar(connection, null, "PRAGMA journal_mode")}", synchronous = $"{AkkaTables.Scalar(connection, null, "PRAGMA synchronous")}";
        if (mode != "wal" || synchronous != FullFlush)
        {
            throw new StorageException(
                $"SQLite does not keep the journal {path} durable here: journal_mode is {mode} and synchronous {synchronous}, where wal and {FullFlush} are needed; put the run folder on a local disk.");
        }
    }
}
