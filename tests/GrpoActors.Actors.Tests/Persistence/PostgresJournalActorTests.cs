using Akka.TestKit;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Tests;
using Npgsql;
using Xunit;

namespace GrpoActors.Actors.Tests.Persistence;

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
    public void The_connection_that_appends_waits_for_the_disk_though_its_user_is_set_not_to()
    {
        string user = $"hasty_{Guid.NewGuid():N}";
        Execute(server.ConnectionString, $"""
            CREATE ROLE {user} SUPERUSER LOGIN;
            ALTER ROLE {user} SET synchronous_commit = off;
            ALTER ROLE {user} SET idle_in_transaction_session_timeout = 0;
            """);
        var hasty = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Username = user };
        (JournalNode Node, TestProbe Probe) node = Start(RunJournal.Of(hasty.ConnectionString, RunFolder, Identity));
        RunState run = Recovered(node).Run;
        Execute(server.ConnectionString, $$"""
            CREATE TABLE seen_{{user}}(setting text, value text);
            CREATE FUNCTION look_{{user}}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO seen_{{user}} SELECT name, setting FROM pg_settings
                    WHERE name IN ('synchronous_commit', 'fsync', 'idle_in_transaction_session_timeout') ORDER BY name;
                RETURN NEW;
            END $$;
            CREATE TRIGGER look_{{user}} AFTER INSERT ON journal FOR EACH ROW WHEN (NEW.persistence_id = '{{Name}}') EXECUTE FUNCTION look_{{user}}();
            """);
        run = Appends(node, run, Started());
        Appends(node, run, Checkpoint(1)); // by a connection that was back in the pool
        Execute(server.ConnectionString, $"DROP TRIGGER look_{user} ON journal");
        string[] expected = ["fsync on", "idle_in_transaction_session_timeout 10000", "synchronous_commit on"];
        Assert.Equal([.. expected, .. expected], Lines(server.ConnectionString, $"SELECT setting, value FROM seen_{user}"));
    }

    [ConformanceFact]
    public void An_append_whose_connection_breaks_in_mid_transaction_leaves_nothing() => BreakAndGoOn(Fault.CutInTransaction, kept: false);

    [ConformanceFact]
    public void An_append_whose_COMMIT_never_arrives_leaves_nothing() => BreakAndGoOn(Fault.CutBeforeCommit, kept: false);

    [ConformanceFact]
    public void An_append_whose_COMMIT_is_done_but_unanswered_is_found_by_the_next_recovery() => BreakAndGoOn(Fault.CutAfterCommit, kept: true);

    [ConformanceFact]
    public async Task A_writer_frozen_in_mid_transaction_holds_nobody_up_for_long_and_changes_nothing_when_it_wakes()
    {
        using var proxy = new CuttingProxy(server.Started().Port);
        (JournalNode Node, TestProbe Probe) frozen = Start(RunJournal.Of(PostgresServer.Through(proxy.Port), RunFolder, Identity));
        RunState run = Appends(frozen, Recovered(frozen).Run, Started());
        proxy.Fault = Fault.FreezeBeforeCommit;
        frozen.Node.Tell(new Append(run.Position, [Checkpoint(7)]));
        await proxy.Reached.WaitAsync(Patience);

        (JournalNode Node, TestProbe Probe) next = Start();
        Appends(next, Recovered(next).Run, Checkpoint(1)); // waits for the key until the server has ended the idle transaction
        proxy.Thaw();
        frozen.Probe.ExpectMsg<JournalFailed>(Patience);
        frozen.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        Assert.Equal([Started(), Checkpoint(1)], Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public void A_server_killed_while_a_writer_appends_keeps_every_append_that_was_answered()
    {
        RunState run = RunState.Begin(Plan);
        for (int trial = 0; trial < 3; trial++)
        {
            (JournalNode Node, TestProbe Probe) node = Start();
            JournalRecovered recovered = Recovered(node);
            Assert.InRange(recovered.Run.Position, run.Position, run.Position + 2); // the one in flight may be kept or not, but whole
            Assert.Equal(run.Position % 2, recovered.Run.Position % 2);
            run = recovered.Run;
            for (int append = 0; append < 20; append++)
            {
                run = Appends(node, run, run.Started ? Checkpoint(append) : Started(), Checkpoint(append));
            }

            node.Node.Tell(new Append(run.Position, [Checkpoint(98), Checkpoint(99)]));
            server.Kill();
            node.Probe.FishForMessage(message => message is JournalFailed or Appended, Patience);
            node.Node.Dispose();
            server.Started();
        }
    }

    protected override void Run(string sql, byte[]? parameter = null) => Execute(server.ConnectionString, sql, parameter);

    protected override byte[] Message(string sql) => (byte[])Scalar(server.ConnectionString, sql)!;

    protected override string[] Columns(string? place) =>
    [
        .. Lines(place!, """
            SELECT table_name, column_name, data_type, coalesce(character_maximum_length, 0), is_nullable, is_identity FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name IN ('journal', 'tags') ORDER BY 1, 2
            """),
        .. Lines(place!, """
            SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes
            WHERE schemaname = current_schema() AND tablename IN ('journal', 'tags') ORDER BY 1
            """),
    ];

    private void BreakAndGoOn(Fault fault, bool kept)
    {
        using var proxy = new CuttingProxy(server.Started().Port);
        (JournalNode Node, TestProbe Probe) broken = Start(RunJournal.Of(PostgresServer.Through(proxy.Port), RunFolder, Identity));
        RunState run = Appends(broken, Recovered(broken).Run, Started());
        proxy.Fault = fault;
        broken.Node.Tell(new Append(run.Position, [Checkpoint(1), Checkpoint(2)]));
        JournalFailed failed = broken.Probe.ExpectMsg<JournalFailed>(Patience);
        Assert.False(failed.Stale);
        Assert.Contains("Whether the last append was kept is found out", failed.Reason, StringComparison.Ordinal);
        Assert.True(proxy.Reached.IsCompleted);
        broken.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience); // trying again here might append it twice

        (JournalNode Node, TestProbe Probe) next = Start();
        JournalRecovered recovered = Recovered(next);
        Assert.Equal(kept ? 3 : 1, recovered.Run.Position);
        Appends(next, recovered.Run, Checkpoint(3));
    }

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
