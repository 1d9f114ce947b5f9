using System.Data.Common;
using GrpoActors.Formats.Files;
using Xunit;

namespace GrpoActors.Journal.Tests;

[RequiresPostgres]
[Collection("PostgreSQL")]
public sealed class PostgresRunJournalTests(PostgresServer server) : RunJournalTests
{
    private readonly string folder = $"/runs/{Guid.NewGuid():N}";

    protected override string? Setting => server.ConnectionString;

    protected override string RunFolder => folder;

    protected override RunJournal Aside => RunJournal.Named(server.ConnectionString, Journal.Name + ".1");

    [ConformanceFact]
    public void Runs_that_share_the_tables_do_not_see_each_other()
    {
        Write(3);
        using var other = new TableWriter(RunJournal.Of(Setting, folder + "-other", Identity));
        Assert.Equal((0, 1), (other.Position, other.Fence));
        other.Append(Started());
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(3, reader.Read().Count());
    }

    [ConformanceFact]
    public void A_journal_set_aside_ends_its_writer()
    {
        using var old = new TableWriter(Journal);
        old.Append(Started());
        Journal.SetAside();
        Assert.True(Journal.Tables.IsCollision(Assert.ThrowsAny<DbException>(() => old.Append(Opened(0)))));
    }

    [ConformanceFact]
    public void A_run_of_release_0_1_beside_it_disturbs_nobody()
    {
        PutOldLayout();
        using var other = new TableWriter(RunJournal.Of(Setting, folder + "-other", Identity));
        other.Append(Started());
    }

    [ConformanceFact]
    public void A_server_that_does_not_flush_is_refused()
    {
        try
        {
            Flushes("off");
            foreach (Action use in (Action[])[Journal.Prepare, () => Journal.Tables.Appending.OpenConnection()])
            {
                Assert.Contains("fsync is off", Assert.Throws<StorageException>(use).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            Flushes("on");
        }

        Journal.Prepare();
    }

    [ConformanceFact]
    public void A_connection_string_that_is_none_is_a_sentence()
    {
        var e = Assert.Throws<StorageException>(() => RunJournal.Of("Hosst=localhost", folder, Identity));
        Assert.Contains("connection string", e.Message, StringComparison.Ordinal);
    }

    protected override void PutOldLayout()
    {
        using DbConnection connection = Journal.Tables.ConnectReadOnly();
        JournalTables.Execute(connection, null, File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "OldLayout", "postgres.sql")));
        JournalTables.Execute(connection, null, "UPDATE grpo_journals SET run = @run WHERE run = 'run-0.1'", ("run", Journal.Name));
    }

    /// <summary>Returns when new sessions see it.</summary>
    private void Flushes(string fsync)
    {
        string? seen;
        do
        {
            using DbConnection connection = Journal.Tables.ConnectReadOnly();
            JournalTables.Execute(connection, null, $"ALTER SYSTEM SET fsync = {fsync}");
            JournalTables.Execute(connection, null, "SELECT pg_reload_conf()");
            seen = JournalTables.Scalar(connection, null, "SHOW fsync") as string;
        }
        while (seen != fsync);
    }
}
