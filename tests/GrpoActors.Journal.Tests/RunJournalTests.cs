using System.Data.Common;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Records;
using Xunit;

namespace GrpoActors.Journal.Tests;

/// <summary>What a run's journal must hold to in every database: preparing, reading and setting aside. Its writer is tested with the actor.</summary>
public abstract class RunJournalTests
{
    private const string AtNumber = "WHERE persistence_id = @run AND sequence_number = @number";

    protected static readonly Digest Identity = Digest.Of("plan");

    /// <summary>The same journal at each call within one test, as another process would open it.</summary>
    protected RunJournal Journal => RunJournal.Of(Setting, RunFolder, Identity);

    protected abstract string? Setting { get; }

    protected abstract string RunFolder { get; }

    /// <summary>Where the journal lies after it was set aside.</summary>
    protected abstract RunJournal Aside { get; }

    /// <summary>Puts a journal of release 0.1 there, of the same run.</summary>
    protected abstract void PutOldLayout();

    [ConformanceFact]
    public void Events_come_back_in_order_with_their_positions_and_fences()
    {
        Write(2);
        Write(1);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal([Started(), Opened(0), Opened(1)], reader.Read().Select(entry => entry.Event));
        Assert.Equal([(0, 1), (1, 1), (2, 3)], reader.Read().Select(entry => (entry.Position, entry.Fence)));
        Assert.Equal(Opened(1), Assert.Single(reader.Read(2)).Event);
        Assert.Empty(reader.Read(3));
    }

    [ConformanceFact]
    public void A_journal_of_many_pages_is_read_whole()
    {
        Write(300);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(Enumerable.Range(0, 300).Select(i => (long)i), reader.Read().Select(entry => entry.Position));
    }

    [ConformanceFact]
    public void A_reader_sees_what_is_durable_while_the_writer_goes_on()
    {
        using var writer = new TableWriter(Journal);
        writer.Append(Started());
        using IJournalReader reader = Journal.OpenForReading();
        using IEnumerator<JournalEntry> reading = reader.Read().GetEnumerator();
        Assert.True(reading.MoveNext());
        writer.Append(Opened(0));
        Assert.Equal(2, reader.Read().Count());
    }

    [ConformanceFact]
    public void Reading_a_run_that_has_no_record_is_refused_with_a_sentence()
    {
        Assert.Contains("no journal", Assert.Throws<NoJournalException>(Journal.OpenForReading).Message, StringComparison.Ordinal);
        Journal.Prepare();
        Assert.Contains("no journal", Assert.Throws<NoJournalException>(Journal.OpenForReading).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void Preparing_again_changes_nothing()
    {
        Write(2);
        Journal.Prepare();
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(2, reader.Read().Count());
    }

    [ConformanceFact]
    public void Every_flipped_bit_of_a_message_is_found_where_it_is()
    {
        Write(3);
        byte[] whole = Message(1);
        using DbConnection connection = Journal.Tables.Connect();
        using IJournalReader reader = Journal.OpenForReading();
        string name = Journal.Name;
        for (int bit = 0; bit < whole.Length * 8; bit++)
        {
            byte[] flipped = [.. whole];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            JournalTables.Execute(connection, null, $"UPDATE journal SET message = @message {AtNumber}", ("message", flipped), ("run", name), ("number", 2));
            Assert.Equal(1, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
        }

        Replace(1, whole);
        Assert.Equal(3, reader.Read().Count());
    }

    [ConformanceFact]
    public void A_record_missing_from_the_middle_is_named()
    {
        Write(4);
        Remove(2);
        DamagedAt(2, "missing");
    }

    [ConformanceFact]
    public void A_record_missing_from_the_beginning_is_named()
    {
        Write(3);
        Remove(0);
        DamagedAt(0, "missing");
    }

    [ConformanceFact]
    public void A_record_that_stands_in_for_another_is_found_though_its_own_bytes_are_whole()
    {
        Write(3);
        Replace(2, Message(1));
        DamagedAt(2, "checksum");
    }

    [ConformanceFact]
    public void A_record_under_an_older_fence_than_the_one_before_it_is_found_though_its_checksum_is_right()
    {
        Write(1);
        Write(1);
        Write(1);
        Replace(2, RecordMessage.Of(2, 1, Opened(1)));
        DamagedAt(2, "fence 1");
    }

    [ConformanceFact]
    public void A_record_under_a_fence_that_nobody_can_have_had_is_found()
    {
        Write(2);
        Replace(0, RecordMessage.Of(0, 99, Started()));
        DamagedAt(0, "fence 99");
    }

    [ConformanceFact]
    public void A_record_of_a_later_layout_is_refused_with_what_to_do()
    {
        Write(2);
        byte[] later = [99, .. EventRecord.Encode(Opened(0))[1..]];
        Replace(1, RecordMessage.Of(new StoredRecord(1, 1, RecordChecksum.Of(1, 1, later), later)));
        DamagedAt(1, "version 99");
    }

    [ConformanceFact]
    public void A_message_of_a_later_version_is_refused_with_what_to_do()
    {
        Write(2);
        Replace(1, [9, .. Message(1)[1..]]);
        DamagedAt(1, "version 9");
        DamagedAt(1, "a newer one");
    }

    [ConformanceFact]
    public void A_lost_end_is_legal_here()
    {
        Write(4);
        Remove(3);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(3, reader.Read().Count());
        Write(1);
        Assert.Equal(4, reader.Read().Count());
    }

    [ConformanceFact]
    public void What_is_stored_can_be_read_unchecked_for_audit()
    {
        Write(3);
        Replace(1, [.. Message(1)[..^1], 77]);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal([0, 1, 2], reader.Stored().Select(record => record.Position));
    }

    [ConformanceFact]
    public void After_a_compaction_the_journal_begins_with_the_first_record_that_was_kept()
    {
        using var writer = new TableWriter(Journal);
        writer.Append(Started(), Opened(0), Opened(1), Opened(2));
        writer.DeleteBefore(2);
        writer.Append(Opened(3));
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(2, reader.First);
        Assert.Equal([2, 3, 4], reader.Read().Select(entry => entry.Position));
        writer.DeleteBefore(4);
        Assert.Equal([4], reader.Read().Select(entry => entry.Position));
    }

    [ConformanceFact]
    public void Records_compacted_away_between_two_that_are_read_are_no_damage()
    {
        Write(200);
        using IJournalReader reader = Journal.OpenForReading();
        using IEnumerator<JournalEntry> reading = reader.Read().GetEnumerator();
        Assert.True(reading.MoveNext());
        using (var writer = new TableWriter(Journal))
        {
            writer.DeleteBefore(150);
        }

        Assert.Throws<JournalCompactedException>(() =>
        {
            while (reading.MoveNext())
            {
                // until the page that is gone
            }
        });
        Assert.Equal(50, reader.Read().Count());
    }

    [ConformanceFact]
    public void A_stream_of_which_only_the_mark_of_deletion_is_left_is_damage()
    {
        using var writer = new TableWriter(Journal);
        writer.Append(Started(), Opened(0), Opened(1));
        writer.DeleteBefore(2);
        Remove(2);
        Assert.Equal(2, Assert.Throws<JournalDamagedException>(Journal.OpenForReading).Position);
    }

    [ConformanceFact]
    public void A_row_that_does_not_follow_the_last_one_is_refused_as_a_collision()
    {
        Write(3);
        foreach (int sequenceNumber in (int[])[2, 3, 5]) // behind, at, beyond
        {
            var refused = Assert.ThrowsAny<DbException>(() => Run(
                "INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, @no, @run, @number, @message)",
                ("no", false), ("run", Journal.Name), ("number", sequenceNumber), ("message", new byte[1])));
            Assert.True(Journal.Tables.IsCollision(refused), refused.Message);
        }
    }

    [ConformanceFact]
    public void A_writer_whose_place_was_compacted_away_cannot_append_there()
    {
        using var slept = new TableWriter(Journal);
        slept.Append(Started());
        using (var next = new TableWriter(Journal))
        {
            next.Append(Opened(0), Opened(1), Opened(2));
            next.DeleteBefore(3);
        }

        Assert.Throws<StaleWriterException>(() => slept.Append(Opened(7)));
    }

    [ConformanceFact]
    public void A_journal_set_aside_is_kept_under_another_name_and_the_next_begins_anew()
    {
        Journal.SetAside(); // nothing there yet
        Write(2);
        Journal.SetAside();
        using (var next = new TableWriter(Journal))
        {
            Assert.Equal((0, 1), (next.Position, next.Fence));
        }

        using IJournalReader aside = Aside.OpenForReading();
        Assert.Equal(2, aside.Read().Count());
    }

    [ConformanceFact]
    public void A_run_begun_in_the_layout_of_release_0_1_is_refused_by_name_until_it_is_set_aside()
    {
        PutOldLayout();
        foreach (Action use in (Action[])[Journal.Prepare, () => Journal.OpenForReading()])
        {
            Assert.Equal(
                $"The journal {Journal.Place} was begun in the layout of release 0.1, which this release does not read: " +
                "finish the run with that release, or start over with --fresh.",
                Assert.Throws<StorageException>(use).Message);
        }

        Journal.SetAside();
        Write(1);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Single(reader.Read());
        Assert.Contains("release 0.1", Assert.Throws<StorageException>(Aside.OpenForReading).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void Tables_in_which_release_0_1_counted_its_writers_are_used_as_they_are()
    {
        Write(2);
        Run($"CREATE TABLE IF NOT EXISTS grpo_writers(persistence_id {(Setting is null ? "TEXT" : "text")} NOT NULL PRIMARY KEY, opened bigint NOT NULL)");
        Write(1);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(3, reader.Read().Count());
    }

    protected static RunEvent Started() => new RunEvent.RunStarted(Digest.Of("plan"), Digest.Of("weights"), "1");

    protected static RunEvent Opened(long ordinal) =>
        new RunEvent.GroupOpened(new GroupId(0, GroupStream.Primary, ordinal), ordinal, new PolicyVersion(0), 0, 0);

    /// <summary>Appends by a writer of its own.</summary>
    protected void Write(int records)
    {
        using var writer = new TableWriter(Journal);
        writer.Append([.. Enumerable.Range(0, records).Select(i => writer.Position + i == 0 ? Started() : Opened(writer.Position + i - 1))]);
    }

    /// <summary>One statement by another hand.</summary>
    protected void Run(string sql, params (string Name, object Value)[] values)
    {
        using DbConnection connection = Journal.Tables.Connect();
        JournalTables.Execute(connection, null, sql, values);
    }

    protected void DamagedAt(long position, string saying)
    {
        using IJournalReader reader = Journal.OpenForReading();
        var damaged = Assert.Throws<JournalDamagedException>(() => reader.Read().Count());
        Assert.Equal(position, damaged.Position);
        Assert.Contains(saying, damaged.Message, StringComparison.Ordinal);
    }

    private byte[] Message(long position)
    {
        using DbConnection connection = Journal.Tables.ConnectReadOnly();
        return (byte[])JournalTables.Scalar(connection, null, $"SELECT message FROM journal {AtNumber}", ("run", Journal.Name), ("number", position + 1))!;
    }

    private void Replace(long position, byte[] message) =>
        Run($"UPDATE journal SET message = @message {AtNumber}", ("message", message), ("run", Journal.Name), ("number", position + 1));

    private void Remove(long position) =>
        Run($"DELETE FROM journal {AtNumber}", ("run", Journal.Name), ("number", position + 1));
}
