using GrpoActors.Journal.Tests;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Audit;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Tests.Damage;
using Xunit;

namespace GrpoActors.Cluster.Tests.Journal;

/// <summary>The journal's actor on a real database; each node is an actor system of its own.</summary>
public abstract class JournalActorTests : TestKit
{
    protected static readonly RunIdentity Plan = Plans.Identity();
    protected static readonly Digest Identity = PlanIdentity.IdentityDigest(Plan);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly List<JournalNode> nodes = [];

    protected JournalActorTests()
        : base("akka { loglevel = OFF, stdout-loglevel = OFF }")
    {
    }

    /// <summary>The plan's setting.</summary>
    protected abstract string? Setting { get; }

    protected abstract string RunFolder { get; }

    private string Name => JournalPlace.RunName(RunFolder, Identity);

    [ConformanceFact]
    public void A_run_that_was_never_begun_recovers_as_nothing()
    {
        JournalRecovered recovered = Recovered(Start());
        Assert.Equal((false, 0L, 1L), (recovered.Run.Started, recovered.Run.Position, recovered.Fence));
    }

    [ConformanceFact]
    public void A_restart_folds_to_the_same_state_as_often_as_it_happens()
    {
        RunState run = RunState.Begin(Plan);
        for (int start = 0; start < 14; start++) // more writers than the replay filter remembers
        {
            List<FoldedEvent> replayed = [];
            (JournalNode node, TestProbe probe) = Start(replayed.Add);
            JournalRecovered recovered = Recovered((node, probe));
            Assert.Equal(Bytes(run), Bytes(recovered.Run));
            Assert.Equal(run.Position, replayed.Count);
            Assert.Equal(run.Position + 1, recovered.Fence);
            run = Appends((node, probe), run, start == 0 ? Started() : Checkpoint(2 * start), Checkpoint((2 * start) + 1));
            node.Dispose();
        }

        Assert.Equal(28, run.Position);
        Assert.Equal(Enumerable.Range(0, 28).Select(i => (long)(i / 2 * 2) + 1), Read().Select(entry => entry.Fence));
    }

    [ConformanceFact]
    public void Of_two_writers_the_one_that_appends_first_goes_on_and_the_other_is_told_that_it_is_stale_and_stops()
    {
        (JournalNode Node, TestProbe Probe) first = Start();
        RunState run = Appends(first, Recovered(first).Run, Started(), Checkpoint(1));
        (JournalNode Node, TestProbe Probe) second = Start();
        RunState ahead = Appends(second, Recovered(second).Run, Checkpoint(2));

        first.Node.Tell(new Append(run.Position, [Checkpoint(7), Checkpoint(8), Checkpoint(9)]));
        JournalFailed failed = first.Probe.ExpectMsg<JournalFailed>(Patience);
        Assert.True(failed.Stale, failed.Reason);
        Assert.Contains("at position 2", failed.Reason, StringComparison.Ordinal);
        first.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);

        Appends(second, ahead, Checkpoint(3));
        Assert.Equal([Started(), Checkpoint(1), Checkpoint(2), Checkpoint(3)], Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public void A_writer_that_slept_until_its_place_was_compacted_away_is_stale()
    {
        (JournalNode Node, TestProbe Probe) slept = Start();
        RunState run = Appends(slept, Recovered(slept).Run, Started());
        (JournalNode Node, TestProbe Probe) next = Start();
        Compact(next, Recovered(next).Run);

        slept.Node.Tell(new Append(run.Position, [Checkpoint(7)]));
        Assert.True(slept.Probe.ExpectMsg<JournalFailed>(Patience).Stale);
        slept.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        Assert.Equal(4, Read().First().Position);
    }

    [ConformanceFact]
    public void An_append_of_which_one_record_is_refused_leaves_none()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Appends(node, Recovered(node).Run, Started());
        Run($"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES (0, TRUE, '{Name}', 4, {EmptyBytes})"); // only a mark of deletion may stand anywhere

        node.Node.Tell(new Append(run.Position, [Checkpoint(1), Checkpoint(2), Checkpoint(3)]));
        Assert.True(node.Probe.ExpectMsg<JournalFailed>(Patience).Stale);
        node.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        Run($"DELETE FROM journal WHERE persistence_id = '{Name}' AND sequence_number = 4");
        Assert.Single(Read());
    }

    [ConformanceFact]
    public void An_append_at_another_position_than_the_journals_fails_the_actor_and_writes_nothing()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Appends(node, Recovered(node).Run, Started());
        node.Node.Tell(new Append(0, [Started()]));
        Assert.Contains("expects the journal", node.Probe.ExpectMsg<JournalNode.ChildFailed>(Patience).Cause.Message, StringComparison.Ordinal);
        node.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        Assert.Single(Read());
    }

    [ConformanceFact]
    public void Nothing_appended_is_answered_at_once()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Appends(node, Recovered(node).Run, Started());
        node.Node.Tell(new Append(run.Position, []));
        Assert.Equal(run.Position, node.Probe.ExpectMsg<Appended>(Patience).Position);
    }

    [ConformanceFact]
    public void Appends_that_come_at_once_are_made_one_after_the_other()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Appends(node, Recovered(node).Run, Started());
        foreach (int i in Enumerable.Range(0, 20))
        {
            node.Node.Tell(new Append(run.Position + (2 * i), [Checkpoint(2 * i), Checkpoint((2 * i) + 1)]));
        }

        Assert.Equal(Enumerable.Range(1, 20).Select(i => run.Position + (2 * i)), Enumerable.Range(0, 20).Select(_ => node.Probe.ExpectMsg<Appended>(Patience).Position));
        Assert.Equal(41, Read().Count);
    }

    [ConformanceFact]
    public void Records_of_megabytes_are_appended_together_and_read_back()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunEvent[] large = [new RunEvent.RunStarted(Identity, Digest.Of("weights"), new string('x', 3_000_000)), .. Enumerable.Range(0, 130).Select(i => Checkpoint(i) with { Folder = new string('y', 20_000) })];
        RunState run = Appends(node, Recovered(node).Run, large);
        node.Node.Dispose();
        Assert.Equal(Bytes(run), Bytes(Recovered(Start()).Run));
        Assert.Equal(large, Read().Select(entry => entry.Event));
    }

    [ConformanceFact]
    public void What_is_compacted_is_deleted_and_the_fold_begins_with_the_compaction_record()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Compact(node, Recovered(node).Run);
        Assert.Equal([4, 5, 6], Read().Select(entry => entry.Position));
        node.Node.Tell(new DeleteBefore(4)); // again
        Assert.Equal(4, node.Probe.ExpectMsg<DeletedBefore>(Patience).Position);
        node.Node.Dispose();

        (JournalNode Node, TestProbe Probe) next = Start();
        JournalRecovered recovered = Recovered(next);
        Assert.Equal(Bytes(run), Bytes(recovered.Run));
        Assert.Equal(8, recovered.Fence);
        run = Appends(next, recovered.Run, new RunEvent.Compacted(4, recovered.Run));
        next.Node.Tell(new DeleteBefore(7)); // all but the newest
        Assert.Equal(7, next.Probe.ExpectMsg<DeletedBefore>(Patience).Position);
        next.Node.Dispose();

        (JournalNode Node, TestProbe Probe) last = Start();
        recovered = Recovered(last);
        Assert.Equal(Bytes(run), Bytes(recovered.Run));
        Appends(last, recovered.Run, Checkpoint(9));
        Assert.Equal([7, 8], Read().Select(entry => entry.Position));
    }

    [ConformanceFact]
    public void Deleting_the_newest_record_is_refused()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Appends(node, Recovered(node).Run, Started());
        node.Node.Tell(new DeleteBefore(1));
        node.Probe.ExpectMsg<JournalNode.ChildFailed>(Patience);
        Assert.Single(Read());
    }

    [ConformanceFact]
    public void A_flipped_byte_is_named_and_stops_recovery() =>
        DamagedAt(1, "checksum", () => Replace(2, message => [.. message[..^1], (byte)(message[^1] ^ 1)]));

    [ConformanceFact]
    public void A_message_of_a_later_version_is_named_and_stops_recovery() =>
        DamagedAt(1, "version 9", () => Replace(2, message => [9, .. message[1..]]));

    [ConformanceFact]
    public void A_message_of_another_kind_is_named_and_stops_recovery() =>
        DamagedAt(1, "'event/2'", () => Run($"UPDATE journal SET manifest = 'event/2' WHERE persistence_id = '{Name}' AND sequence_number = 2"));

    [ConformanceFact]
    public void A_missing_record_is_named_and_stops_recovery() =>
        DamagedAt(2, "it is missing", () => Run($"DELETE FROM journal WHERE persistence_id = '{Name}' AND sequence_number = 3"));

    [ConformanceFact]
    public void A_missing_beginning_is_named_and_stops_recovery() =>
        DamagedAt(0, "it is missing", () => Run($"DELETE FROM journal WHERE persistence_id = '{Name}' AND sequence_number = 1"));

    [ConformanceFact]
    public void Records_that_changed_places_are_named_and_stop_recovery() =>
        DamagedAt(1, "checksum", () =>
        {
            foreach ((int from, int to) in ((int, int)[])[(2, 9), (3, 2), (9, 3)])
            {
                Run($"UPDATE journal SET sequence_number = {to} WHERE persistence_id = '{Name}' AND sequence_number = {from}");
            }
        });

    [ConformanceFact]
    public void A_stream_of_which_only_the_mark_of_deletion_is_left_is_named_and_stops_recovery()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Compact(node, Recovered(node).Run);
        node.Node.Dispose();
        Run($"DELETE FROM journal WHERE persistence_id = '{Name}' AND sequence_number > 4");
        Assert.Contains("missing, with all that followed", Damage(Start()).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void Records_of_a_writer_that_went_on_after_another_had_taken_over_fail_the_replay()
    {
        for (int writer = 0; writer < 3; writer++)
        {
            (JournalNode Node, TestProbe Probe) node = Start();
            Appends(node, Recovered(node).Run, writer == 0 ? Started() : Checkpoint(writer));
            node.Node.Dispose();
        }

        Run($"UPDATE journal SET writer_uuid = (SELECT writer_uuid FROM journal WHERE persistence_id = '{Name}' AND sequence_number = 1) WHERE persistence_id = '{Name}' AND sequence_number = 3");
        Assert.Contains("two writers are mixed", Damage(Start()).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void An_older_fence_after_a_newer_one_is_named_though_its_checksum_is_right()
    {
        for (int writer = 0; writer < 3; writer++)
        {
            (JournalNode Node, TestProbe Probe) node = Start();
            Appends(node, Recovered(node).Run, writer == 0 ? Started() : Checkpoint(writer));
            node.Node.Dispose();
        }

        Replace(3, _ => AkkaMessage.Of(2, 1, Checkpoint(2)));
        Assert.Contains("fence 1", Damage(Start()).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void An_event_that_cannot_follow_is_named_and_stops_recovery()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        node.Probe.ExpectMsg<JournalRecovered>(Patience);
        node.Node.Tell(new Append(0, [Checkpoint(0)]));
        node.Probe.ExpectMsg<Appended>(Patience);
        node.Node.Dispose();
        JournalDamagedException damage = Damage(Start());
        Assert.Equal(0, damage.Position);
        Assert.Contains("cannot follow", damage.Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public void An_audit_of_what_the_actor_wrote_passes_from_the_database()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Appends(node, Recovered(node).Run, Started(), Phase());
        node.Node.Dispose();
        using IJournalReader reader = JournalPlace.Of(Setting, RunFolder, Identity).OpenForReading();
        AuditReport report = JournalAudit.Run(reader, Plan, Identity);
        Assert.True(report.IsClean, string.Join(" ", report.Findings.Select(finding => finding.Sentence)));
        Assert.Equal(2, report.Counts.Records);
    }

    [ConformanceFact]
    public async Task The_embedded_host_and_the_service_take_turns_on_one_run()
    {
        RunState run = RunState.Begin(Plan);
        for (int turn = 0; turn < 3; turn++)
        {
            (JournalNode Node, TestProbe Probe) node = Start();
            JournalRecovered recovered = Recovered(node);
            Assert.Equal(Bytes(run), Bytes(recovered.Run));
            run = Appends(node, run, turn == 0 ? Started() : Checkpoint(turn));
            await using IJournal embedded = JournalPlace.Of(Setting, RunFolder, Identity).OpenForWriting();
            await embedded.AppendAsync(run.Position, [Checkpoint(100 + turn)], default);
            run = run.Apply(Checkpoint(100 + turn));

            node.Node.Tell(new Append(run.Position - 1, [Checkpoint(200)])); // the embedded host has taken over
            Assert.True(node.Probe.ExpectMsg<JournalFailed>(Patience).Stale);
        }

        Assert.Equal([1, 2, 3, 4, 5, 6], Read().Select(entry => entry.Fence));
    }

    [ConformanceFact]
    public async Task A_run_begun_by_the_embedded_host_is_copied_and_its_writer_ended()
    {
        await using IJournal embedded = JournalPlace.Of(Setting, RunFolder, Identity).OpenForWriting();
        await embedded.AppendAsync(0, [Started(), .. Enumerable.Range(0, 200).Select(i => Checkpoint(i))], default);
        RunState run = embedded.Read().Aggregate(RunState.Begin(Plan), (state, entry) => state.Apply(entry.Event));

        (string id, long records) = JournalImport.Prepare(Setting, RunFolder, Identity);
        Assert.Equal((Name, 201L), (id, records));
        await Assert.ThrowsAnyAsync<StorageException>(() => embedded.AppendAsync(201, [Checkpoint(0)], default));
        Assert.Equal((Name, 0L), JournalImport.Prepare(Setting, RunFolder, Identity)); // the next start
        (JournalNode Node, TestProbe Probe) node = Start();
        JournalRecovered recovered = Recovered(node);
        Assert.Equal(Bytes(run), Bytes(recovered.Run));
        Appends(node, recovered.Run, Checkpoint(1));
        using IJournalReader aside = Aside().OpenForReading();
        Assert.Equal(201, aside.Read().Count());
    }

    [ConformanceFact]
    public async Task A_compacted_run_of_the_embedded_host_is_copied_from_its_first_record_on()
    {
        RunState run = RunState.Begin(Plan).Apply(Started()).Apply(Checkpoint(1));
        await using (IJournal embedded = JournalPlace.Of(Setting, RunFolder, Identity).OpenForWriting())
        {
            await embedded.AppendAsync(0, [Started(), Checkpoint(1), new RunEvent.Compacted(0, run)], default);
            run = run.Apply(new RunEvent.Compacted(0, run)).Apply(Checkpoint(2));
            await embedded.AppendAsync(3, [Checkpoint(2)], default);
            await embedded.DeleteBeforeAsync(2, default);
        }

        Assert.Equal(2, JournalImport.Prepare(Setting, RunFolder, Identity).Records);
        (JournalNode Node, TestProbe Probe) node = Start();
        JournalRecovered recovered = Recovered(node);
        Assert.Equal(Bytes(run), Bytes(recovered.Run));
        Appends(node, recovered.Run, Checkpoint(3));
        Assert.Equal([2, 3, 4], Read().Select(entry => entry.Position));
    }

    [ConformanceFact]
    public async Task An_import_that_finds_damage_names_it_and_changes_nothing()
    {
        await using (IJournal embedded = JournalPlace.Of(Setting, RunFolder, Identity).OpenForWriting())
        {
            await embedded.AppendAsync(0, [Started(), .. Enumerable.Range(0, 200).Select(i => Checkpoint(i))], default);
        }

        DamageOld(150);
        Assert.Equal(150, Assert.Throws<JournalDamagedException>(() => JournalImport.Prepare(Setting, RunFolder, Identity)).Position);
        using IJournalReader old = JournalPlace.Of(Setting, RunFolder, Identity).OpenForReading();
        Assert.Equal(201, old.Stored().Count());
        Assert.False(JournalPlace.Cluster(Setting, RunFolder, Identity).HoldsRun());
    }

    [ConformanceFact]
    public void The_tables_are_those_that_the_library_makes()
    {
        TestProbe probe = CreateTestProbe();
        using (new JournalNode(OtherPlace, RunFolder, Name, Plan, probe))
        {
            probe.ExpectMsg<JournalRecovered>(Patience); // its journal has made the tables
        }

        Recovered(Start());
        string made = string.Join('\n', Columns(Setting)), expected = string.Join('\n', Columns(OtherPlace));
        Assert.Contains("journal writer_uuid", expected, StringComparison.Ordinal);
        Assert.True(expected == made, $"The library makes\n{expected}\nand we\n{made}");
    }

    protected static RunEvent Started() => new RunEvent.RunStarted(Identity, Digest.Of("start"), "1");

    protected static RunEvent.CheckpointWritten Checkpoint(int i) => new(0, $"folder {i}", Digest.Of("manifest"), Digest.Of("weights"), Digest.Of("optimizer"), i);

    /// <summary>A second place, where nobody has made tables.</summary>
    protected abstract string? OtherPlace { get; }

    protected abstract string EmptyBytes { get; }

    /// <summary>One statement by another hand.</summary>
    protected abstract void Run(string sql, byte[]? parameter = null);

    protected abstract byte[] Message(string sql);

    /// <summary>Columns and indexes of the library's tables, each in one line.</summary>
    protected abstract string[] Columns(string? place);

    /// <summary>Where the embedded host's journal lies after an import.</summary>
    protected abstract IJournalProvider Aside();

    /// <summary>Flips a bit of a record in the embedded host's own layout.</summary>
    protected abstract void DamageOld(long position);

    protected override void AfterAll()
    {
        nodes.ForEach(node => node.Dispose());
        base.AfterAll();
    }

    private static RunEvent Phase() => new RunEvent.PhaseStarted(0, "sft", new PolicyVersion(0), Digest.Of("start"), null, true);

    private static byte[] Bytes(RunState run) => EventRecord.Encode(new RunEvent.Compacted(0, run));

    private (JournalNode Node, TestProbe Probe) Start(Action<FoldedEvent>? replayed = null)
    {
        if (nodes.Count == 0)
        {
            JournalImport.Prepare(Setting, RunFolder, Identity);
        }

        TestProbe probe = CreateTestProbe();
        var node = new JournalNode(Setting, RunFolder, Name, Plan, probe, replayed);
        nodes.Add(node);
        return (node, probe);
    }

    private static JournalRecovered Recovered((JournalNode Node, TestProbe Probe) node) => node.Probe.ExpectMsg<JournalRecovered>(Patience);

    private static JournalDamagedException Damage((JournalNode Node, TestProbe Probe) node)
    {
        Exception cause = node.Probe.ExpectMsg<JournalNode.ChildFailed>(Patience).Cause;
        node.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        return Assert.IsType<JournalDamagedException>(cause);
    }

    private static RunState Appends((JournalNode Node, TestProbe Probe) node, RunState run, params RunEvent[] events)
    {
        node.Node.Tell(new Append(run.Position, [.. events]));
        RunState after = events.Aggregate(run, (state, e) => state.Apply(e));
        Assert.Equal(after.Position, node.Probe.ExpectMsg<Appended>(Patience).Position);
        return after;
    }

    /// <summary>Appends until the second compaction record, which retires all before the first, and deletes that: records 4 to 6 stay, 4 the first compaction record.</summary>
    private static RunState Compact((JournalNode Node, TestProbe Probe) node, RunState run)
    {
        RunEvent[] start = run.Started ? [] : [Started()];
        run = Appends(node, run, [.. start, Checkpoint(1), Checkpoint(2), Checkpoint(3)]);
        run = Appends(node, run, new RunEvent.Compacted(0, run), Checkpoint(4));
        run = Appends(node, run, new RunEvent.Compacted(4, run));
        node.Node.Tell(new DeleteBefore(4));
        Assert.Equal(4, node.Probe.ExpectMsg<DeletedBefore>(Patience).Position);
        return run;
    }

    private void DamagedAt(long position, string saying, Action damage)
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        Appends(node, Recovered(node).Run, Started(), Checkpoint(1), Checkpoint(2), Checkpoint(3));
        node.Node.Dispose();
        damage();
        JournalDamagedException named = Damage(Start());
        Assert.Equal(position, named.Position);
        Assert.Contains(saying, named.Message, StringComparison.Ordinal);
        using IJournalReader embedded = JournalPlace.Of(Setting, RunFolder, Identity).OpenForReading();
        Assert.Equal(position, Assert.Throws<JournalDamagedException>(() => embedded.Read().Count()).Position);
    }

    private List<JournalEntry> Read()
    {
        using IJournalReader reader = JournalPlace.Of(Setting, RunFolder, Identity).OpenForReading();
        return [.. reader.Read()];
    }

    private void Replace(long sequenceNumber, Func<byte[], byte[]> change)
    {
        string where = $"WHERE persistence_id = '{Name}' AND sequence_number = {sequenceNumber}";
        Run($"UPDATE journal SET message = @p {where}", change(Message($"SELECT message FROM journal {where}")));
    }
}
