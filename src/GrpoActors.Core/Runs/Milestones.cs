using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>What is due at a version: pure functions of the run's state.</summary>
public static class Milestones
{
    /// <summary>At a grpo phase's first and last version, and every so many steps inside it.</summary>
    public static bool EvaluationDue(RunState run)
    {
        if (run.Plan.Evaluation is not { } plan || run.EvaluationOfVersion is not null || run.PhasePlan is not { Kind: PhaseKind.Grpo })
        {
            return false;
        }

        long inPhase = run.Version.Steps - run.PhaseStart;
        return inPhase == 0 || run.PhaseIsOver || (plan.EverySteps > 0 && inPhase % plan.EverySteps == 0);
    }

    /// <summary>At the start of a phase, at the end of the run, every so many steps, and where a rollback may return to.</summary>
    /// <remarks>Never between a phase's last step and the next one's start: a checkpoint of that version is taken once the optimiser is reset and the reference kept.</remarks>
    public static bool CheckpointDue(RunState run, int everySteps)
    {
        if (run.Phase < 0 || HasCheckpoint(run))
        {
            return false;
        }

        long step = run.Version.Steps;
        return run.PhaseIsOver
            ? run.Phase + 1 == run.Plan.Phases.Length
            : step == run.PhaseStart || run.RollbackPoint?.Step == step || End(run) is not null || (everySteps > 0 && step % everySteps == 0);
    }

    /// <summary>Why no further step can follow; null while one can, and between two phases.</summary>
    public static RunEnd? End(RunState run) =>
        run.PhaseIsOver ? (run.Phase + 1 == run.Plan.Phases.Length ? RunEnd.Completed : null)
        : run.Stopped is { } stopped ? stopped.End
        : StepBatch.RefillIsExhausted(run) ? RunEnd.RefillExhausted
        : run.EmptyInRow > run.Plan.Order.EmptyStepsMax ? RunEnd.TooManyEmptySteps
        : null;

    /// <summary>
    /// As many steps as the plan keeps have passed since the newest compaction record, and recovery can do without what came before that one. So between
    /// one and two times as many steps stay in the journal, and never fewer than the two newest checkpoints need.
    /// </summary>
    public static bool CompactionDue(RunState run, RetentionPlan plan) =>
        plan.JournalSteps > 0
        && run.Version.Steps - (run.Compaction?.Step ?? 0) >= plan.JournalSteps
        && (run.Compaction is not { } newest || Retention.OldestServing(run) >= newest.Step);

    /// <summary>No step is trained until the version that a rollback would return to is safe on disk.</summary>
    public static bool AwaitsRollbackPoint(RunState run) => run.RollbackPoint is { } point && !run.Checkpoints.Any(checkpoint => checkpoint.Step == point.Step);

    public static bool HasCheckpoint(RunState run) => run.Checkpoints.Any(checkpoint => checkpoint.Step == run.Version.Steps);

    /// <summary>The versions that somebody samples with: those of open groups, and the present one where something will be sampled by it.</summary>
    public static IEnumerable<long> Published(RunState run)
    {
        SortedSet<long> versions = [.. run.Groups.Values.Where(group => group.Fate == GroupFate.Open).Select(group => group.Version.Steps)];
        if (NeedsPublishing(run))
        {
            versions.Add(run.Version.Steps);
        }

        return versions;
    }

    /// <summary>Some group of this phase is sampled by the present version.</summary>
    public static bool NeedsPublishing(RunState run)
    {
        if (run.PhasePlan is not { Kind: PhaseKind.Grpo } phase)
        {
            return false;
        }

        if (EvaluationDue(run) || run.Plan.Order.Kind == OrderKind.Arrival || phase.Groups.RefillRounds > 0)
        {
            return true;
        }

        long first = run.Version.Steps == run.WindowStep ? run.WindowStep : run.Version.Steps + run.Plan.Order.Lag;
        return first < run.PhaseEnd;
    }

    /// <summary>While a step trains: nobody samples by the version that it starts from, nor ever will. So on policy, in canonical order, once what is due at the version is done.</summary>
    public static bool PresentVersionIsSpent(RunState run) =>
        run.Plan.Order is { Kind: OrderKind.Canonical, Lag: 0 } && !EvaluationDue(run) && run.Groups.Values.All(group => group.Fate != GroupFate.Open);
}
