using System.Data.Common;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>
/// The tables that Akka.Persistence.Sql makes and writes in its default configuration, in one kind of database, and what this program adds to them:
/// <list type="bullet">
/// <item>a trigger on <c>journal</c> that lets a row in only directly behind the last one of its <c>persistence_id</c>. The library's unique key alone would let a writer append
/// that slept so long that its place was compacted away or its run set aside. A refusal looks like a violation of the key;</item>
/// <item><c>grpo_writers(persistence_id, opened)</c>: how often the run was opened for writing, which ends the embedded writers before.</item>
/// </list>
/// </summary>
internal abstract class AkkaTables
{
    /// <summary>Where they lie, as a person would say it.</summary>
    public abstract string Place { get; }

    /// <summary>Said behind a query that must hold the row it finds until the transaction ends.</summary>
    public abstract string Locking { get; }

    /// <summary>For writing: what durability rests on is set and asserted.</summary>
    public abstract DbConnection Connect();

    /// <exception cref="NoJournalException">There is no such file.</exception>
    public abstract DbConnection ConnectReadOnly();

    public abstract DbTransaction Begin(DbConnection connection);

    /// <summary>There is a table <c>journal</c> with the library's columns.</summary>
    public abstract bool Exist(DbConnection connection, DbTransaction? transaction);

    /// <summary><see cref="Create"/> was here.</summary>
    public abstract bool AreComplete(DbConnection connection, DbTransaction? transaction);

    /// <summary>Makes what is not there yet.</summary>
    public abstract void Create(DbConnection connection, DbTransaction transaction);

    /// <summary>Keeps everybody's appends out until the transaction ends.</summary>
    public abstract void LockAll(DbConnection connection, DbTransaction transaction);

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
            Add(command, name, value);
        }

        return command;
    }

    public static void Add(DbCommand command, string name, object value)
    {
        DbParameter parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }
}
