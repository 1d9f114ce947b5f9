using System.Collections.Immutable;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Learning;

/// <summary>Which checkpoints a run must keep: a pure function of its state.</summary>
public static class Retention
{
    private const int Newest = 2;

    /// <summary>
    /// The two newest from which every version that an open group needs can be trained again, whatever is newer than those, and the one that the
    /// present phase began with. Also what a rollback would return to, and what one did return to: a replay that passes it needs it.
    /// </summary>
    /// <param name="checkpoints">In the order in which they were recorded.</param>
    public static ImmutableList<CheckpointRecord> Kept(RunState run, ImmutableList<CheckpointRecord> checkpoints)
    {
        long needed = run.Groups.Values.Where(group => group.Fate == GroupFate.Open).Select(group => group.Version.Steps).Append(run.Version.Steps).Min();
        long[] serving = [.. checkpoints.Select(checkpoint => checkpoint.Step).Where(step => step <= needed).OrderDescending()];
        if (serving.Length <= Newest)
        {
            return checkpoints;
        }

        long oldest = serving[Newest - 1];
        return checkpoints.RemoveAll(checkpoint => checkpoint.Step < oldest && !IsPinned(run, checkpoint.Step));
    }

    private static bool IsPinned(RunState run, long step) => step == run.PhaseStart || step == run.RollbackPoint?.Step || run.ReturnedTo.Contains(step);
}
