using GrpoActors.Actors.Persistence;
using GrpoActors.Journal;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.RunFolders;
using Npgsql;
using Xunit;

namespace GrpoActors.Cluster.Tests.Journal;

/// <summary>Tests that need the private server; they share one and run one after the other.</summary>
[CollectionDefinition("PostgreSQL")]
public sealed class PostgresCollection : ICollectionFixture<PostgresServer>;

[RequiresPostgres]
[Collection("PostgreSQL")]
public sealed class PostgresJournalActorTests(PostgresServer server) : JournalActorTests
{
    private readonly string folder = $"/runs/{Guid.NewGuid():N}";
    private readonly string other = $"other_{Guid.NewGuid():N}";

    protected override string? Setting => server.ConnectionString;

    protected override string RunFolder => folder;

    protected override string? OtherPlace
    {
        get
        {
            if (Scalar(server.ConnectionString, $"SELECT 1 FROM pg_namespace WHERE nspname = '{other}'") is null)
            {
                Execute(server.ConnectionString, $"CREATE SCHEMA {other}");
            }

            return $"{server.ConnectionString};Search Path={other}";
        }
    }

    protected override string EmptyBytes => "''";

    [ConformanceFact]
    public void The_librarys_connections_wait_for_the_disk_and_leave_no_transaction_open()
    {
        string connection = JournalHocon.Postgres(server.ConnectionString);
        Assert.Equal("on", Scalar(connection, "SHOW synchronous_commit"));
        Assert.Equal("10s", Scalar(connection, "SHOW idle_in_transaction_session_timeout"));
    }

    protected override IJournalProvider Aside() => new PostgresJournalProvider(server.ConnectionString, JournalPlace.RunName(folder, Identity) + ".1");

    protected override void Run(string sql, byte[]? parameter = null) => Assert.NotEqual(0, Execute(server.ConnectionString, sql, parameter));

    protected override byte[] Message(string sql) => (byte[])Scalar(server.ConnectionString, sql)!;

    protected override string[] Columns(string? place) =>
    [
        .. Lines(place!, """
            SELECT table_name, column_name, data_type, coalesce(character_maximum_length, 0), is_nullable, is_identity FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name IN ('journal', 'tags') ORDER BY 1, 2
            """),
        .. Lines(place!, "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema() AND tablename IN ('journal', 'tags') ORDER BY 1"),
    ];

    protected override void DamageOld(long position) =>
        Run($"UPDATE grpo_events SET crc = crc + 1 WHERE position = {position} AND journal = (SELECT id FROM grpo_journals WHERE run = '{JournalPlace.RunName(folder, Identity)}')");

    private static int Execute(string place, string sql, byte[]? parameter = null)
    {
        using var connection = new NpgsqlConnection(place);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        if (parameter is not null)
        {
            command.Parameters.AddWithValue("p", parameter);
        }

        return command.ExecuteNonQuery();
    }

    private static object? Scalar(string place, string sql)
    {
        using var connection = new NpgsqlConnection(place);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }

    private static List<string> Lines(string place, string sql)
    {
        using var connection = new NpgsqlConnection(place);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        using NpgsqlDataReader row = command.ExecuteReader();
        List<string> lines = [];
        while (row.Read())
        {
            lines.Add(string.Join(' ', Enumerable.Range(0, row.FieldCount).Select(i => $"{row.GetValue(i)}")));
        }

        return lines;
    }
}
