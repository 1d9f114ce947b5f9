using System.Globalization;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Records;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Journal;

/// <summary>
/// <c>events(position, fence, crc, payload)</c> and one row <c>journal(fence, first)</c>. Write-ahead log, full sync: an append is one transaction and one
/// flush, and is durable when it returns. SQLite works on the caller's thread, so <see cref="AppendAsync"/> blocks it for that long.
/// </summary>
/// <remarks>
/// A crash, or a damaged write-ahead log, can lose whole transactions from the end, never from the middle. That is legal here: who knows better (a
/// checkpoint's manifest holds a position) must compare.
/// </remarks>
internal sealed class SqliteJournal : IJournal
{
    private const int ApplicationId = 0x4752504F; // "GRPO"
    private const int FormatVersion = 1;
    private const int RecordsPerQuery = 64;

    private readonly string path;
    private readonly SqliteConnection connection;
    private bool ended;

    private SqliteJournal(string path, SqliteConnection connection)
    {
        this.path = path;
        this.connection = connection;
    }

    public string Place => path;

    public long First { get; private set; }

    public long Position { get; private set; }

    public long Fence { get; private set; }

    public static SqliteJournal OpenForWriting(string path)
    {
        SqliteConnection? opened = null;
        try
        {
            opened = SqliteTables.Connect(path, SqliteOpenMode.ReadWriteCreate);
            SqliteTables.RequireDurable(opened, path);
            var journal = new SqliteJournal(path, opened);
            journal.TakeFence();
            return journal;
        }
        catch (SqliteException e)
        {
            opened?.Dispose();
            throw SqliteFailure.IsDamage(e) ? SqliteFailure.Damage(path, e, -1) : SqliteFailure.Write(path, e);
        }
        catch
        {
            opened?.Dispose();
            throw;
        }
    }

    public static SqliteJournal OpenForReading(string path)
    {
        if (!File.Exists(path))
        {
            throw new NoJournalException($"There is no journal at {path}: give the folder of a run that was started.");
        }

        SqliteConnection? opened = null;
        try
        {
            opened = SqliteTables.ConnectReadOnly(path);
            var journal = new SqliteJournal(path, opened) { ended = true };
            journal.CheckFormat();
            journal.Refresh(null);
            return journal;
        }
        catch (SqliteException e)
        {
            opened?.Dispose();
            throw SqliteFailure.IsDamage(e) ? SqliteFailure.Damage(path, e, -1) : SqliteFailure.Read(path, e);
        }
        catch
        {
            opened?.Dispose();
            throw;
        }
    }

    public IEnumerable<JournalEntry> Read(long from = 0)
    {
        JournalHead head = HeadNow();
        First = head.First; // the fence stays the one that was taken: who reads has not become the newest writer
        long start = Math.Max(from, First);
        return StoredRecords.Checked(Stored(start), start, _ => head.Fence, path, () => HeadNow().First);
    }

    /// <remarks>In pages, so that no read stays open between two records and keeps the log from being folded into the file.</remarks>
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

    public Task AppendAsync(long expectedPosition, IReadOnlyList<RunEvent> events, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(ended, this);
        cancellation.ThrowIfCancellationRequested();
        if (events.Count == 0)
        {
            return Task.CompletedTask;
        }

        try
        {
            SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
            using var scope = new Undo(connection, transaction);
            long fence = Fence;
            Refresh(transaction);
            if (Fence != fence || Position != expectedPosition)
            {
                ended = true;
                throw Fence != fence ? JournalHead.TakenOver(path, Fence, fence) : JournalHead.FoldedTooFew(path, Position, expectedPosition);
            }

            Insert(transaction, events);
            transaction.Commit();
            Position += events.Count;
        }
        catch (SqliteException e)
        {
            ended = true; // after a failed COMMIT nobody here knows what was kept
            throw SqliteFailure.IsDamage(e) ? SqliteFailure.Damage(path, e, -1) : SqliteFailure.Write(path, e);
        }

        return Task.CompletedTask;
    }

    public Task DeleteBeforeAsync(long before, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(ended, this);
        cancellation.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(before, Position);
        try
        {
            SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
            using var scope = new Undo(connection, transaction);
            long fence = Fence;
            Refresh(transaction);
            if (Fence != fence)
            {
                ended = true;
                throw JournalHead.TakenOver(path, Fence, fence);
            }

            if (before > First)
            {
                Execute(connection, transaction, string.Create(CultureInfo.InvariantCulture, $"UPDATE journal SET first = {before}; DELETE FROM events WHERE position < {before};"));
                transaction.Commit();
                First = before;
            }
        }
        catch (SqliteException e)
        {
            ended = true;
            throw SqliteFailure.IsDamage(e) ? SqliteFailure.Damage(path, e, -1) : SqliteFailure.Write(path, e);
        }

        return Task.CompletedTask;
    }

    public void Dispose()
    {
        ended = true;
        try
        {
            connection.Dispose();
        }
        catch (SqliteException)
        {
            // What is committed is durable; folding the log into the file can wait for the next start.
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private void TakeFence()
    {
        SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
        using var scope = new Undo(connection, transaction);
        if (Number(transaction, "SELECT count(*) FROM sqlite_master") == 0)
        {
            Execute(connection, transaction, $"""
                PRAGMA application_id={ApplicationId};
                PRAGMA user_version={FormatVersion};
                CREATE TABLE journal(id INTEGER PRIMARY KEY CHECK (id = 0), fence INTEGER NOT NULL, first INTEGER NOT NULL);
                INSERT INTO journal(id, fence, first) VALUES (0, 0, 0);
                CREATE TABLE events(position INTEGER PRIMARY KEY, fence INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL);
                """);
        }

        CheckFormat(transaction);
        Refresh(transaction);
        Execute(connection, transaction, "UPDATE journal SET fence = fence + 1");
        transaction.Commit();
        Fence++;
    }

    private void CheckFormat(SqliteTransaction? transaction = null)
    {
        long application = Number(transaction, "PRAGMA application_id");
        long version = Number(transaction, "PRAGMA user_version");
        if (application != ApplicationId)
        {
            throw new JournalDamagedException($"{path} is a SQLite database, but no journal of this program: choose another run folder, or start over with --fresh.", -1);
        }

        if (version != FormatVersion)
        {
            throw new JournalDamagedException($"The journal {path} has format {version}, and this program reads {FormatVersion}: use the program that wrote it, or a newer one.", -1);
        }
    }

    private JournalHead HeadNow()
    {
        try
        {
            return Head(null);
        }
        catch (SqliteException e)
        {
            throw SqliteFailure.IsDamage(e) ? SqliteFailure.Damage(path, e, -1) : SqliteFailure.Read(path, e);
        }
    }

    private void Refresh(SqliteTransaction? transaction)
    {
        JournalHead head = Head(transaction);
        (Fence, First, Position) = (head.Fence, head.First, head.Next);
    }

    /// <summary>Reads how the journal stands now: first record kept, records so far, fence.</summary>
    private JournalHead Head(SqliteTransaction? transaction)
    {
        using SqliteCommand command = Command(connection, transaction, "SELECT fence, first, (SELECT max(position) FROM events), (SELECT fence FROM events ORDER BY position DESC LIMIT 1) FROM journal");
        using SqliteDataReader row = command.ExecuteReader();
        if (!row.Read() || row.GetValue(0) is not long fence || row.GetValue(1) is not long first)
        {
            throw JournalHead.Lost(path);
        }

        var head = new JournalHead(fence, first, row.GetValue(2) as long?, row.GetValue(3) as long?);
        head.Check(path);
        return head;
    }

    private void Insert(SqliteTransaction transaction, IReadOnlyList<RunEvent> events)
    {
        using SqliteCommand insert = Command(connection, transaction, "INSERT INTO events(position, fence, crc, payload) VALUES ($position, $fence, $crc, $payload)");
        SqliteParameter position = insert.Parameters.Add("$position", SqliteType.Integer);
        SqliteParameter crc = insert.Parameters.Add("$crc", SqliteType.Integer);
        SqliteParameter payload = insert.Parameters.Add("$payload", SqliteType.Blob);
        insert.Parameters.Add("$fence", SqliteType.Integer).Value = Fence;
        for (int i = 0; i < events.Count; i++)
        {
            byte[] record = EventRecord.Encode(events[i]);
            position.Value = Position + i;
            crc.Value = (long)RecordChecksum.Of(Position + i, Fence, record);
            payload.Value = record;
            insert.ExecuteNonQuery();
        }
    }

    private List<StoredRecord> Page(long from)
    {
        var page = new List<StoredRecord>(RecordsPerQuery);
        try
        {
            using SqliteCommand command = Command(connection, null, "SELECT position, fence, crc, payload FROM events WHERE position >= $from ORDER BY position LIMIT $count");
            command.Parameters.AddWithValue("$from", from);
            command.Parameters.AddWithValue("$count", RecordsPerQuery);
            using SqliteDataReader rows = command.ExecuteReader();
            while (rows.Read())
            {
                page.Add(new StoredRecord(rows.GetInt64(0), rows.GetInt64(1), unchecked((uint)rows.GetInt64(2)), rows.GetFieldValue<byte[]>(3)));
            }
        }
        catch (SqliteException e) when (SqliteFailure.IsDamage(e))
        {
            throw SqliteFailure.Damage(path, e, from + page.Count);
        }
        catch (SqliteException e)
        {
            throw SqliteFailure.Read(path, e);
        }
        catch (Exception e) when (e is InvalidCastException or InvalidOperationException)
        {
            throw new JournalDamagedException(
                $"Record {from + page.Count} of the journal {path} is damaged: a column has another type than it was written with; restore the file from a copy, or start over with --fresh.",
                from + page.Count,
                e);
        }

        return page;
    }

    private long Number(SqliteTransaction? transaction, string sql) => Convert.ToInt64(Scalar(connection, transaction, sql));

    private static object? Scalar(SqliteConnection connection, SqliteTransaction? transaction, string sql)
    {
        using SqliteCommand command = Command(connection, transaction, sql);
        return command.ExecuteScalar();
    }

    private static void Execute(SqliteConnection connection, SqliteTransaction? transaction, string sql)
    {
        using SqliteCommand command = Command(connection, transaction, sql);
        command.ExecuteNonQuery();
    }

    private static SqliteCommand Command(SqliteConnection connection, SqliteTransaction? transaction, string sql)
    {
        SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = transaction;
        return command;
    }

    /// <summary>Rolls back what was not committed. A disk that is full makes SQLite roll back by itself; the driver then insists on ending a transaction that is gone.</summary>
    private readonly struct Undo(SqliteConnection connection, SqliteTransaction transaction) : IDisposable
    {
        public void Dispose()
        {
            try
            {
                transaction.Dispose();
            }
            catch (SqliteException)
            {
                Execute(connection, transaction, "BEGIN"); // an empty one, which it can end
                transaction.Dispose();
            }
        }
    }
}
