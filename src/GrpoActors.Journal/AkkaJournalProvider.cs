using System.Data.Common;
using GrpoActors.Core;
using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Journal;

/// <summary>A run's journal in the tables of the clustered service.</summary>
public sealed class AkkaJournalProvider : IJournalProvider
{
    private AkkaJournalProvider(AkkaTables tables, string run)
    {
        Tables = tables;
        Run = run;
    }

    internal AkkaTables Tables { get; }

    /// <summary>The column <c>persistence_id</c> of its rows.</summary>
    public string Run { get; }

    /// <param name="path">Of the SQLite file.</param>
    /// <param name="runFolder">Full path; names a run that begins. One that has begun keeps its name, however its folder is called now.</param>
    /// <exception cref="StorageException">The file cannot be read.</exception>
    public static AkkaJournalProvider InFile(string path, string runFolder, Digest identity)
    {
        var tables = new AkkaSqliteTables(path);
        return new AkkaJournalProvider(tables, NameInFile(tables, path, identity) ?? JournalPlace.RunName(runFolder, identity));
    }

    /// <param name="connection">A connection string of Npgsql's.</param>
    /// <exception cref="StorageException">It is no connection string.</exception>
    public static AkkaJournalProvider InDatabase(string connection, string run) => new(new AkkaPostgresTables(PostgresPlace.Of(connection, run)), run);

    public IJournal OpenForWriting() => AkkaJournal.OpenForWriting(Tables, Run);

    public IJournalReader OpenForReading() => AkkaJournal.OpenForReading(Tables, Run);

    /// <summary>The run has begun here. A SQLite file belongs to one run, so its tables are enough.</summary>
    /// <exception cref="StorageException">The database cannot be read.</exception>
    public bool HoldsRun()
    {
        try
        {
            using DbConnection connection = Tables.ConnectReadOnly();
            return Tables is AkkaSqliteTables ? Tables.Exist(connection, null) : AkkaJournal.Holds(connection, null, Tables, Run);
        }
        catch (NoJournalException)
        {
            return false;
        }
        catch (SqliteException e) when (SqliteFailure.IsDamage(e) || SqliteFailure.CouldNotOpen(e))
        {
            return false; // whoever opens it as the other kind says what is wrong
        }
        catch (Exception e)
        {
            throw Tables.Reading(e) ?? e;
        }
    }

    /// <summary>Keeps an old journal of this name under another one, so that the next start begins anew.</summary>
    /// <exception cref="StorageException">The database cannot be reached or written.</exception>
    public void SetAside() => AkkaJournal.SetAside(Tables, Run);

    private static string? NameInFile(AkkaSqliteTables tables, string path, Digest identity)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using DbConnection connection = tables.ConnectReadOnly();
            (string, object) ours = ("ours", "%-" + identity.ToString()[..16]);
            return !tables.Exist(connection, null) ? null
                : AkkaTables.Scalar(connection, null, "SELECT persistence_id FROM journal WHERE persistence_id LIKE @ours LIMIT 1", ours) as string
                ?? (tables.AreComplete(connection, null) ? AkkaTables.Scalar(connection, null, "SELECT persistence_id FROM grpo_writers WHERE persistence_id LIKE @ours LIMIT 1", ours) as string : null);
        }
        catch (SqliteException e) when (SqliteFailure.IsDamage(e) || SqliteFailure.CouldNotOpen(e))
        {
            return null; // whoever opens it says what is wrong
        }
        catch (Exception e)
        {
            throw tables.Reading(e) ?? e;
        }
    }
}
