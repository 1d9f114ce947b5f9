using GrpoActors.Core;
using Npgsql;
using Xunit;

namespace GrpoActors.Journal.Tests;

/// <summary>The tables of the clustered service in a PostgreSQL database, read and written by the embedded host.</summary>
[RequiresPostgres]
[Collection("PostgreSQL")]
public sealed class AkkaPostgresJournalTests(PostgresServer server) : JournalConformance
{
    private static readonly Digest Identity = Digest.Of("plan");

    private readonly string folder = $"/runs/{Guid.NewGuid():N}";

    protected override IJournalProvider Provider => AkkaJournalProvider.InDatabase(server.ConnectionString, Name);

    private string Name => JournalPlace.RunName(folder, Identity);

    [ConformanceFact]
    public async Task A_place_that_holds_a_run_of_the_service_is_read_and_continued_there()
    {
        await Write(2);
        IJournalProvider place = JournalPlace.Of(server.ConnectionString, folder, Identity);
        await using (IJournal journal = place.OpenForWriting())
        {
            await journal.AppendAsync(2, [Opened(1)], default);
        }

        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal([1, 1, 3], reader.Read().Select(entry => entry.Fence));
    }

    [ConformanceFact]
    public async Task A_new_run_of_the_embedded_host_begins_in_its_own_layout()
    {
        await using (IJournal journal = JournalPlace.Of(server.ConnectionString, folder, Identity).OpenForWriting())
        {
            await journal.AppendAsync(0, [Started()], default);
        }

        using IJournalReader own = new PostgresJournalProvider(server.ConnectionString, Name).OpenForReading();
        Assert.Single(own.Read());
    }

    [ConformanceFact]
    public async Task A_row_that_does_not_follow_the_last_one_is_refused_as_a_collision()
    {
        await Write(3);
        foreach (int sequenceNumber in (int[])[2, 3, 5]) // behind, at, beyond
        {
            var refused = Assert.Throws<PostgresException>(() => Run(
                $"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, false, '{Name}', {sequenceNumber}, '')"));
            Assert.Equal(PostgresErrorCodes.UniqueViolation, refused.SqlState);
        }
    }

    [ConformanceFact]
    public async Task A_journal_set_aside_ends_its_writer_and_the_next_begins_anew()
    {
        await using IJournal old = Provider.OpenForWriting();
        await old.AppendAsync(0, [Started()], default);
        JournalPlace.SetAside(server.ConnectionString, folder, Identity);
        await Assert.ThrowsAsync<StaleWriterException>(() => old.AppendAsync(1, [Opened(0)], default));
        Assert.Throws<PostgresException>(() => Run($"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, false, '{Name}', 2, '')")); // a writer of the service
        await using IJournal next = Provider.OpenForWriting();
        Assert.Equal(0, next.Position);
        using IJournalReader aside = AkkaJournalProvider.InDatabase(server.ConnectionString, Name + ".1").OpenForReading();
        Assert.Single(aside.Read());
    }

    [ConformanceFact]
    public async Task An_append_that_loses_against_a_writer_of_the_service_says_so_and_ends()
    {
        await Write(1);
        await using IJournal journal = Provider.OpenForWriting();
        using var service = new NpgsqlConnection(server.ConnectionString);
        service.Open();
        using (NpgsqlTransaction transaction = service.BeginTransaction())
        {
            using var insert = new NpgsqlCommand($"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, false, '{Name}', 2, '')", service);
            insert.ExecuteNonQuery();
            Task append = journal.AppendAsync(1, [Opened(0)], default); // waits for the transaction that has the key
            transaction.Commit();
            var stale = await Assert.ThrowsAsync<StaleWriterException>(() => append);
            Assert.Contains("position 1", stale.Message, StringComparison.Ordinal);
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => journal.AppendAsync(1, [Opened(0)], default));
    }

    [ConformanceFact]
    public async Task Runs_that_share_the_tables_do_not_see_each_other()
    {
        await Write(3);
        await using IJournal other = AkkaJournalProvider.InDatabase(server.ConnectionString, Name + "-other").OpenForWriting();
        Assert.Equal((0, 1), (other.Position, other.Fence));
        await other.AppendAsync(0, [Started()], default);
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal(3, reader.Read().Count());
    }

    protected override void Tamper(long position, Func<StoredRecord, StoredRecord?> change)
    {
        StoredRecord record;
        using (IJournalReader reader = Provider.OpenForReading())
        {
            record = reader.Stored(position).First();
        }

        if (change(record) is { } changed)
        {
            Run($"UPDATE journal SET message = $1 WHERE persistence_id = '{Name}' AND sequence_number = {position + 1}", AkkaMessage.Of(changed));
        }
        else
        {
            Run($"DELETE FROM journal WHERE persistence_id = '{Name}' AND sequence_number = {position + 1}");
        }
    }

    private void Run(string sql, params byte[][] values)
    {
        using var connection = new NpgsqlConnection(server.ConnectionString);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        foreach (byte[] value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        Assert.Equal(1, command.ExecuteNonQuery());
    }
}
