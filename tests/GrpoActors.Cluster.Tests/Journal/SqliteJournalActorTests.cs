using GrpoActors.Journal.Tests;
using GrpoActors.Actors.Persistence;
using GrpoActors.Journal;
using GrpoActors.Runtime.RunFolders;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.Cluster.Tests.Journal;

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
    public void The_librarys_connections_flush_fully_and_keep_a_log()
    {
        JournalImport.Prepare(null, folder.Path, Identity);
        using var connection = new SqliteConnection(JournalHocon.Sqlite(Database));
        connection.Open();
        Assert.Equal("wal", Scalar(connection, "PRAGMA journal_mode"));
        Assert.Equal(2L, Scalar(connection, "PRAGMA synchronous"));
    }

    protected override IJournalProvider Aside() => new SqliteJournalProvider(Database + ".1");

    protected override void Run(string sql, byte[]? parameter = null)
    {
        using SqliteConnection connection = Open(Database, SqliteOpenMode.ReadWrite);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        if (parameter is not null)
        {
            command.Parameters.AddWithValue("@p", parameter);
        }

        Assert.NotEqual(0, command.ExecuteNonQuery());
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
            .. Lines(connection, "SELECT m.name, c.name, upper(c.type), c.\"notnull\", c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.name IN ('journal', 'tags') ORDER BY 1, 2"),
            .. Lines(connection, "SELECT m.name, i.name, i.\"unique\", c.name FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c WHERE m.name IN ('journal', 'tags') ORDER BY 1, 2, 4"),
        ];
    }

    protected override void DamageOld(long position) => Run($"UPDATE events SET crc = crc + 1 WHERE position = {position}");

    protected override void AfterAll()
    {
        base.AfterAll();
        SqliteConnection.ClearAllPools();
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
