using System.Collections.Immutable;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Groups;

/// <summary>When the next step's batch is complete, and what is in it: pure functions of the run's state.</summary>
public static class StepBatch
{
    /// <summary>What the next step trains; null while something is missing.</summary>
    public static StepInputs? Next(RunState run)
    {
        if (run.Ended is not null || run.PhasePlan is not { } phase || run.PhaseIsOver)
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
    /// Canonical order: how many groups the next step is short of, once all that it owns are closed and rounds are left; null otherwise.
    /// </summary>
    public static (int Missing, int Round)? RefillDue(RunState run)
    {
        GroupPlan plan = run.PhasePlan!.Groups;
        GroupState[] owned = [.. run.Groups.Values.Where(group => group.Step == run.Version.Steps)];
        int round = owned.Select(group => group.Round).DefaultIfEmpty(0).Max() + 1;
        int missing = plan.GroupsPerStep - owned.Count(group => group.Fate == GroupFate.Kept);
        return round <= plan.RefillRounds && missing > 0 && owned.Length > 0 && owned.All(group => group.IsClosed) ? (missing, round) : null;
    }

    /// <summary>Canonical order: rounds are used up, the step is short of groups, and the plan says to stop then.</summary>
    public static bool RefillIsExhausted(RunState run) =>
        run.Plan.Order.Kind == OrderKind.Canonical
        && run.PhasePlan is { Kind: PhaseKind.Grpo } phase
        && !run.PhaseIsOver
        && phase.Groups.RefillRounds > 0
        && phase.Groups.RefillExhausted == RefillExhausted.Stop
        && RefillDue(run) is null
        && run.Groups.Values.Where(group => group.Step == run.Version.Steps).ToArray() is { Length: > 0 } owned
        && owned.All(group => group.IsClosed)
        && owned.Count(group => group.Fate == GroupFate.Kept) < phase.Groups.GroupsPerStep;

    /// <summary>Sampled by a version too old for the next step; in arrival order it will be passed over, so its slot is free.</summary>
    public static bool IsStale(RunState run, GroupState group) => run.Version.Steps - group.Version.Steps > run.Plan.Order.Lag;

    private static StepInputs? Arrival(RunState run)
    {
        GroupState[] kept = [.. run.Groups.Values.Where(group => group.Fate == GroupFate.Kept).OrderBy(group => group.ClosedAt)];
        GroupState[] fresh = [.. kept.Where(group => !IsStale(run, group)).Take(run.PhasePlan!.Groups.GroupsPerStep)];
        return fresh.Length < run.PhasePlan.Groups.GroupsPerStep
            ? null
            : Inputs(run, [.. fresh.Select(group => group.Id)], [.. kept.Where(group => IsStale(run, group)).Select(group => group.Id)], 0);
    }

    private static StepInputs Inputs(RunState run, ImmutableArray<GroupId> groups, ImmutableArray<GroupId> passedOver, int examples)
    {
        PhasePlan phase = run.PhasePlan!;
        double learningRate = phase.Schedule.At((int)run.Updates) * run.Adaptive.LearningRateScale;
        return new StepInputs(
            run.Version.Steps, run.Phase, phase.Kind, groups, run.Examples, examples, passedOver, run.PrimaryNext, run.RefillNext, learningRate, run.Adaptive, run.Reference);
    }
}
