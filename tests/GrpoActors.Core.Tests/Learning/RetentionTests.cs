using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Tests.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Learning;

public sealed class RetentionTests
{
    private static readonly RetentionPlan Two = new(2, KeepBest: false, 0);

    [Fact]
    public void The_newest_are_kept_and_the_rest_go() => Assert.Equal([3, 6, 9], Retired(At(20, 3, 6, 9, 12, 15), Two));

    [Fact]
    public void More_are_kept_where_the_plan_says_so_and_never_fewer_than_two()
    {
        Assert.Equal([3], Retired(At(20, 3, 6, 9, 12, 15), Two with { CheckpointsMax = 4 }));
        Assert.Equal([3, 6, 9], Retired(At(20, 3, 6, 9, 12, 15), Two with { CheckpointsMax = 0 }));
    }

    [Fact]
    public void The_best_is_kept_and_of_equals_the_earliest()
    {
        RunState run = At(20, 3, 6, 9, 12, 15);
        run = run with { Checkpoints = run.Checkpoints.ConvertAll(checkpoint => checkpoint with { Accuracy = checkpoint.Step switch { 3 => 0.25, 6 or 9 => 0.5, 12 => 0.375, _ => null } }) };
        Assert.Equal([3, 9], Retired(run, Two with { KeepBest = true }));
        Assert.Equal([3, 6, 9], Retired(run, Two));
    }

    [Fact]
    public void What_a_rollback_returns_to_or_returned_to_and_the_phase_s_first_stay()
    {
        RunState run = At(20, 2, 4, 6, 9, 12, 15) with { PhaseStart = 2, RollbackPoint = new RollbackPoint(9, default, null), ReturnedTo = [6] };
        Assert.Equal([4], Retired(run, Two));
        foreach (long needed in (long[])[2, 6, 9, 12, 15])
        {
            Assert.Throws<InvalidOperationException>(() => run.Apply(new RunEvent.CheckpointsRetired([needed])));
        }

        Assert.Equal([2, 6, 9, 12, 15], run.Apply(new RunEvent.CheckpointsRetired([4])).Checkpoints.Select(checkpoint => checkpoint.Step));
    }

    /// <summary>A group that v10 samples: v10 must be trained again from a checkpoint at or before it.</summary>
    [Fact]
    public void The_two_from_which_an_open_group_s_version_is_trained_again_stay()
    {
        var id = new GroupId(1, GroupStream.Primary, 0);
        var open = new GroupState(id, 0, new PolicyVersion(10), 20, 0, GroupFate.Open, [], DropReason.None, 0);
        RunState run = At(20, 3, 6, 9, 12, 15);
        run = run with { Groups = run.Groups.Add(id, open) };
        Assert.Equal([3], Retired(run, Two));
        Assert.Equal(6, Retention.OldestServing(run));
    }

    [Theory]
    [InlineData(OrderKind.Canonical, 0)]
    [InlineData(OrderKind.Canonical, 2)]
    [InlineData(OrderKind.Arrival, 1)]
    public void A_stream_that_begins_with_any_of_its_compaction_records_folds_to_the_same_state(OrderKind order, int lag)
    {
        RunIdentity plan = Runs.Plans.Identity(order, lag, steps: 14, refillRounds: order == OrderKind.Canonical ? 1 : 0, dropZeroSpread: true);
        var host = new ShuffledHost(plan, 3) { Retention = new RetentionPlan(2, true, 3) };
        RunState whole = host.ToTheEnd(killEvery: 70).Run;
        RunEvent.Compacted[] records = [.. host.Journal.OfType<RunEvent.Compacted>()];
        Assert.True(records.Length >= 4);
        foreach (RunEvent.Compacted first in records)
        {
            int at = host.Journal.IndexOf(first);
            RunState folded = host.Journal.Skip(at).Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
            Assert.Equal(
                (whole.Position, whole.Chain, whole.Policy, whole.Counts, whole.PrimaryNext, whole.RefillNext, whole.Updates, whole.Watched, whole.Ended, whole.Compaction),
                (folded.Position, folded.Chain, folded.Policy, folded.Counts, folded.PrimaryNext, folded.RefillNext, folded.Updates, folded.Watched, folded.Ended, folded.Compaction));
            Assert.Equal(whole.Checkpoints, folded.Checkpoints);
            Assert.Equal(whole.Progress.LastRewards, folded.Progress.LastRewards);
        }

        // What a record retires lies before the one before it, and two checkpoints stand on what stays.
        for (int i = 1; i < records.Length; i++)
        {
            Assert.Equal(host.Journal.IndexOf(records[i - 1]), records[i].Before);
            Assert.True(records[i].Folded.Checkpoints.Count(checkpoint => checkpoint.Step >= records[i - 1].Folded.Version.Steps) >= 2);
        }
    }

    [Theory]
    [InlineData(OrderKind.Canonical, 1)]
    [InlineData(OrderKind.Arrival, 1)]
    public void Compaction_changes_no_hash(OrderKind order, int lag)
    {
        RunIdentity plan = Runs.Plans.Identity(order, lag, steps: 10);
        RunState compacted = new ShuffledHost(plan, 4) { Retention = new RetentionPlan(2, true, 2) }.ToTheEnd().Run;
        RunState kept = new ShuffledHost(plan, 4) { Retention = new RetentionPlan(2, true, 0) }.ToTheEnd().Run;
        Assert.Equal((kept.Chain, kept.Policy, kept.Counts), (compacted.Chain, compacted.Policy, compacted.Counts));
        Assert.NotNull(compacted.Compaction);
    }

    [Fact]
    public void A_compaction_record_of_another_state_is_refused()
    {
        RunState run = At(20, 3);
        Assert.Throws<InvalidOperationException>(() => run.Apply(new RunEvent.Compacted(0, run with { PrimaryNext = 1 })));
        Assert.Throws<InvalidOperationException>(() => run.Apply(new RunEvent.Compacted(0, run with { Chain = Digest.Of("another") })));
    }

    private static IEnumerable<long> Retired(RunState run, RetentionPlan plan) => Retention.Retired(run, plan);

    private static RunState At(long version, params long[] checkpoints) => RunState.Begin(Runs.Plans.Identity(steps: 100)) with
    {
        Started = true,
        Version = new PolicyVersion(version),
        Phase = 1,
        PhaseStart = -1,
        Checkpoints = [.. checkpoints.Select(step => new CheckpointRecord(step, $"step-{step}", Digest.Of($"{step}"), default, default))],
    };
}
