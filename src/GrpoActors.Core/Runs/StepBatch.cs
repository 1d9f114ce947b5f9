using System.Collections.Immutable;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>When the next step's batch is complete, and what is in it: pure functions of the run's state.</summary>
public static class StepBatch
{
    /// <summary>What the next step trains; null while something is missing.</summary>
    public static StepInputs? Next(RunState run)
    {
        if (run.Ended is not null || run.Stopped is not null || run.PhasePlan is not { } phase || run.PhaseIsOver)
        {
            return null;
        }

        if (phase.Kind == PhaseKind.Sft)
        {
            return Inputs(run, [], [], phase.ExamplesPerStep);
        }

        return run.Plan.Order.Kind == OrderKind.Canonical ? Canonical(run) : Arrival(run);
    }

    private static StepInputs? Canonical(RunState run)
    {
        long step = run.Version.Steps;
        int perStep = run.PhasePlan!.Groups.GroupsPerStep;
        if (run.PrimaryNext < run.WindowOrdinal + (step - run.WindowStep + 1) * perStep)
        {
            return null;
        }

        GroupState[] owned = [.. run.Groups.Values.Where(group => group.Step == step)];
        if (owned.Any(group => !group.IsClosed) || RefillDue(run) is not null)
        {
            return null;
        }

        GroupState[] kept = [.. owned.Where(group => group.Fate == GroupFate.Kept)];
        bool enough = kept.Length >= perStep || run.PhasePlan.Groups.RefillRounds == 0 || run.PhasePlan.Groups.RefillExhausted == RefillExhausted.TrainWhatThereIs;
        return enough ? Inputs(run, [.. kept.Select(group => group.Id)], [], 0) : null;
    }

    /// <summary>
    /// Canonical order: how many groups the next step is short of, once all that it owns are closed and rounds are left; no more than may still be drawn for it; null otherwise.
    /// </summary>
    public static (int Missing, int Round)? RefillDue(RunState run)
    {
        GroupPlan plan = run.PhasePlan!.Groups;
        if (plan.RefillRounds == 0)
        {
            return null; // asked after every event: not worth a walk through all groups
        }

        GroupState[] owned = [.. run.Groups.Values.Where(group => group.Step == run.Version.Steps)];
        int round = owned.Select(group => group.Round).DefaultIfEmpty(0).Max() + 1;
        int missing = plan.GroupsPerStep - owned.Count(group => group.Fate == GroupFate.Kept);
        missing = plan.MaxGenBatches == 0 ? missing : (int)Math.Min(missing, ((long)plan.MaxGenBatches * plan.GroupsPerStep) - owned.Length);
        return round <= plan.RefillRounds && missing > 0 && owned.Length > 0 && owned.All(group => group.IsClosed) ? (missing, round) : null;
    }

    /// <summary>No further group is drawn for the next step, which is short of them, and the plan says to stop then.</summary>
    public static bool RefillIsExhausted(RunState run) =>
        run.PhasePlan is { Kind: PhaseKind.Grpo } phase
        && !run.PhaseIsOver
        && phase.Groups.RefillExhausted == RefillExhausted.Stop
        && (run.Plan.Order.Kind == OrderKind.Canonical ? RoundsAreUsedUp(run, phase.Groups) : LimitReached(run) is { } limit && Fresh(run, limit).Length < phase.Groups.GroupsPerStep);

    private static bool RoundsAreUsedUp(RunState run, GroupPlan plan) =>
        plan.RefillRounds > 0
        && RefillDue(run) is null
        && run.Groups.Values.Where(group => group.Step == run.Version.Steps).ToArray() is { Length: > 0 } owned
        && owned.All(group => group.IsClosed)
        && owned.Count(group => group.Fate == GroupFate.Kept) < plan.GroupsPerStep;

    /// <summary>Sampled by a version too old for the next step; in arrival order it will be passed over, so its slot is free.</summary>
    public static bool IsStale(RunState run, GroupState group) => run.Version.Steps - group.Version.Steps > run.Plan.Order.Lag;

    private static StepInputs? Arrival(RunState run)
    {
        GroupPlan plan = run.PhasePlan!.Groups;
        long? limit = LimitReached(run);
        GroupState[] fresh = Fresh(run, limit ?? long.MaxValue);
        return fresh.Length < plan.GroupsPerStep && (limit is null || plan.RefillExhausted == RefillExhausted.Stop)
            ? null
            : Inputs(run, [.. fresh.Select(group => group.Id)], [.. Kept(run).Where(group => IsStale(run, group)).Select(group => group.Id)], 0);
    }

    /// <summary>
    /// Arrival order: where in the stream the group was dropped that was one too many, so that more than max_num_gen_batches steps' worth would have to be drawn for the next step;
    /// null while there is none. What closes later is left for the step after it: the batch stays what it is while it trains.
    /// </summary>
    private static long? LimitReached(RunState run)
    {
        GroupPlan plan = run.PhasePlan!.Groups;
        if (plan.MaxGenBatches == 0)
        {
            return null;
        }

        long allowed = (plan.MaxGenBatches - 1L) * plan.GroupsPerStep;
        long[] dropped = [.. run.Groups.Values.Where(group => group.Fate == GroupFate.Dropped).Select(group => group.ClosedAt).Order()];
        return dropped.Length > allowed ? dropped[allowed] : null;
    }

    private static IEnumerable<GroupState> Kept(RunState run) => run.Groups.Values.Where(group => group.Fate == GroupFate.Kept).OrderBy(group => group.ClosedAt);

    /// <summary>The first kept groups that closed before a position in the stream, at most a step's worth.</summary>
    private static GroupState[] Fresh(RunState run, long before) =>
        [.. Kept(run).Where(group => !IsStale(run, group) && group.ClosedAt < before).Take(run.PhasePlan!.Groups.GroupsPerStep)];

    private static StepInputs Inputs(RunState run, ImmutableArray<GroupId> groups, ImmutableArray<GroupId> passedOver, int examples)
    {
        PhasePlan phase = run.PhasePlan!;
        double learningRate = phase.Schedule.At((int)run.Updates) * run.Adaptive.LearningRateScale;
        return new StepInputs(
            run.Version.Steps, run.Phase, phase.Kind, groups, run.Examples, examples, passedOver, run.PrimaryNext, run.RefillNext, learningRate, run.Adaptive, run.Reference);
    }
}
