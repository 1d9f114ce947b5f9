using Akka.Hosting;
using Akka.Persistence.Sql;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Actors.Persistence;
using GrpoActors.Audit;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using GrpoActors.Journal.Tests;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace GrpoActors.Actors.Tests.Persistence;

/// <summary>The journal's actor on a real database; each node is an actor system of its own.</summary>
public abstract class JournalActorTests : TestKit
{
    protected static readonly RunIdentity Plan = Plans.Identity();
    protected static readonly Digest Identity = PlanIdentity.IdentityDigest(Plan);
    protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly List<JournalNode> nodes = [];

    protected JournalActorTests()
        : base("akka { loglevel = OFF, stdout-loglevel = OFF }")
    {
    }

    /// <summary>The plan's setting.</summary>
    protected abstract string? Setting { get; }

    protected abstract string RunFolder { get; }

    protected RunJournal Journal => RunJournal.Of(Setting, RunFolder, Identity);

    protected string Name => $"{Path.GetFileName(RunFolder)}-{Identity.ToString()[..16]}";

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
            (JournalNode node, TestProbe probe) = Start(replayed: replayed.Add);
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
        Assert.Contains($"{Journal.Place} at position 2", failed.Reason, StringComparison.Ordinal);
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
        string mark = $"(0, TRUE, '{Name}', 4, {EmptyBytes})"; // only a mark of deletion may stand anywhere
        Run($"INSERT INTO journal(created, deleted, persistence_id, sequence_number, message) VALUES {mark}");

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

        Assert.Equal(
            Enumerable.Range(1, 20).Select(i => run.Position + (2 * i)),
            Enumerable.Range(0, 20).Select(_ => node.Probe.ExpectMsg<Appended>(Patience).Position));
        Assert.Equal(41, Read().Count);
    }

    [ConformanceFact]
    public void Records_of_megabytes_are_appended_together_and_read_back()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunEvent[] large =
        [
            new RunEvent.RunStarted(Identity, Digest.Of("weights"), new string('x', 3_000_000)),
            .. Enumerable.Range(0, 130).Select(i => Checkpoint(i) with { Folder = new string('y', 20_000) }),
        ];
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

        string first = $"SELECT writer_uuid FROM journal WHERE persistence_id = '{Name}' AND sequence_number = 1";
        Run($"UPDATE journal SET writer_uuid = ({first}) WHERE persistence_id = '{Name}' AND sequence_number = 3");
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

        Replace(3, _ => RecordMessage.Of(2, 1, Checkpoint(2)));
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
        using IJournalReader reader = Journal.OpenForReading();
        AuditReport report = JournalAudit.Run(reader, Plan, Identity);
        Assert.True(report.IsClean, string.Join(" ", report.Findings.Select(finding => finding.Sentence)));
        Assert.Equal(2, report.Counts.Records);
    }

    [ConformanceFact]
    public void An_append_that_the_database_refuses_says_where_and_why()
    {
        (JournalNode Node, TestProbe Probe) node = Start();
        RunState run = Appends(node, Recovered(node).Run, Started());
        Run("ALTER TABLE journal RENAME COLUMN message TO gone");
        node.Node.Tell(new Append(run.Position, [Checkpoint(1)]));
        JournalFailed failed = node.Probe.ExpectMsg<JournalFailed>(Patience);
        Assert.False(failed.Stale);
        Assert.StartsWith($"Could not write the journal {Journal.Place}: ", failed.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failed.Reason);
        node.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        Run("ALTER TABLE journal RENAME COLUMN gone TO message"); // runs share the table
    }

    [ConformanceFact]
    public void A_place_that_was_not_prepared_fails_recovery_with_a_sentence()
    {
        TestProbe probe = CreateTestProbe();
        RunJournal other = RunJournal.Of(OtherPlace, RunFolder, Identity);
        using var node = new JournalNode(other, Plan, probe);
        Exception cause = probe.ExpectMsg<JournalNode.ChildFailed>(Patience).Cause;
        Assert.StartsWith($"Could not read the journal {other.Place}: ", Assert.IsType<StorageException>(cause).Message, StringComparison.Ordinal);
    }

    [ConformanceFact]
    public async Task An_actor_system_of_a_generic_host_is_given_the_journal_as_a_setup()
    {
        RunJournal journal = Journal;
        journal.Prepare();
        TestProbe probe = CreateTestProbe();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddAkka("hosted", akka => akka
            .AddHocon(ActorsHocon.Reference.WithFallback(SqlPersistence.DefaultConfiguration), HoconAddMode.Replace)
            .AddSetup(JournalSetup.Of(journal))
            .ConfigureLoggers(loggers => loggers.ClearLoggers())
            .AddStartup((system, _) => system.ActorOf(JournalNode.Parent(JournalActor.Props(journal, Plan, _ => { }), probe))));
        using IHost host = builder.Build();
        await host.StartAsync();
        Assert.Equal(1, probe.ExpectMsg<JournalRecovered>(Patience).Fence);
        await host.StopAsync();
    }

    [ConformanceFact]
    public void The_tables_are_those_that_the_library_makes()
    {
        TestProbe probe = CreateTestProbe();
        string settings = $"akka.persistence.journal.sql {{ auto-initialize = on, provider-name = \"{Journal.Tables.Provider}\" }}";
        using (new JournalNode(RunJournal.Of(OtherPlace, RunFolder, Identity), Plan, probe, settings: settings))
        {
            probe.ExpectMsg<JournalRecovered>(Patience); // its journal has made the tables
        }

        Recovered(Start());
        string made = string.Join('\n', Columns(Setting)), expected = string.Join('\n', Columns(OtherPlace));
        Assert.Contains("journal writer_uuid", expected, StringComparison.Ordinal);
        Assert.True(expected == made, $"The library makes\n{expected}\nand we\n{made}");
    }

    protected static RunEvent Started() => new RunEvent.RunStarted(Identity, Digest.Of("start"), "1");

    protected static RunEvent.CheckpointWritten Checkpoint(int i) =>
        new(0, $"folder {i}", Digest.Of("manifest"), Digest.Of("weights"), Digest.Of("optimizer"), i);

    /// <summary>A second place, where nobody has made tables.</summary>
    protected abstract string? OtherPlace { get; }

    protected abstract string EmptyBytes { get; }

    /// <summary>One statement by another hand.</summary>
    protected abstract void Run(string sql, byte[]? parameter = null);

    protected abstract byte[] Message(string sql);

    /// <summary>Columns and indexes of the library's tables, each in one line.</summary>
    protected abstract string[] Columns(string? place);

    protected override void AfterAll()
    {
        nodes.ForEach(node => node.Dispose());
        base.AfterAll();
    }

    private static RunEvent Phase() => new RunEvent.PhaseStarted(0, "sft", new PolicyVersion(0), Digest.Of("start"), null, true);

    private static byte[] Bytes(RunState run) => EventRecord.Encode(new RunEvent.Compacted(0, run));

    internal (JournalNode Node, TestProbe Probe) Start(RunJournal? at = null, Action<FoldedEvent>? replayed = null)
    {
        RunJournal journal = at ?? Journal;
        journal.Prepare();
        TestProbe probe = CreateTestProbe();
        var node = new JournalNode(journal, Plan, probe, replayed);
        nodes.Add(node);
        return (node, probe);
    }

    internal static JournalRecovered Recovered((JournalNode Node, TestProbe Probe) node) => node.Probe.ExpectMsg<JournalRecovered>(Patience);

    private static JournalDamagedException Damage((JournalNode Node, TestProbe Probe) node)
    {
        Exception cause = node.Probe.ExpectMsg<JournalNode.ChildFailed>(Patience).Cause;
        node.Probe.ExpectMsg<JournalNode.ChildStopped>(Patience);
        return Assert.IsType<JournalDamagedException>(cause);
    }

    internal static RunState Appends((JournalNode Node, TestProbe Probe) node, RunState run, params RunEvent[] events)
    {
        node.Node.Tell(new Append(run.Position, [.. events]));
        RunState after = events.Aggregate(run, (state, e) => state.Apply(e));
        Assert.Equal(after.Position, node.Probe.ExpectMsg<Appended>(Patience).Position);
        return after;
    }

    /// <summary>Appends until the second compaction record, which retires all before the first, and deletes that: records 4 to 6 stay.</summary>
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
        Assert.Contains(Journal.Place, named.Message, StringComparison.Ordinal);
        using IJournalReader reader = Journal.OpenForReading();
        Assert.Equal(position, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
    }

    protected List<JournalEntry> Read()
    {
        using IJournalReader reader = Journal.OpenForReading();
        return [.. reader.Read()];
    }

    private void Replace(long sequenceNumber, Func<byte[], byte[]> change)
    {
        string where = $"WHERE persistence_id = '{Name}' AND sequence_number = {sequenceNumber}";
        Run($"UPDATE journal SET message = @p {where}", change(Message($"SELECT message FROM journal {where}")));
    }
}
