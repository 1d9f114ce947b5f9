using System.Data;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Records;
using Npgsql;
using NpgsqlTypes;

namespace GrpoActors.Journal;

/// <summary>
/// One run's journal among others in a PostgreSQL database: <c>grpo_journals(id, run, format, fence, first)</c> has a head row a run,
/// <c>grpo_events(journal, position, fence, crc, payload)</c> the records. An append is one transaction that locks the head row, compares fence and
/// position, and inserts; when COMMIT has answered it survives the loss of power, which is asserted of the server's settings when a writer opens.
/// </summary>
/// <remarks>
/// A connection that breaks during COMMIT leaves unknown whether the append was kept. Then, as after every failure, this writer has ended; whoever opens
/// the journal next finds out by reading. A writer that stops in mid-transaction holds the head row's lock until the server ends its idle transaction.
/// </remarks>
internal sealed class PostgresJournal : IJournal
{
    private const int FormatVersion = 1;
    private const int RecordsPerQuery = 64;
    private const string HeadSql = "SELECT fence, first FROM grpo_journals WHERE id = $1";
    private const string LastSql = "SELECT position, fence FROM grpo_events WHERE journal = $1 ORDER BY position DESC LIMIT 1";

    private readonly NpgsqlConnection connection;
    private readonly PostgresPlace place;
    private readonly long id;
    private bool ended;

    private PostgresJournal(NpgsqlConnection connection, PostgresPlace place, long id)
    {
        this.connection = connection;
        this.place = place;
        this.id = id;
    }

    public string Place => place.ToString();

    public long First { get; private set; }

    public long Position { get; private set; }

    public long Fence { get; private set; }

    public static PostgresJournal OpenForWriting(PostgresPlace place)
    {
        NpgsqlConnection? opened = null;
        try
        {
            opened = place.Connect();
            RequireDurable(opened, place);
            using NpgsqlTransaction transaction = opened.BeginTransaction(IsolationLevel.ReadCommitted);
            Create(opened);
            Execute(opened, "INSERT INTO grpo_journals(run, format, fence, first) VALUES ($1, $2, 0, 0) ON CONFLICT (run) DO NOTHING", place.Run, FormatVersion);
            var journal = new PostgresJournal(opened, place, Find(opened, place, forUpdate: true)!.Value);
            journal.Refresh();
            Execute(opened, "UPDATE grpo_journals SET fence = fence + 1 WHERE id = $1", journal.id);
            transaction.Commit();
            journal.Fence++;
            return journal;
        }
        catch (Exception e)
        {
            opened?.Dispose();
            throw PostgresFailure.Writing(place, e) ?? e;
        }
    }

    public static PostgresJournal OpenForReading(PostgresPlace place)
    {
        NpgsqlConnection? opened = null;
        try
        {
            opened = place.Connect();
            long? id = Scalar(opened, "SELECT to_regclass('grpo_journals')::text") is string ? Find(opened, place, forUpdate: false) : null;
            var journal = new PostgresJournal(opened, place, id ?? throw new NoJournalException($"There is no journal of {place}: give the folder of a run that was started, and the database that it was started with."))
            {
                ended = true,
            };
            journal.Refresh();
            return journal;
        }
        catch (Exception e)
        {
            opened?.Dispose();
            throw PostgresFailure.Reading(place, e) ?? e;
        }
    }

    /// <summary>Gives the run's journal another name, as <c>run.1</c>, and ends whoever writes it. Nothing happens where there is none.</summary>
    public static void SetAside(PostgresPlace place)
    {
        try
        {
            using NpgsqlConnection opened = place.Connect();
            using NpgsqlTransaction transaction = opened.BeginTransaction(IsolationLevel.ReadCommitted);
            SetAside(opened, place);
            transaction.Commit();
        }
        catch (Exception e)
        {
            throw PostgresFailure.Writing(place, e) ?? e;
        }
    }

    /// <summary>The same inside the caller's transaction.</summary>
    /// <returns>There was one.</returns>
    public static bool SetAside(NpgsqlConnection connection, PostgresPlace place)
    {
        if (Scalar(connection, "SELECT to_regclass('grpo_journals')::text") is not string || Find(connection, place, forUpdate: true) is not { } id)
        {
            return false;
        }

        int number = 1;
        while (Scalar(connection, "SELECT id FROM grpo_journals WHERE run = $1", $"{place.Run}.{number}") is not null)
        {
            number++;
        }

        Execute(connection, "UPDATE grpo_journals SET run = $2, fence = fence + 1 WHERE id = $1", id, $"{place.Run}.{number}");
        return true;
    }

    public IEnumerable<JournalEntry> Read(long from = 0)
    {
        JournalHead head = HeadNow();
        First = head.First; // the fence stays the one that was taken: who reads has not become the newest writer
        long start = Math.Max(from, First);
        return StoredRecords.Checked(Stored(start), start, _ => head.Fence, Place, () => HeadNow().First);
    }

    /// <remarks>In pages, so that the connection is free between two of them.</remarks>
    public IEnumerable<StoredRecord> Stored(long from = 0)
    {
        List<StoredRecord> page;
        do
        {
            page = Page(from);
            foreach (StoredRecord record in page)
            {
                yield return record;
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

        try
        {
            // Not cancelled once begun: a cancelled COMMIT would leave unknown what was kept.
            await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, CancellationToken.None);
            JournalHead head = await LockedHead();
            if (head.Fence != Fence || head.Next != expectedPosition)
            {
                throw head.Fence != Fence ? JournalHead.TakenOver(Place, head.Fence, Fence) : JournalHead.FoldedTooFew(Place, head.Next, expectedPosition);
            }

            await Insert(events, head.Next);
            await transaction.CommitAsync(CancellationToken.None);
            Position = head.Next + events.Count;
        }
        catch (Exception e)
        {
            ended = true; // after a failed COMMIT nobody here knows what was kept
            throw PostgresFailure.Writing(place, e) ?? e;
        }
    }

    public async Task DeleteBeforeAsync(long before, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(ended, this);
        cancellation.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(before, Position);
        try
        {
            await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, CancellationToken.None);
            JournalHead head = await LockedHead();
            if (head.Fence != Fence)
            {
                throw JournalHead.TakenOver(Place, head.Fence, Fence);
            }

            if (before > head.First)
            {
                Execute(connection, "UPDATE grpo_journals SET first = $2 WHERE id = $1", id, before);
                Execute(connection, "DELETE FROM grpo_events WHERE journal = $1 AND position < $2", id, before);
                await transaction.CommitAsync(CancellationToken.None);
                First = before;
            }
        }
        catch (Exception e)
        {
            ended = true;
            throw PostgresFailure.Writing(place, e) ?? e;
        }
    }

    public void Dispose()
    {
        ended = true;
        connection.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        ended = true;
        await connection.DisposeAsync();
    }

    private static void RequireDurable(NpgsqlConnection connection, PostgresPlace place)
    {
        Execute(connection, "SET synchronous_commit = on");
        Execute(connection, $"SET idle_in_transaction_session_timeout = '{(long)place.IdleInTransactionMax.TotalMilliseconds}ms'");
        if (Scalar(connection, "SHOW fsync") is not "on")
        {
            throw new StorageException($"PostgreSQL does not keep the journal of {place} durable: the server's setting fsync is off; turn it on, or choose another server.");
        }
    }

    private static void Create(NpgsqlConnection connection)
    {
        if (Scalar(connection, "SELECT to_regclass('grpo_events')::text") is string)
        {
            return;
        }

        Execute(connection, "SELECT pg_advisory_xact_lock($1)", PostgresTables.CreationLock);
        Execute(connection, """
            CREATE TABLE IF NOT EXISTS grpo_journals(
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL UNIQUE, format integer NOT NULL, fence bigint NOT NULL, first bigint NOT NULL)
            """);
        Execute(connection, """
            CREATE TABLE IF NOT EXISTS grpo_events(
                journal bigint NOT NULL, position bigint NOT NULL, fence bigint NOT NULL, crc bigint NOT NULL, payload bytea NOT NULL, PRIMARY KEY (journal, position))
            """);
    }

    private static long? Find(NpgsqlConnection connection, PostgresPlace place, bool forUpdate)
    {
        using NpgsqlCommand command = Command(connection, $"SELECT id, format FROM grpo_journals WHERE run = $1{(forUpdate ? " FOR UPDATE" : "")}", place.Run);
        using NpgsqlDataReader row = command.ExecuteReader();
        if (!row.Read())
        {
            return null;
        }

        int format = row.GetInt32(1);
        return format == FormatVersion ? row.GetInt64(0) : throw new JournalDamagedException(
            $"The journal of {place} has format {format}, and this program reads {FormatVersion}: use the program that wrote it, or a newer one.", -1);
    }

    private JournalHead HeadNow()
    {
        try
        {
            return ReadHead(HeadSql);
        }
        catch (Exception e)
        {
            throw PostgresFailure.Reading(place, e) ?? e;
        }
    }

    /// <summary>Reads how the journal stands now: first record kept, records so far, fence.</summary>
    private void Refresh()
    {
        JournalHead head = ReadHead(HeadSql);
        (Fence, First, Position) = (head.Fence, head.First, head.Next);
    }

    private JournalHead ReadHead(string headSql)
    {
        using NpgsqlBatch batch = HeadBatch(headSql);
        using NpgsqlDataReader rows = batch.ExecuteReader();
        (long Fence, long First)? row = rows.Read() ? (rows.GetInt64(0), rows.GetInt64(1)) : null;
        rows.NextResult();
        return Head(row, rows.Read() ? rows : null);
    }

    /// <summary>Holds the head row's lock until the transaction ends: appends of two writers come one after the other.</summary>
    private async Task<JournalHead> LockedHead()
    {
        // The lock first, then the last record by a statement of its own, which sees what was committed while the lock was waited for.
        await using NpgsqlBatch batch = HeadBatch(HeadSql + " FOR UPDATE");
        await using NpgsqlDataReader rows = await batch.ExecuteReaderAsync(CancellationToken.None);
        (long Fence, long First)? row = await rows.ReadAsync(CancellationToken.None) ? (rows.GetInt64(0), rows.GetInt64(1)) : null;
        await rows.NextResultAsync(CancellationToken.None);
        return Head(row, await rows.ReadAsync(CancellationToken.None) ? rows : null);
    }

    private JournalHead Head((long Fence, long First)? row, NpgsqlDataReader? last)
    {
        if (row is not { } found)
        {
            throw JournalHead.Lost(Place);
        }

        var head = new JournalHead(found.Fence, found.First, last?.GetInt64(0), last?.GetInt64(1));
        head.Check(Place);
        return head;
    }

    private NpgsqlBatch HeadBatch(string headSql)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (string sql in (string[])[headSql, LastSql])
        {
            var command = new NpgsqlBatchCommand(sql);
            command.Parameters.Add(new NpgsqlParameter { Value = id });
            batch.BatchCommands.Add(command);
        }

        return batch;
    }

    private async Task Insert(IReadOnlyList<RunEvent> events, long next)
    {
        byte[][] payloads = [.. events.Select(EventRecord.Encode)];
        long[] positions = [.. Enumerable.Range(0, payloads.Length).Select(i => next + i)];
        long[] crcs = [.. payloads.Select((payload, i) => (long)RecordChecksum.Of(positions[i], Fence, payload))];
        await using NpgsqlCommand insert = Command(
            connection, "INSERT INTO grpo_events(journal, position, fence, crc, payload) SELECT $1, p, $2, c, b FROM unnest($3, $4, $5) AS record(p, c, b)", id, Fence);
        insert.Parameters.Add(new NpgsqlParameter { Value = positions, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        insert.Parameters.Add(new NpgsqlParameter { Value = crcs, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        insert.Parameters.Add(new NpgsqlParameter { Value = payloads, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        await insert.ExecuteNonQueryAsync(CancellationToken.None);
    }

    private List<StoredRecord> Page(long from)
    {
        var page = new List<StoredRecord>(RecordsPerQuery);
        try
        {
            using NpgsqlCommand command = Command(
                connection, "SELECT position, fence, crc, payload FROM grpo_events WHERE journal = $1 AND position >= $2 ORDER BY position LIMIT $3", id, from, (long)RecordsPerQuery);
            using NpgsqlDataReader rows = command.ExecuteReader();
            while (rows.Read())
            {
                page.Add(new StoredRecord(rows.GetInt64(0), rows.GetInt64(1), unchecked((uint)rows.GetInt64(2)), rows.GetFieldValue<byte[]>(3)));
            }
        }
        catch (Exception e)
        {
            throw PostgresFailure.Reading(place, e, from + page.Count) ?? e;
        }

        return page;
    }

    private static object? Scalar(NpgsqlConnection connection, string sql, params object[] values)
    {
        using NpgsqlCommand command = Command(connection, sql, values);
        return command.ExecuteScalar();
    }

    private static void Execute(NpgsqlConnection connection, string sql, params object[] values)
    {
        using NpgsqlCommand command = Command(connection, sql, values);
        command.ExecuteNonQuery();
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (object value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}
