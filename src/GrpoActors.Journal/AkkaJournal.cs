using System.Data.Common;
using System.Text;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;
using static GrpoActors.Journal.AkkaTables;

namespace GrpoActors.Journal;

/// <summary>
/// One run's journal in the tables of Akka.Persistence.Sql: what the clustered service has begun goes on here, and the other way round. Record k is the row
/// with <c>sequence_number</c> k + 1; the oldest row is marked <c>deleted</c> where records before it were compacted away, and tells where the kept ones begin.
/// </summary>
/// <remarks>
/// Of two embedded writers the older one ends by the count in <c>grpo_writers</c>. A writer of the service does not ask there: it and an embedded one are told
/// apart by the unique key (persistence id, sequence number), so the first of them to append is the one that goes on.
/// </remarks>
internal sealed class AkkaJournal : IJournal
{
    private const int RecordsPerQuery = 64;
    private const string FirstRowSql = "SELECT CASE WHEN deleted THEN sequence_number ELSE 0 END FROM journal WHERE persistence_id = @run ORDER BY sequence_number LIMIT 1";
    private const string LastRowSql = "SELECT max(sequence_number) FROM journal WHERE persistence_id = @run";

    private readonly DbConnection connection;
    private readonly AkkaTables tables;
    private readonly string run;
    private readonly string writer = Guid.NewGuid().ToString("N");
    private long opened;
    private bool ended;

    private AkkaJournal(DbConnection connection, AkkaTables tables, string run)
    {
        this.connection = connection;
        this.tables = tables;
        this.run = run;
    }

    public string Place => tables.Place;

    public long First { get; private set; }

    public long Position { get; private set; }

    /// <summary>One above the number of records that there were when this writer opened the journal.</summary>
    public long Fence { get; private set; }

    public static AkkaJournal OpenForWriting(AkkaTables tables, string run)
    {
        DbConnection? connection = null;
        try
        {
            connection = tables.Connect();
            using DbTransaction transaction = tables.Begin(connection);
            tables.Create(connection, transaction);
            AkkaJournal journal = Take(connection, transaction, tables, run);
            transaction.Commit();
            return journal;
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw tables.Writing(e) ?? e;
        }
    }

    public static AkkaJournal OpenForReading(AkkaTables tables, string run)
    {
        DbConnection? connection = null;
        try
        {
            connection = tables.ConnectReadOnly();
            if (!Holds(connection, null, tables, run))
            {
                throw new NoJournalException($"There is no journal of {run} in {tables.Place}: give the folder of a run that was started, and the database that it was started with.");
            }

            var journal = new AkkaJournal(connection, tables, run) { ended = true };
            journal.Refresh(null);
            return journal;
        }
        catch (Exception e)
        {
            connection?.Dispose();
            throw tables.Reading(e) ?? e;
        }
    }

    /// <summary>There are records of this run, or somebody has opened it for writing.</summary>
    public static bool Holds(DbConnection connection, DbTransaction? transaction, AkkaTables tables, string run) =>
        tables.Exist(connection, transaction)
        && (Scalar(connection, transaction, LastRowSql, ("run", run)) is not null
            || (tables.AreComplete(connection, transaction) && Scalar(connection, transaction, "SELECT opened FROM grpo_writers WHERE persistence_id = @run", ("run", run)) is not null));

    /// <summary>Ends the embedded writers before, and stands where the records end.</summary>
    public static AkkaJournal Take(DbConnection connection, DbTransaction transaction, AkkaTables tables, string run)
    {
        var journal = new AkkaJournal(connection, tables, run)
        {
            opened = Convert.ToInt64(Scalar(
                connection, transaction,
                "INSERT INTO grpo_writers(persistence_id, opened) VALUES (@run, 1) ON CONFLICT (persistence_id) DO UPDATE SET opened = grpo_writers.opened + 1 RETURNING opened",
                ("run", run))),
        };
        journal.Refresh(transaction);
        journal.Fence = journal.Position + 1;
        return journal;
    }

    /// <summary>Gives the run another name, as <c>run.1</c>, and ends whoever writes it.</summary>
    public static void SetAside(AkkaTables tables, string run)
    {
        try
        {
            using DbConnection connection = tables.Connect();
            using DbTransaction transaction = tables.Begin(connection);
            if (!Holds(connection, transaction, tables, run))
            {
                return;
            }

            tables.Create(connection, transaction);
            tables.LockAll(connection, transaction);
            int number = 1;
            while (Holds(connection, transaction, tables, $"{run}.{number}"))
            {
                number++;
            }

            foreach (string table in (string[])["journal", "tags", "grpo_writers"])
            {
                Execute(connection, transaction, $"UPDATE {table} SET persistence_id = @aside WHERE persistence_id = @run", ("aside", $"{run}.{number}"), ("run", run));
            }

            transaction.Commit();
        }
        catch (Exception e)
        {
            throw tables.Writing(e) ?? e;
        }
    }

    public IEnumerable<JournalEntry> Read(long from = 0)
    {
        (First, _) = HeadNow();
        long start = Math.Max(from, First);
        return StoredRecords.Checked(Stored(start), start, position => position + 1, Place, () => HeadNow().First);
    }

    /// <remarks>In pages, so that the connection is free between two of them.</remarks>
    public IEnumerable<StoredRecord> Stored(long from = 0)
    {
        List<(long Position, byte[] Message, string Kind)> page;
        do
        {
            page = Page(from);
            foreach ((long position, byte[] message, string kind) in page)
            {
                yield return Parsed(position, message, kind);
            }

            from = page.Count == 0 ? from : page[^1].Position + 1;
        }
        while (page.Count == RecordsPerQuery);
    }

    public async Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(ended, this);
        cancellation.ThrowIfCancellationRequested();
        if (events.Count == 0)
        {
            return;
        }

        await Change(expectedPosition, async transaction =>
        {
            for (int at = 0; at < events.Count; at += RecordsPerQuery)
            {
                await Insert(transaction, Position + at, [.. events.Skip(at).Take(RecordsPerQuery)]);
            }
        });
        Position += events.Count;
    }

    public async Task DeleteBeforeAsync(long before, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(ended, this);
        cancellation.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(before, Position);
        if (before > First)
        {
            await Change(Position, transaction =>
            {
                Mark(transaction, before);
                Execute(connection, transaction, "DELETE FROM journal WHERE persistence_id = @run AND sequence_number < @before", ("run", run), ("before", before));
                return Task.CompletedTask;
            });
            First = before;
        }
    }

    /// <summary>Copies records of another journal behind the ones there, under this writer's fence; the caller commits.</summary>
    /// <param name="first">Position that the first of them had; what was before it counts as compacted away.</param>
    public async Task Import(DbTransaction transaction, long first, IEnumerable<RunEvent> events)
    {
        if (first > 0)
        {
            Position = first - 1;
            await Insert(transaction, Position, [], deleted: true);
        }

        Position = first;
        foreach (RunEvent[] some in events.Chunk(RecordsPerQuery))
        {
            await Insert(transaction, Position, some);
            Position += some.Length;
        }
    }

    public void Dispose()
    {
        ended = true;
        try
        {
            connection.Dispose();
        }
        catch (Exception e) when (tables.Writing(e) is not null)
        {
            // What is committed is durable; the rest was to be forgotten.
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Does something in one transaction if this writer is still the one; ends it for ever otherwise, and after every failure.</summary>
    private async Task Change(long expectedPosition, Func<DbTransaction, Task> change)
    {
        try
        {
            // Not cancelled once begun: a cancelled COMMIT would leave unknown what was kept.
            DbTransaction transaction = tables.Begin(connection);
            RequireOurs(transaction, expectedPosition);
            await change(transaction);
            await transaction.CommitAsync(CancellationToken.None);
            await transaction.DisposeAsync();
        }
        catch (Exception e)
        {
            ended = true; // after a failed COMMIT nobody here knows what was kept
            Dispose(); // rolls back what was not committed
            throw tables.IsCollision(e)
                ? new StaleWriterException($"Another process has appended to the journal {Place} at position {expectedPosition}: this one stops and has changed nothing.")
                : tables.Writing(e) ?? e;
        }
    }

    private void RequireOurs(DbTransaction transaction, long expectedPosition)
    {
        // The lock first, then the records by a statement of its own, which sees what was committed while the lock was waited for.
        object? now = Scalar(connection, transaction, $"SELECT opened FROM grpo_writers WHERE persistence_id = @run{tables.Locking}", ("run", run));
        if (now is null || Convert.ToInt64(now) != opened)
        {
            throw new StaleWriterException($"Another process has opened the journal {Place} for writing and so taken the fence: this one stops and has changed nothing.");
        }

        (First, long next) = Head(transaction);
        if (next != expectedPosition)
        {
            throw JournalHead.FoldedTooFew(Place, next, expectedPosition);
        }
    }

    private async Task Insert(DbTransaction transaction, long position, RunEvent[] events)
    {
        byte[][] messages = [.. events.Select((e, i) => AkkaMessage.Of(position + i, Fence, e))];
        await Insert(transaction, position, messages, deleted: false);
    }

    private async Task Insert(DbTransaction transaction, long position, byte[][] messages, bool deleted)
    {
        byte[][] rows = deleted ? [[]] : messages;
        await using DbCommand insert = Command(
            connection, transaction, "",
            ("created", TimeProvider.System.GetUtcNow().UtcTicks), ("deleted", deleted), ("run", run), ("manifest", AkkaMessage.Manifest), ("identifier", AkkaMessage.SerializerId), ("writer", writer));
        var sql = new StringBuilder("INSERT INTO journal(created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid) VALUES ");
        for (int i = 0; i < rows.Length; i++)
        {
            sql.Append(i == 0 ? "" : ", ").Append($"(@created, @deleted, @run, @n{i}, @m{i}, @manifest, @identifier, @writer)");
            Add(insert, $"n{i}", position + i + 1);
            Add(insert, $"m{i}", rows[i]);
        }

        insert.CommandText = sql.ToString();
        await insert.ExecuteNonQueryAsync(CancellationToken.None);
    }

    /// <summary>The row before the first record that stays says that the ones up to it are gone.</summary>
    private void Mark(DbTransaction transaction, long before)
    {
        int marked = Execute(
            connection, transaction, "UPDATE journal SET deleted = @yes, message = @nothing WHERE persistence_id = @run AND sequence_number = @before",
            ("yes", true), ("nothing", Array.Empty<byte>()), ("run", run), ("before", before));
        if (marked != 1)
        {
            throw new JournalDamagedException($"Record {before - 1} of the journal {Place} is damaged: it is missing; restore it from a copy, or start over with --fresh.", before - 1);
        }
    }

    private StoredRecord Parsed(long position, byte[] message, string kind)
    {
        try
        {
            return kind == $"{AkkaMessage.SerializerId} {AkkaMessage.Manifest}"
                ? AkkaMessage.Parse(position, message)
                : throw new JournalFormatException($"It is of the kind '{kind}', and this program reads '{AkkaMessage.SerializerId} {AkkaMessage.Manifest}': use the program that wrote it, or a newer one.");
        }
        catch (JournalFormatException e)
        {
            throw new JournalDamagedException($"Record {position} of the journal {Place} cannot be read. {e.Message}", position, e);
        }
    }

    private List<(long Position, byte[] Message, string Kind)> Page(long from)
    {
        var page = new List<(long, byte[], string)>(RecordsPerQuery);
        try
        {
            using DbCommand command = Command(
                connection, null,
                "SELECT sequence_number, message, identifier, manifest FROM journal WHERE persistence_id = @run AND sequence_number > @from AND NOT deleted ORDER BY sequence_number LIMIT @count",
                ("run", run), ("from", Math.Max(from, First)), ("count", RecordsPerQuery));
            using DbDataReader rows = command.ExecuteReader();
            while (rows.Read())
            {
                page.Add((rows.GetInt64(0) - 1, rows.GetFieldValue<byte[]>(1), $"{rows.GetValue(2)} {rows.GetValue(3)}"));
            }
        }
        catch (Exception e)
        {
            throw tables.Reading(e, from + page.Count) ?? e;
        }

        return page;
    }

    private (long First, long Next) HeadNow()
    {
        try
        {
            return Head(null);
        }
        catch (Exception e)
        {
            throw tables.Reading(e) ?? e;
        }
    }

    private void Refresh(DbTransaction? transaction) => (First, Position) = Head(transaction);

    private (long First, long Next) Head(DbTransaction? transaction)
    {
        using DbCommand command = Command(connection, transaction, $"SELECT ({FirstRowSql}), ({LastRowSql})", ("run", run));
        using DbDataReader row = command.ExecuteReader();
        row.Read();
        long first = row.IsDBNull(0) ? 0 : row.GetInt64(0), next = row.IsDBNull(1) ? 0 : row.GetInt64(1);
        return first == 0 || next > first ? (first, next) : throw new JournalDamagedException(
            $"Record {first} of the journal {Place} is damaged: it is missing, with all that followed it; restore it from a copy, or start over with --fresh.", first);
    }
}
