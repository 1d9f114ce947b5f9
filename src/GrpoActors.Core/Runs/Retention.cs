using System.Collections.Immutable;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>Which checkpoints a run must keep, and which the plan asks for besides: pure functions of its state.</summary>
public static class Retention
{
    private const int Newest = 2;

    /// <summary>The recorded checkpoints that may go: older than the plan's number of newest ones, needed by no promise, and not the best.</summary>
    public static ImmutableArray<long> Retired(RunState run, RetentionPlan plan)
    {
        long[] serving = Serving(run);
        int newest = Math.Max(plan.CheckpointsMax, Newest);
        long oldest = serving.Length < newest ? long.MinValue : serving[newest - 1];
        long? best = plan.KeepBest ? Best(run) : null;
        return [.. run.Checkpoints.Select(checkpoint => checkpoint.Step).Where(step => step < oldest && step != best && !IsNeeded(run, step)).Order()];
    }

    /// <summary>
    /// The two newest from which every version that an open group needs can be trained again, whatever is newer than those, and the one that the
    /// present phase began with. Also what a rollback would return to, and what one did return to: a replay that passes it needs it.
    /// </summary>
    public static bool IsNeeded(RunState run, long step) =>
        OldestServing(run) is not { } oldest || step >= oldest || step == run.PhaseStart || step == run.RollbackPoint?.Step || run.ReturnedTo.Contains(step);

    /// <summary>The older of the two newest checkpoints that a recovery may start from; null where there are fewer. Records since then are never deleted.</summary>
    public static long? OldestServing(RunState run) => Serving(run) is { Length: >= Newest } serving ? serving[Newest - 1] : null;

    /// <summary>The earliest of those whose version did best on the held-out problems.</summary>
    private static long? Best(RunState run) => run.Checkpoints.Where(checkpoint => checkpoint.Accuracy is not null).OrderBy(checkpoint => checkpoint.Step).MaxBy(checkpoint => checkpoint.Accuracy)?.Step;

    /// <summary>At or before every version that is needed, newest first.</summary>
    private static long[] Serving(RunState run)
    {
        long needed = run.Groups.Values.Where(group => group.Fate == GroupFate.Open).Select(group => group.Version.Steps).Append(run.Version.Steps).Min();
        return [.. run.Checkpoints.Select(checkpoint => checkpoint.Step).Where(step => step <= needed).OrderDescending()];
    }
}
