using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Records;
using Xunit;

namespace GrpoActors.Journal.Tests;

/// <summary>What every journal must hold to, whatever stores it. A back end derives from this and says how one is made and damaged.</summary>
public abstract class JournalConformance
{
    /// <summary>The same journal at each call within one test.</summary>
    protected abstract IJournalProvider Provider { get; }

    /// <summary>Changes a stored record behind the journal's back; null deletes it.</summary>
    protected abstract void Tamper(long position, Func<StoredRecord, StoredRecord?> change);

    [ConformanceFact]
    public async Task Events_come_back_in_order_with_their_positions_and_fence()
    {
        RunEvent[] events = [Started(), Opened(0), Opened(1)];
        await using IJournal journal = Provider.OpenForWriting();
        Assert.Equal(0, journal.Position);
        await journal.AppendAsync(0, events[..1], default);
        await journal.AppendAsync(1, events[1..], default);

        Assert.Equal(3, journal.Position);
        Assert.Equal(events, journal.Read().Select(entry => entry.Event));
        Assert.Equal([0, 1, 2], journal.Read().Select(entry => entry.Position));
        Assert.All(journal.Read(), entry => Assert.Equal(journal.Fence, entry.Fence));
        Assert.Equal(events[2], Assert.Single(journal.Read(2)).Event);
        Assert.Empty(journal.Read(3));
    }

    [ConformanceFact]
    public async Task A_journal_of_many_pages_is_read_whole()
    {
        await using IJournal journal = Provider.OpenForWriting();
        RunEvent[] events = [Started(), .. Enumerable.Range(0, 1000).Select(i => Opened(i))];
        await journal.AppendAsync(0, events, default);
        Assert.Equal(events, journal.Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public async Task What_was_appended_is_there_for_the_next_process()
    {
        await using (IJournal first = Provider.OpenForWriting())
        {
            await first.AppendAsync(0, [Started()], default);
        }

        await using IJournal second = Provider.OpenForWriting();
        Assert.Equal(1, second.Position);
        await second.AppendAsync(1, [Opened(0)], default);
        Assert.Equal([Started(), Opened(0)], second.Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public async Task An_append_at_another_position_than_the_journals_changes_nothing_and_ends_the_writer()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(0, [Started()], default);
        var stale = await Assert.ThrowsAsync<StaleWriterException>(() => journal.AppendAsync(0, [Opened(0)], default));
        Assert.Contains("1 records where this process has folded 0", stale.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => journal.AppendAsync(1, [Opened(0)], default));
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Single(reader.Read());
    }

    [ConformanceFact]
    public async Task Whoever_opened_it_last_for_writing_is_the_only_one_who_can_append()
    {
        await using IJournal frozen = Provider.OpenForWriting();
        await frozen.AppendAsync(0, [Started()], default);
        await using IJournal next = Provider.OpenForWriting();
        Assert.True(next.Fence > frozen.Fence);

        var stale = await Assert.ThrowsAsync<StaleWriterException>(() => frozen.AppendAsync(1, [Opened(0)], default)); // at the right position, even
        Assert.Contains("fence", stale.Message, StringComparison.Ordinal);
        await next.AppendAsync(1, [Opened(0)], default);
        Assert.Equal(2, next.Read().Count());
    }

    [ConformanceFact]
    public async Task A_reader_sees_what_is_durable_while_the_writer_goes_on()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(0, [Started()], default);
        using IJournalReader reader = Provider.OpenForReading();
        using IEnumerator<JournalEntry> reading = reader.Read().GetEnumerator();
        Assert.True(reading.MoveNext());
        await journal.AppendAsync(1, [Opened(0)], default);
        Assert.Equal(2, reader.Read().Count());
    }

    [ConformanceFact]
    public void Reading_a_journal_that_was_never_begun_is_refused_with_a_sentence()
    {
        var e = Assert.ThrowsAny<StorageException>(() => Provider.OpenForReading());
        Assert.Contains("no journal", e.Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public async Task Nothing_appended_is_nothing_written()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(0, [], default);
        Assert.Equal(0, journal.Position);
        Assert.Empty(journal.Read());
    }

    [ConformanceFact]
    public async Task A_cancelled_append_writes_nothing_and_the_writer_goes_on()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => journal.AppendAsync(0, [Started()], new CancellationToken(canceled: true)));
        await journal.AppendAsync(0, [Started()], default);
        Assert.Equal(1, journal.Position);
    }

    [ConformanceFact]
    public async Task Every_flipped_bit_of_a_record_is_found_where_it_is()
    {
        await Write(3);
        int bits = 8 * EventRecord.Encode(Opened(0)).Length;
        for (int bit = 0; bit < bits; bit++)
        {
            Tamper(1, record => Flip(record, bit));
            DamagedAt(1, "checksum");
            Tamper(1, record => Flip(record, bit));
        }

        using IJournalReader whole = Provider.OpenForReading();
        Assert.Equal(3, whole.Read().Count());
    }

    [ConformanceFact]
    public async Task A_record_missing_from_the_middle_is_named()
    {
        await Write(4);
        Tamper(2, _ => null);
        DamagedAt(2, "missing");
    }

    [ConformanceFact]
    public async Task A_record_missing_from_the_beginning_is_named()
    {
        await Write(3);
        Tamper(0, _ => null);
        DamagedAt(0, "missing");
    }

    [ConformanceFact]
    public async Task A_record_that_stands_in_for_another_is_found_though_its_own_bytes_are_whole()
    {
        await Write(3);
        StoredRecord second;
        using (IJournalReader reader = Provider.OpenForReading())
        {
            second = reader.Stored().ElementAt(1);
        }

        Tamper(2, record => second with { Position = record.Position });
        DamagedAt(2, "checksum");
    }

    [ConformanceFact]
    public async Task A_record_under_an_older_fence_than_the_one_before_it_is_found_though_its_checksum_is_right()
    {
        await Write(1);
        await Write(1);
        await Write(1);
        Tamper(2, record => Sealed(record with { Fence = 1 }));
        DamagedAt(2, "fence 1");
    }

    [ConformanceFact]
    public async Task A_record_under_a_fence_that_nobody_took_is_found()
    {
        await Write(2);
        Tamper(0, record => Sealed(record with { Fence = 99 }));
        DamagedAt(0, "fence 99");
    }

    [ConformanceFact]
    public async Task A_record_of_a_later_layout_is_refused_with_what_to_do()
    {
        await Write(2);
        Tamper(1, record => Sealed(record with { Payload = [99, .. record.Payload[1..]] }));
        DamagedAt(1, "version 99");
    }

    [ConformanceFact]
    public async Task A_lost_end_is_legal_here_and_the_journal_goes_on_from_what_is_left()
    {
        await Write(4);
        Tamper(3, _ => null);
        await using IJournal journal = Provider.OpenForWriting();
        Assert.Equal(3, journal.Position);
        await journal.AppendAsync(3, [Opened(2)], default);
        Assert.Equal(4, journal.Read().Count());
    }

    [ConformanceFact]
    public async Task What_is_stored_can_be_read_unchecked_for_audit()
    {
        await Write(3);
        Tamper(1, record => Flip(record, 0));
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal([0, 1, 2], reader.Stored().Select(record => record.Position));
    }

    [ConformanceFact]
    public async Task Deleting_the_oldest_records_leaves_the_rest_where_they_were()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(0, [Started(), Opened(0), Opened(1), Opened(2)], default);
        await journal.DeleteBeforeAsync(2, default);
        Assert.Equal((2, 4), (journal.First, journal.Position));
        Assert.Equal([Opened(1), Opened(2)], journal.Read().Select(entry => entry.Event));
        await journal.DeleteBeforeAsync(1, default);
        await journal.AppendAsync(4, [Opened(3)], default);
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal([2, 3, 4], reader.Read().Select(entry => entry.Position));
        Assert.Equal(2, reader.First);
    }

    [ConformanceFact]
    public async Task The_last_record_cannot_be_deleted()
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(0, [Started()], default);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => journal.DeleteBeforeAsync(1, default));
    }

    [ConformanceFact]
    public async Task A_frozen_writer_that_wakes_deletes_nothing()
    {
        await using IJournal frozen = Provider.OpenForWriting();
        await frozen.AppendAsync(0, [Started(), Opened(0), Opened(1)], default);
        await using IJournal next = Provider.OpenForWriting();
        var stale = await Assert.ThrowsAsync<StaleWriterException>(() => frozen.DeleteBeforeAsync(2, default));
        Assert.Contains("fence", stale.Message, StringComparison.Ordinal);
        Assert.Equal(3, next.Read().Count());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => frozen.AppendAsync(3, [Opened(2)], default));
    }

    [ConformanceFact]
    public async Task Of_writers_that_race_only_the_last_one_opened_appends()
    {
        IJournal[] writers = [.. Enumerable.Range(0, 4).Select(_ => Provider.OpenForWriting())];
        var outcomes = await Task.WhenAll(writers.Select(writer => Task.Run(async () =>
        {
            try
            {
                await writer.AppendAsync(0, [Started()], default);
                return true;
            }
            catch (StaleWriterException)
            {
                return false;
            }
        })));
        Assert.Equal([false, false, false, true], outcomes);
        Assert.Single(writers[3].Read());
        foreach (IJournal writer in writers)
        {
            await writer.DisposeAsync();
        }
    }

    protected static RunEvent Started() => new RunEvent.RunStarted(Digest.Of("plan"), Digest.Of("weights"), "1");

    protected static RunEvent Opened(long ordinal) => new RunEvent.GroupOpened(new GroupId(0, GroupStream.Primary, ordinal), ordinal, new PolicyVersion(0), 0, 0);

    protected static StoredRecord Sealed(StoredRecord record) => record with { Crc = RecordChecksum.Of(record.Position, record.Fence, record.Payload) };

    /// <summary>Appends by a writer of its own.</summary>
    protected async Task Write(int records)
    {
        await using IJournal journal = Provider.OpenForWriting();
        await journal.AppendAsync(journal.Position, [.. Enumerable.Range(0, records).Select(i => journal.Position + i == 0 ? Started() : Opened(journal.Position + i - 1))], default);
    }

    private static StoredRecord Flip(StoredRecord record, int bit)
    {
        byte[] payload = [.. record.Payload];
        payload[bit / 8] ^= (byte)(1 << (bit % 8));
        return record with { Payload = payload };
    }

    private void DamagedAt(long position, string saying)
    {
        using IJournalReader reader = Provider.OpenForReading();
        var read = new List<long>();
        var damaged = Assert.Throws<JournalDamagedException>(() => read.AddRange(reader.Read().Select(entry => entry.Position)));
        Assert.Equal(position, damaged.Position);
        Assert.Contains(saying, damaged.Message, StringComparison.Ordinal);
    }
}
