using System.Data.Common;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;

namespace GrpoActors.Journal.Tests;

/// <summary>Appends rows and marks them deleted as the journal's actor has Akka.Persistence.Sql do it, without an actor system.</summary>
public sealed class TableWriter : IDisposable
{
    private readonly DbConnection connection;
    private readonly JournalTables tables;
    private readonly string run;

    public TableWriter(RunJournal journal)
    {
        journal.Prepare();
        (tables, run) = (journal.Tables, journal.Name);
        connection = tables.Connect();
        try
        {
            const string Last = "SELECT coalesce(max(sequence_number), 0) FROM journal WHERE persistence_id = @run";
            Position = Convert.ToInt64(JournalTables.Scalar(connection, null, Last, ("run", run)));
        }
        catch (Exception e)
        {
            connection.Dispose();
            throw tables.Reading(e) ?? e;
        }

        Fence = Position + 1;
    }

    /// <summary>Records appended so far, which is the position that the next one gets.</summary>
    public long Position { get; private set; }

    public long Fence { get; }

    /// <summary>All events or none.</summary>
    /// <exception cref="StaleWriterException">Key or trigger refused a row.</exception>
    /// <exception cref="StorageException">The database failed.</exception>
    public void Append(params RunEvent[] events)
    {
        try
        {
            using DbTransaction transaction = tables.Begin(connection);
            foreach ((int i, RunEvent e) in events.Index())
            {
                JournalTables.Execute(
                    connection, transaction,
                    """
                    INSERT INTO journal(created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
                    VALUES (0, @no, @run, @number, @message, @manifest, @serializer, @writer)
                    """,
                    ("no", false), ("run", run), ("number", Position + i + 1), ("message", RecordMessage.Of(Position + i, Fence, e)),
                    ("manifest", RecordMessage.Manifest), ("serializer", RecordMessage.SerializerId), ("writer", $"writer {Fence}"));
            }

            transaction.Commit();
            Position += events.Length;
        }
        catch (DbException e)
        {
            throw tables.IsCollision(e) ? new StaleWriterException($"Another process has appended to the journal {tables.Place}.") : tables.Writing(e)!;
        }
    }

    /// <summary>The row before the first record that stays is kept, marked: it tells where the journal begins.</summary>
    public void DeleteBefore(long position)
    {
        using DbTransaction transaction = tables.Begin(connection);
        Execute("UPDATE journal SET deleted = @yes WHERE persistence_id = @run AND sequence_number <= @position", ("yes", true));
        Execute("DELETE FROM journal WHERE persistence_id = @run AND sequence_number < @position");
        transaction.Commit();

        void Execute(string sql, params (string, object)[] more) =>
            JournalTables.Execute(connection, transaction, sql, [("run", run), ("position", position), .. more]);
    }

    public void Dispose() => connection.Dispose();
}
