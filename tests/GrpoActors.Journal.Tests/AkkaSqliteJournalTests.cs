using GrpoActors.Core;
using GrpoActors.Core.Runs;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.Journal.Tests;

/// <summary>The tables of the clustered service in a SQLite file, read and written by the embedded host.</summary>
public sealed class AkkaSqliteJournalTests : JournalConformance, IDisposable
{
    private static readonly Digest Identity = Digest.Of("plan");

    private readonly TemporaryFolder folder = new();

    protected override IJournalProvider Provider => AkkaJournalProvider.InFile(Database, folder.Path, Identity);

    private string Database => folder.File("journal.db");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_place_that_holds_a_run_of_the_service_is_read_and_continued_there()
    {
        await Write(2);
        IJournalProvider place = JournalPlace.Of(null, folder.Path, Identity);
        await using (IJournal journal = place.OpenForWriting())
        {
            await journal.AppendAsync(2, [Opened(1)], default);
        }

        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal([1, 1, 3], reader.Read().Select(entry => entry.Fence));
        using IJournalReader same = place.OpenForReading();
        Assert.Equal(3, same.Read().Count());
    }

    [Fact]
    public async Task A_new_run_of_the_embedded_host_begins_in_its_own_layout()
    {
        await using (IJournal journal = JournalPlace.Of(null, folder.Path, Identity).OpenForWriting())
        {
            await journal.AppendAsync(0, [Started()], default);
        }

        using IJournalReader own = new SqliteJournalProvider(Database).OpenForReading();
        Assert.Single(own.Read());
        Assert.False(AkkaJournalProvider.InFile(Database, folder.Path, Identity).HoldsRun());
    }

    [Fact]
    public async Task A_run_whose_folder_was_renamed_is_found_under_the_name_it_began_with()
    {
        await Write(2);
        string moved = Directory.CreateDirectory(folder.File("moved")).FullName;
        File.Move(Database, Path.Combine(moved, "journal.db"));
        using IJournalReader reader = JournalPlace.Of(null, moved, Identity).OpenForReading();
        Assert.Equal(2, reader.Read().Count());
    }

    [Fact]
    public async Task A_row_that_does_not_follow_the_last_one_is_refused_as_a_collision()
    {
        await Write(3);
        foreach (int sequenceNumber in (int[])[2, 3, 5]) // behind, at, beyond
        {
            var refused = Assert.Throws<SqliteException>(() => Run(
                $"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, 0, '{JournalPlace.RunName(folder.Path, Identity)}', {sequenceNumber}, x'')"));
            Assert.Equal(19, refused.SqliteErrorCode);
        }
    }

    [Theory]
    [InlineData("message", "5")]
    [InlineData("message", "x''")]
    [InlineData("manifest", "'event/2'")]
    [InlineData("manifest", "NULL")]
    [InlineData("identifier", "7")]
    public async Task A_column_that_holds_something_else_is_damage_at_that_record(string column, string value)
    {
        await Write(3);
        Run($"UPDATE journal SET {column} = {value} WHERE sequence_number = 2");
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal(1, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
    }

    [Fact]
    public async Task Every_flipped_bit_of_a_message_is_found_where_it_is()
    {
        await Write(3);
        byte[] message = Message(2);
        for (int bit = 0; bit < message.Length * 8; bit++)
        {
            byte[] flipped = [.. message];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Replace(2, flipped);
            using IJournalReader reader = Provider.OpenForReading();
            Assert.Equal(1, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
        }
    }

    [Fact]
    public async Task A_message_of_a_later_version_is_refused_with_what_to_do()
    {
        await Write(2);
        Replace(2, [9, .. Message(2)[1..]]);
        using IJournalReader reader = Provider.OpenForReading();
        var refused = Assert.Throws<JournalDamagedException>(() => reader.Read().Count());
        Assert.Contains("version 9", refused.Message, StringComparison.Ordinal);
        Assert.Contains("a newer one", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_records_that_changed_places_are_found()
    {
        await Write(3);
        Run("UPDATE journal SET sequence_number = 9 WHERE sequence_number = 2; UPDATE journal SET sequence_number = 2 WHERE sequence_number = 3; UPDATE journal SET sequence_number = 3 WHERE sequence_number = 9");
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal(1, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
    }

    [Fact]
    public async Task A_stream_of_which_only_the_mark_of_deletion_is_left_is_damage()
    {
        await using (IJournal journal = Provider.OpenForWriting())
        {
            await journal.AppendAsync(0, [Started(), Opened(0), Opened(1)], default);
            await journal.DeleteBeforeAsync(2, default);
        }

        Run("DELETE FROM journal WHERE sequence_number > 2");
        Assert.Equal(2, Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Position);
    }

    [Fact]
    public async Task A_writer_whose_place_was_compacted_away_cannot_append_there()
    {
        await using IJournal slept = Provider.OpenForWriting();
        await slept.AppendAsync(0, [Started()], default);
        await using (IJournal next = Provider.OpenForWriting())
        {
            await next.AppendAsync(1, [Opened(0), Opened(1), Opened(2)], default);
            await next.DeleteBeforeAsync(3, default);
        }

        Run("UPDATE grpo_writers SET opened = 1"); // as if the one between had been a writer of the service, which does not count there
        await Assert.ThrowsAsync<StaleWriterException>(() => slept.AppendAsync(1, [Opened(7)], default));
        Assert.Equal([Opened(2)], Provider.OpenForReading().Read().Select(entry => entry.Event));
    }

    [Fact]
    public void A_database_of_another_program_is_refused_and_left_as_it_is()
    {
        Run("CREATE TABLE events(x)");
        Assert.Contains("no journal of this program", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
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
            Replace(position + 1, AkkaMessage.Of(changed));
        }
        else
        {
            Run($"DELETE FROM journal WHERE sequence_number = {position + 1}");
        }
    }

    private byte[] Message(long sequenceNumber)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"SELECT message FROM journal WHERE sequence_number = {sequenceNumber}";
        return (byte[])command.ExecuteScalar()!;
    }

    private void Replace(long sequenceNumber, byte[] message)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"UPDATE journal SET message = $message WHERE sequence_number = {sequenceNumber}";
        command.Parameters.AddWithValue("$message", message);
        Assert.Equal(1, command.ExecuteNonQuery());
    }

    private void Run(string sql)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private SqliteConnection Open()
    {
        SQLitePCL.Batteries_V2.Init();
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }
}
