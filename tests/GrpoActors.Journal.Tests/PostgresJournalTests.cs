using GrpoActors.Formats.Files;
using Npgsql;
using Xunit;

namespace GrpoActors.Journal.Tests;

[RequiresPostgres]
[Collection("PostgreSQL")]
public sealed class PostgresJournalTests(PostgresServer server) : JournalConformance
{
    private readonly string run = $"run-{Guid.NewGuid():N}";

    protected override IJournalProvider Provider => new PostgresJournalProvider(server.ConnectionString, run);

    [ConformanceFact]
    public Task An_append_whose_connection_breaks_in_mid_transaction_leaves_nothing() => BreakAndGoOn(Fault.CutInTransaction, kept: false);

    [ConformanceFact]
    public Task An_append_whose_COMMIT_never_arrives_leaves_nothing() => BreakAndGoOn(Fault.CutBeforeCommit, kept: false);

    [ConformanceFact]
    public Task An_append_whose_COMMIT_is_done_but_unanswered_ends_the_writer_and_is_found_by_the_next() => BreakAndGoOn(Fault.CutAfterCommit, kept: true);

    [ConformanceFact]
    public async Task A_writer_frozen_in_mid_transaction_holds_nobody_up_and_changes_nothing_when_it_wakes()
    {
        await Write(2);
        using var proxy = new CuttingProxy(server.Port);
        await using IJournal frozen = Through(proxy, idleInTransactionMax: TimeSpan.FromSeconds(10)); // the test waits for it, and the writer has so long for each of its statements
        proxy.Fault = Fault.FreezeBeforeCommit;
        Task append = frozen.AppendAsync(2, [Opened(1)], default);
        await Task.WhenAny(proxy.Reached, append);
        Assert.True(proxy.Reached.IsCompleted, "The append ended before its COMMIT.");

        await using IJournal next = Provider.OpenForWriting(); // waits for the lock until the server has ended the idle transaction
        Assert.Equal(2, next.Position);
        await next.AppendAsync(2, [Opened(7)], default);
        proxy.Thaw();
        await Assert.ThrowsAsync<JournalWriteException>(() => append);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => frozen.DeleteBeforeAsync(1, default));
        Assert.Equal([Started(), Opened(0), Opened(7)], next.Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public async Task A_killed_server_keeps_what_was_appended_and_the_next_writer_goes_on()
    {
        await using IJournal before = Provider.OpenForWriting();
        for (int i = 0; i < 20; i++)
        {
            await before.AppendAsync(i, [i == 0 ? Started() : Opened(i - 1)], default);
        }

        server.Kill();
        var gone = await Assert.ThrowsAsync<JournalWriteException>(() => before.AppendAsync(20, [Opened(19)], default));
        Assert.Contains("found out at the next start", gone.Message, StringComparison.Ordinal);
        var down = Assert.Throws<JournalWriteException>(() => new PostgresJournalProvider(PostgresServer.Through(server.Port), run).OpenForWriting());
        Assert.DoesNotContain("\n", down.Message, StringComparison.Ordinal);

        server.Started();
        await using IJournal after = Provider.OpenForWriting();
        Assert.Equal(20, after.Position);
        await after.AppendAsync(20, [Opened(19)], default);
        Assert.Equal(21, after.Read().Count());
    }

    [ConformanceFact]
    public async Task A_server_killed_while_writers_append_keeps_every_append_that_returned()
    {
        for (int trial = 0; trial < 3; trial++)
        {
            long known = 0;
            var some = new TaskCompletionSource();
            Task appending = Task.Run(async () =>
            {
                await using IJournal journal = Provider.OpenForWriting();
                known = journal.Position;
                while (true)
                {
                    await journal.AppendAsync(known, [known == 0 ? Started() : Opened(known - 1), Opened(known)], default);
                    known += 2;
                    if (known % 60 == 0)
                    {
                        some.TrySetResult();
                    }
                }
            });
            await Task.WhenAny(some.Task, appending);
            server.Kill();
            await Assert.ThrowsAnyAsync<StorageException>(() => appending);
            server.Started();
            using IJournalReader reader = Provider.OpenForReading();
            Assert.InRange(reader.Read().Count(), known, known + 2); // the one in flight may be kept or not, but whole
            Assert.Equal(0, reader.Read().Count() % 2);
        }
    }

    [ConformanceFact]
    public async Task Runs_that_share_a_database_do_not_see_each_other()
    {
        await Write(3);
        await using IJournal other = new PostgresJournalProvider(server.ConnectionString, run + "-other").OpenForWriting();
        Assert.Equal((0, 1), (other.Position, other.Fence));
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal(3, reader.Read().Count());
    }

    [ConformanceFact]
    public async Task A_journal_set_aside_ends_its_writer_and_the_next_begins_anew()
    {
        var provider = (PostgresJournalProvider)Provider;
        provider.SetAside(); // nothing there yet
        await using IJournal old = provider.OpenForWriting();
        await old.AppendAsync(0, [Started()], default);
        provider.SetAside();
        await Assert.ThrowsAsync<StaleWriterException>(() => old.AppendAsync(1, [Opened(0)], default));
        await using IJournal next = provider.OpenForWriting();
        Assert.Equal(0, next.Position);
        using IJournalReader aside = new PostgresJournalProvider(server.ConnectionString, run + ".1").OpenForReading();
        Assert.Single(aside.Read());
    }

    [ConformanceFact]
    public async Task A_journal_of_a_later_format_is_refused()
    {
        await Write(1);
        Run($"UPDATE grpo_journals SET format = 2 WHERE run = '{run}'");
        Assert.Contains("has format 2", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public async Task A_lowered_fence_in_the_head_row_is_found()
    {
        await Write(1);
        await Write(1);
        Run($"UPDATE grpo_journals SET fence = 1 WHERE run = '{run}'");
        Assert.Contains("head row", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void A_connection_string_that_is_none_is_a_sentence()
    {
        var e = Assert.Throws<StorageException>(() => new PostgresJournalProvider("Hosst=localhost", run));
        Assert.Contains("connection string", e.Message, StringComparison.Ordinal);
    }

    protected override void Tamper(long position, Func<StoredRecord, StoredRecord?> change)
    {
        StoredRecord record;
        using (IJournalReader reader = Provider.OpenForReading())
        {
            record = reader.Stored(position).First();
        }

        string of = $"WHERE journal = (SELECT id FROM grpo_journals WHERE run = '{run}') AND position = {position}";
        if (change(record) is { } changed)
        {
            Run($"UPDATE grpo_events SET fence = {changed.Fence}, crc = {changed.Crc}, payload = '\\x{Convert.ToHexString(changed.Payload)}' {of}");
        }
        else
        {
            Run($"DELETE FROM grpo_events {of}");
        }
    }

    private async Task BreakAndGoOn(Fault fault, bool kept)
    {
        await Write(2);
        using var proxy = new CuttingProxy(server.Port);
        await using IJournal journal = Through(proxy, idleInTransactionMax: TimeSpan.FromMinutes(5)); // a broken connection ends its transaction at once
        proxy.Fault = fault;
        var unknown = await Assert.ThrowsAsync<JournalWriteException>(() => journal.AppendAsync(2, [Opened(1), Opened(2)], default));
        Assert.Contains("found out at the next start", unknown.Message, StringComparison.Ordinal);
        Assert.True(proxy.Reached.IsCompleted);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => journal.AppendAsync(2, [Opened(1)], default)); // trying again here might append it twice

        await using IJournal next = Provider.OpenForWriting();
        Assert.Equal(kept ? 4 : 2, next.Position);
        Assert.Equal(next.Position, next.Read().Count());
        await next.AppendAsync(next.Position, [Opened(next.Position - 1)], default);
    }

    private IJournal Through(CuttingProxy proxy, TimeSpan idleInTransactionMax) =>
        new PostgresJournalProvider(PostgresServer.Through(proxy.Port), run) { IdleInTransactionMax = idleInTransactionMax }.OpenForWriting();

    private void Run(string sql)
    {
        using var connection = new NpgsqlConnection(server.ConnectionString);
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }
}
