using Akka.TestKit;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Tests;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.Actors.Tests.Persistence;

public sealed class SqliteJournalActorTests : JournalActorTests
{
    private readonly TemporaryFolder folder = new();

    protected override string? Setting => null;

    protected override string RunFolder => folder.Path;

    protected override string? OtherPlace
    {
        get
        {
            File.AppendAllText(folder.File("other.db"), ""); // the library creates no file
            return folder.File("other.db");
        }
    }

    protected override string EmptyBytes => "x''";

    private string Database => folder.File("journal.db");

    [Fact]
    public void The_connection_that_appends_keeps_a_log_and_flushes_it_fully()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Recovered(node).Run;
        Run("CREATE TABLE seen(pragma, value)");
        Run("""
            CREATE TRIGGER look AFTER INSERT ON journal BEGIN
                INSERT INTO seen SELECT 'journal_mode', journal_mode FROM pragma_journal_mode;
                INSERT INTO seen SELECT 'synchronous', synchronous FROM pragma_synchronous;
                INSERT INTO seen SELECT 'fullfsync', fullfsync FROM pragma_fullfsync;
            END
            """);
        Appends(node, run, Started());
        using SqliteConnection connection = Open(Database, SqliteOpenMode.ReadWrite);
        Assert.Equal(["journal_mode wal", "synchronous 2", "fullfsync 1"], Lines(connection, "SELECT pragma, value FROM seen"));
    }

    [Fact]
    public void When_the_actor_has_stopped_all_records_are_in_the_file_and_no_log_is_left_beside_it()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Appends(node, Recovered(node).Run, Started());
        Assert.True(File.Exists(Database + "-wal"));
        node.Node.Dispose();
        Assert.False(File.Exists(Database + "-wal"));
        Assert.Single(Read());
    }

    protected override void Run(string sql, byte[]? parameter = null)
    {
        using SqliteConnection connection = Open(Database, SqliteOpenMode.ReadWrite);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        if (parameter is not null)
        {
            command.Parameters.AddWithValue("@p", parameter);
        }

        command.ExecuteNonQuery();
    }

    protected override byte[] Message(string sql)
    {
        using SqliteConnection connection = Open(Database, SqliteOpenMode.ReadWrite);
        return (byte[])Scalar(connection, sql)!;
    }

    protected override string[] Columns(string? place)
    {
        using SqliteConnection connection = Open(place ?? Database, SqliteOpenMode.ReadWrite);
        return
        [
            .. Lines(connection, """
                SELECT m.name, c.name, upper(c.type), c."notnull", c.pk FROM sqlite_master m, pragma_table_info(m.name) c
                WHERE m.name IN ('journal', 'tags') ORDER BY 1, 2
                """),
            .. Lines(connection, """
                SELECT m.name, i.name, i."unique", c.name FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
                WHERE m.name IN ('journal', 'tags') ORDER BY 1, 2, 4
                """),
        ];
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        folder.Dispose();
    }

    private static IEnumerable<string> Lines(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            yield return string.Join(' ', Enumerable.Range(0, row.FieldCount).Select(i => $"{row.GetValue(i)}"));
        }
    }

    private static object? Scalar(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }
}
