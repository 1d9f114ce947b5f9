using System.Data.Common;
using System.Globalization;
using GrpoActors.Journal.Records;
using static GrpoActors.Journal.JournalTables;

namespace GrpoActors.Journal;

/// <summary>
/// Reads one run's rows. Record k is the row with <c>sequence_number</c> k + 1; the oldest row is marked <c>deleted</c> where records before it were compacted
/// away, and tells where the kept ones begin.
/// </summary>
internal sealed class JournalReader : IJournalReader
{
    private const int RecordsPerQuery = 64;
    private const string FirstRowSql =
        "SELECT CASE WHEN deleted THEN sequence_number ELSE 0 END FROM journal WHERE persistence_id = @run ORDER BY sequence_number LIMIT 1";
    private const string LastRowSql = "SELECT max(sequence_number) FROM journal WHERE persistence_id = @run";

    private readonly DbConnection connection;
    private readonly JournalTables tables;
    private readonly string run;

    /// <param name="connection">Owned from here on; the tables are there.</param>
    public JournalReader(DbConnection connection, JournalTables tables, string run)
    {
        this.connection = connection;
        this.tables = tables;
        this.run = run;
        First = FirstNow();
    }

    public string Place => tables.Place;

    public long First { get; private set; }

    public IEnumerable<JournalEntry> Read(long from = 0)
    {
        First = FirstNow();
        long start = Math.Max(from, First);
        return StoredRecords.Checked(Stored(start), start, Place, FirstNow);
    }

    /// <remarks>
    /// In pages, so that no query stays open between two records and keeps SQLite's log from being folded into the file. Rows that a damaged index hides from the query are missed: the
    /// highest number is asked for apart.
    /// </remarks>
    /// <exception cref="JournalDamagedException">There are more rows than can be read.</exception>
    public IEnumerable<StoredRecord> Stored(long from = 0)
    {
        List<(long Position, byte[] Message, string Kind)> page;
        do
        {
            long end = End();
            page = Page(from);
            foreach ((long position, byte[] message, string kind) in page)
            {
                yield return Parsed(position, message, kind);
            }

            from = page.Count == 0 ? from : page[^1].Position + 1;
            if (page.Count < RecordsPerQuery && from < end)
            {
                throw new JournalDamagedException(
                    $"Record {from} of the journal {Place} is damaged: it is missing, with all that followed up to record {end - 1}; restore it from a copy, or start over with --fresh.", from);
            }
        }
        while (page.Count == RecordsPerQuery);
    }

    public void Dispose() => connection.Dispose();

    private StoredRecord Parsed(long position, byte[] message, string kind)
    {
        try
        {
            return kind == $"{RecordMessage.SerializerId} {RecordMessage.Manifest}"
                ? RecordMessage.Parse(position, message)
                : throw new JournalFormatException(
                    $"It is of the kind '{kind}', and this program reads '{RecordMessage.SerializerId} {RecordMessage.Manifest}': " +
                    "use the program that wrote it, or a newer one.");
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
                """
                SELECT sequence_number, message, identifier, manifest FROM journal
                WHERE persistence_id = @run AND sequence_number > @from AND NOT deleted ORDER BY sequence_number LIMIT @count
                """,
                ("run", run), ("from", Math.Max(from, First)), ("count", RecordsPerQuery));
            using DbDataReader rows = command.ExecuteReader();
            while (rows.Read())
            {
                if (rows.IsDBNull(0) || rows.IsDBNull(1))
                {
                    throw new InvalidCastException("It has lost its value.");
                }

                page.Add((rows.GetInt64(0) - 1, rows.GetFieldValue<byte[]>(1), $"{rows.GetValue(2)} {rows.GetValue(3)}"));
            }
        }
        catch (Exception e)
        {
            throw tables.Reading(e, from + page.Count) ?? e;
        }

        return page;
    }

    /// <summary>Behind the last record that there is now.</summary>
    private long End()
    {
        try
        {
            return Convert.ToInt64(Scalar(connection, null, LastRowSql, ("run", run)) is { } last and not DBNull ? last : 0L, CultureInfo.InvariantCulture);
        }
        catch (Exception e)
        {
            throw tables.Reading(e) ?? e;
        }
    }

    /// <summary>Position of the oldest record kept now.</summary>
    private long FirstNow()
    {
        try
        {
            using DbCommand command = Command(connection, null, $"SELECT ({FirstRowSql}), ({LastRowSql})", ("run", run));
            using DbDataReader row = command.ExecuteReader();
            row.Read();
            long first = row.IsDBNull(0) ? 0 : row.GetInt64(0), next = row.IsDBNull(1) ? 0 : row.GetInt64(1);
            return first == 0 || next > first ? first : throw new JournalDamagedException(
                $"Record {first} of the journal {Place} is damaged: it is missing, with all that followed it; restore it from a copy, or start over with --fresh.",
                first);
        }
        catch (Exception e)
        {
            throw tables.Reading(e) ?? e;
        }
    }
}
