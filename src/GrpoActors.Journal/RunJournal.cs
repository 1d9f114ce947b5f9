using System.Data.Common;
using GrpoActors.Core;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>One run's journal, where the plan's setting <c>journal</c> puts it: a SQLite file of its own, or a PostgreSQL database that runs share.</summary>
/// <remarks>Its one writer is a persistent actor, which needs it prepared. Any number of readers may be open beside it, in one process or several.</remarks>
public sealed class RunJournal
{
    private string? name;

    private RunJournal(JournalTables tables) => Tables = tables;

    /// <summary>Where it lies, as a person would say it.</summary>
    public string Place => Tables.Place;

    /// <summary>The run's name in the database, its persistence id: the one it began with, however its folder is called now.</summary>
    /// <exception cref="StorageException">The database cannot be read.</exception>
    public string Name => name ??= NameBegun() ?? Tables.RunName;

    internal JournalTables Tables { get; }

    /// <param name="setting">
    /// Null or empty: journal.db in the run folder. A text with = is a PostgreSQL connection string, anything else a path, relative to the current folder.
    /// </param>
    /// <param name="runFolder">Full path; its last name and the plan's identity name the run in a database.</param>
    /// <exception cref="StorageException">The connection string is not understood.</exception>
    public static RunJournal Of(string? setting, string runFolder, Digest identity)
    {
        string name = $"{Path.GetFileName(runFolder)}-{identity.ToString()[..16]}";
        return setting?.Contains('=', StringComparison.Ordinal) ?? false ? Named(setting, name) : new RunJournal(new SqliteTables(FileOf(setting, runFolder), name, identity));
    }

    /// <summary>Full path of the SQLite file where the setting names no database.</summary>
    public static string FileOf(string? setting, string runFolder) =>
        string.IsNullOrEmpty(setting) ? Path.Combine(runFolder, "journal.db") : Path.GetFullPath(setting);

    /// <summary>Makes what its writer needs and is not there yet, and asserts that what will be appended is durable.</summary>
    /// <exception cref="StorageException">
    /// The database cannot be written, does not keep what it has answered, or holds the run in the layout of release 0.1.
    /// </exception>
    /// <exception cref="JournalDamagedException">It is no journal of this program.</exception>
    public void Prepare()
    {
        try
        {
            using DbConnection connection = Tables.Connect();
            using DbTransaction transaction = Tables.Begin(connection);
            RefuseOldLayout(connection, transaction);
            Tables.Create(connection, transaction);
            name = Tables.NameBegun(connection, transaction) ?? Tables.RunName;
            transaction.Commit();
        }
        catch (Exception e)
        {
            throw Tables.Writing(e) ?? e;
        }
    }

    /// <summary>Disturbs no writer.</summary>
    /// <exception cref="NoJournalException">There is none.</exception>
    /// <exception cref="StorageException">It cannot be read, or is in the layout of release 0.1.</exception>
    public IJournalReader OpenForReading()
    {
        DbConnection? connection = null;
        try
        {
            connection = Tables.ConnectReadOnly();
            RefuseOldLayout(connection, null);
            string? begun = Tables.Exist(connection, null) ? Tables.NameBegun(connection, null) : null;
            return new JournalReader(connection, Tables, begun ?? throw None());
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw Tables.Reading(e) ?? e;
        }
    }

    /// <summary>Keeps what was begun under another name, <c>journal.db.1</c> or <c>RUN.1</c>, and ends whoever writes it: the next start begins anew.</summary>
    /// <exception cref="StorageException">It cannot be renamed.</exception>
    public void SetAside()
    {
        try
        {
            Tables.SetAside();
            name = null;
        }
        catch (Exception e)
        {
            throw Tables.Writing(e) ?? e;
        }
    }

    /// <summary>In a PostgreSQL database, under a name that is given.</summary>
    internal static RunJournal Named(string connection, string name) => new(new PostgresTables(PostgresPlace.Of(connection, name)));

    /// <summary>Closes the writer's idle connections.</summary>
    internal void Release() => Tables.Release();

    private string? NameBegun()
    {
        try
        {
            using DbConnection connection = Tables.ConnectReadOnly();
            return Tables.Exist(connection, null) ? Tables.NameBegun(connection, null) : null;
        }
        catch (NoJournalException)
        {
            return null;
        }
        catch (Exception e)
        {
            throw Tables.Reading(e) ?? e;
        }
    }

    private void RefuseOldLayout(DbConnection connection, DbTransaction? transaction)
    {
        if (Tables.HoldOldLayout(connection, transaction))
        {
            throw new StorageException(
                $"The journal {Place} was begun in the layout of release 0.1, which this release does not read: " +
                "finish the run with that release, or start over with --fresh.");
        }
    }

    private NoJournalException None() =>
        new($"There is no journal of {Tables.RunName} in {Place}: give the folder of a run that was started, and the database that it was started with.");
}
