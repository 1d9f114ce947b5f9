using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Runs;

namespace GrpoActors.Journal.Records;

/// <summary>The bytes of a folded state, as a compaction record holds it: everything but the plan.</summary>
internal static class StateRecord
{
    private const int DigestBytes = Digest.ByteLength;

    // Group without completions: id, row, version, step, round, fate, count, reason, closed at.
    private const int GroupBytesMin = EventRecord.GroupBytes + 8 + 8 + 8 + 4 + 1 + 4 + 1 + 8;

    // Checkpoint with an empty folder name: step, text count, three digests, flag.
    private const int CheckpointBytesMin = 8 + 4 + (3 * DigestBytes) + 1;

    // Tally without a failure: three counts, flag.
    private const int TallyBytesMin = (3 * 8) + 1;

    public static void Write(RecordWriter to, RunState run, byte version)
    {
        to.Int64(run.Position);
        to.Int64(run.Version.Steps);
        to.Digest(run.Policy);
        to.Digest(run.Chain);
        to.Int32(run.Phase);
        foreach (long number in (ReadOnlySpan<long>)[run.PhaseStart, run.WindowStep, run.WindowOrdinal, run.PrimaryNext, run.RefillNext, run.Updates, run.Examples])
        {
            to.Int64(number);
        }

        to.Int32(run.EmptyInRow);
        to.Int32(run.Rollbacks);
        Optional(to, run.Reference?.Steps);
        EventRecord.Write(to, run.Adaptive, version);
        to.Array([.. run.Groups.Values], Write);
        to.Array([.. run.Policies], static (to, policy) =>
        {
            to.Int64(policy.Key);
            to.Digest(policy.Value);
        });
        to.Flag(run.EvaluationOfVersion is not null);
        if (run.EvaluationOfVersion is { } evaluation)
        {
            EventRecord.Write(to, evaluation);
        }

        to.Array([.. run.Checkpoints], Write);
        EventRecord.Write(to, run.Counts);
        Optional(to, run.Watched.SmoothedReward);
        Optional(to, run.Watched.BestReward);
        Optional(to, run.Watched.FirstLength);
        to.Array([.. run.ReturnedTo], static (to, step) => to.Int64(step));
        to.Flag(run.RollbackPoint is not null);
        if (run.RollbackPoint is { } point)
        {
            to.Int64(point.Step);
            to.Digest(point.Policy);
            Optional(to, point.Reference?.Steps);
        }

        Write(to, run.Progress, version);
        to.Flag(run.Stopped is not null);
        if (run.Stopped is { } stopped)
        {
            EventRecord.Write(to, stopped);
        }

        if (version > 3)
        {
            to.Array(run.Balance, static (to, factor) => to.Double(factor));
        }
    }

    public static RunState Read(ref RecordReader from, byte version) => RunState.Begin(null!) with // whoever folds it puts a plan there
    {
        Started = true,
        Position = from.Int64("position"),
        Version = EventRecord.Policy(ref from),
        Policy = from.Digest("policy"),
        Chain = from.Digest("chain"),
        Phase = from.Int32("phase"),
        PhaseStart = from.Int64("phase start"),
        WindowStep = from.Int64("window step"),
        WindowOrdinal = from.Int64("window ordinal"),
        PrimaryNext = from.Int64("primary cursor"),
        RefillNext = from.Int64("refill cursor"),
        Updates = from.Int64("updates"),
        Examples = from.Int64("examples"),
        EmptyInRow = from.Int32("empty steps"),
        Rollbacks = from.Int32("rollbacks"),
        Reference = from.Flag("has reference") ? EventRecord.Policy(ref from) : null,
        Adaptive = EventRecord.Adaptive(ref from, version),
        Groups = Sorted(from.Array("groups", GroupBytesMin, Group), static group => group.Id),
        Policies = Sorted(from.Array("policies", 8 + DigestBytes, static (ref from) => KeyValuePair.Create(from.Int64("version"), from.Digest("policy"))), static policy => policy.Key)
            .ToImmutableSortedDictionary(static policy => policy.Key, static policy => policy.Value.Value),
        EvaluationOfVersion = from.Flag("has evaluation") ? EventRecord.Evaluation(ref from) : null,
        Checkpoints = [.. from.Array("checkpoints", CheckpointBytesMin, Checkpoint)],
        Counts = EventRecord.Counts(ref from),
        Watched = new SentinelHistory(Real(ref from, "smoothed reward"), Real(ref from, "best reward"), Real(ref from, "first length")),
        ReturnedTo = [.. Sorted(from.Array("returned to", sizeof(long), static (ref from) => from.Int64("step")), static step => step).Keys],
        RollbackPoint = from.Flag("has rollback point") ? new RollbackPoint(from.Int64("rollback point"), from.Digest("policy"), from.Flag("has reference") ? EventRecord.Policy(ref from) : null) : null,
        Progress = Progress(ref from, version),
        Stopped = from.Flag("is stopped") ? EventRecord.Stopped(ref from) : null,
        Balance = version > 3 ? from.Array("balance", sizeof(double), static (ref from) => from.Double("factor")) : [],
    };

    /// <summary>One state has one encoding: keys ascend.</summary>
    private static ImmutableSortedDictionary<TKey, T> Sorted<TKey, T>(ImmutableArray<T> items, Func<T, TKey> key)
        where TKey : notnull, IComparable<TKey>
    {
        for (int i = 1; i < items.Length; i++)
        {
            if (key(items[i - 1]).CompareTo(key(items[i])) >= 0)
            {
                throw new JournalFormatException($"A compaction record lists {key(items[i])} after {key(items[i - 1])}.");
            }
        }

        return items.ToImmutableSortedDictionary(key, static item => item);
    }

    private static void Write(RecordWriter to, GroupState group)
    {
        EventRecord.Write(to, group.Id);
        to.Int64(group.Row);
        to.Int64(group.Version.Steps);
        to.Int64(group.Step);
        to.Int32(group.Round);
        to.Byte((byte)group.Fate);
        to.Array(group.Completions, EventRecord.Write);
        to.Byte((byte)group.Reason);
        to.Int64(group.ClosedAt);
    }

    private static GroupState Group(ref RecordReader from) => new(
        EventRecord.Group(ref from), from.Int64("row"), EventRecord.Policy(ref from), from.Int64("step"), from.Int32("round"),
        (GroupFate)from.Case((byte)GroupFate.Dropped, "fate"), from.Array("completions", EventRecord.ScoredBytesMin, EventRecord.Scored),
        (DropReason)from.Case((byte)DropReason.RunEnded, "reason"), from.Int64("closed at"));

    private static void Write(RecordWriter to, CheckpointRecord checkpoint)
    {
        to.Int64(checkpoint.Step);
        to.Text(checkpoint.Folder);
        to.Digest(checkpoint.Manifest);
        to.Digest(checkpoint.WeightsSha256);
        to.Digest(checkpoint.OptimizerSha256);
        Optional(to, checkpoint.Accuracy);
    }

    private static CheckpointRecord Checkpoint(ref RecordReader from) => new(
        from.Int64("step"), from.Text("folder"), from.Digest("manifest"), from.Digest("weights"), from.Digest("optimizer"), Real(ref from, "accuracy"));

    private static void Write(RecordWriter to, RunProgress progress, byte version)
    {
        to.Int64(progress.Steps);
        Optional(to, progress.AccuracyBefore);
        Optional(to, progress.AccuracyAfter);
        to.Array(progress.FirstRewards, static (to, reward) => to.Double(reward));
        to.Array(progress.LastRewards, static (to, reward) => to.Double(reward));
        if (version > 2)
        {
            to.Array(progress.Rewards, static (to, tally) =>
            {
                to.Int64(tally.Scored);
                to.Int64(tally.Abstained);
                to.Int64(tally.Failed);
                to.Flag(tally.First is not null);
                if (tally.First is { } first)
                {
                    to.Int64(first.Row);
                    to.Text(first.Reason);
                }
            });
        }
    }

    private static RunProgress Progress(ref RecordReader from, byte version) => new(
        from.Int64("grpo steps"), Real(ref from, "accuracy before"), Real(ref from, "accuracy after"),
        from.Array("first rewards", sizeof(double), static (ref from) => from.Double("reward")),
        from.Array("last rewards", sizeof(double), static (ref from) => from.Double("reward")),
        version > 2 ? from.Array("reward tallies", TallyBytesMin, Tally) : []);

    private static RewardTally Tally(ref RecordReader from) => new(
        from.Int64("scored"), from.Int64("abstained"), from.Int64("failed"), from.Flag("has failed") ? new RewardFault(from.Int64("row"), from.Text("reason")) : null);

    private static void Optional(RecordWriter to, double? value)
    {
        to.Flag(value is not null);
        if (value is { } present)
        {
            to.Double(present);
        }
    }

    private static void Optional(RecordWriter to, long? value)
    {
        to.Flag(value is not null);
        if (value is { } present)
        {
            to.Int64(present);
        }
    }

    private static double? Real(ref RecordReader from, string field) => from.Flag(field) ? from.Double(field) : null;
}
