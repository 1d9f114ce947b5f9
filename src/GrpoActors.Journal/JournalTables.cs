using System.Data.Common;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>
/// The tables that Akka.Persistence.Sql reads and writes in its default configuration, in one kind of database, with one addition: a trigger on
/// <c>journal</c> that lets a row in only directly behind the last one of its <c>persistence_id</c>. The unique key alone would let a writer append that slept
/// so long that its place was compacted away or its run set aside. A refusal looks like a violation of the key.
/// </summary>
/// <param name="runName">Under which the run begins here.</param>
internal abstract class JournalTables(string runName)
{
    /// <summary>Under which the run begins here.</summary>
    public string RunName => runName;

    /// <summary>Where they lie, as a person would say it.</summary>
    public abstract string Place { get; }

    /// <summary>Linq2db's name of the database.</summary>
    public abstract string Provider { get; }

    /// <summary>Pooled connections for appends. What durability rests on is set and asserted when one opens; one that fails this cannot be opened.</summary>
    public abstract DbDataSource Appending { get; }

    /// <summary>Closes the idle connections of <see cref="Appending"/>. The last to go folds SQLite's log into its file.</summary>
    public abstract void Release();

    /// <summary>For making and changing tables; the database is created where that is a file. As durable as <see cref="Appending"/>.</summary>
    public abstract DbConnection Connect();

    /// <exception cref="NoJournalException">There is no such file.</exception>
    public abstract DbConnection ConnectReadOnly();

    /// <summary>A transaction that may write.</summary>
    public abstract DbTransaction Begin(DbConnection connection);

    /// <summary>There is a table <c>journal</c> with the library's columns.</summary>
    public abstract bool Exist(DbConnection connection, DbTransaction? transaction);

    /// <summary>Makes what is not there yet.</summary>
    public abstract void Create(DbConnection connection, DbTransaction transaction);

    /// <summary>The run has begun in the layout of release 0.1.</summary>
    public abstract bool HoldOldLayout(DbConnection connection, DbTransaction? transaction);

    /// <summary>The name under which the run has begun; null where it has not.</summary>
    public abstract string? NameBegun(DbConnection connection, DbTransaction? transaction);

    /// <summary>Keeps the run's records under another name, and ends its writer.</summary>
    public abstract void SetAside();

    /// <summary>Key or trigger refused a row.</summary>
    public abstract bool IsCollision(Exception e);

    /// <summary>Null for what is no failure of the database.</summary>
    public abstract StorageException? Writing(Exception e);

    /// <summary>Null for what is no failure of the database.</summary>
    public abstract StorageException? Reading(Exception e, long position = -1);

    public static object? Scalar(DbConnection connection, DbTransaction? transaction, string sql, params (string Name, object Value)[] values)
    {
        using DbCommand command = Command(connection, transaction, sql, values);
        return command.ExecuteScalar() is { } found and not DBNull ? found : null;
    }

    public static int Execute(DbConnection connection, DbTransaction? transaction, string sql, params (string Name, object Value)[] values)
    {
        using DbCommand command = Command(connection, transaction, sql, values);
        return command.ExecuteNonQuery();
    }

    public static DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, params (string Name, object Value)[] values)
    {
        DbCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = transaction;
        foreach ((string name, object value) in values)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
