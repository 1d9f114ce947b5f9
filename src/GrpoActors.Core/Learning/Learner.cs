using System.Collections.Immutable;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Learning;

/// <summary>
/// Decides when a phase begins, a step is committed, a version published, evaluated, checkpointed, and when the run is over.
/// Life of a step: Waiting -> Training -> Committed.
/// </summary>
public static class Learner
{
    public static Decision<LearnerMemory> Decide(RunState run, LearnerMemory memory, Command command) => command switch
    {
        Command.Reconsider => Reconsider(run, memory.Forget(run)),
        // What the trainer before it had trained and nobody has committed is gone with it: the step trains again, to the same bits.
        Command.TrainerRestarted => Reconsider(run, memory with { Checkpoint = null, Trained = null, Tripped = null, Published = LearnerMemory.NothingPublished }),
        Command.VersionPublished x when memory.Published.ContainsKey(x.Version.Steps)
            => Decision<LearnerMemory>.Nothing(memory with { Published = memory.Published.SetItem(x.Version.Steps, null) }),
        Command.BatchTrained x when x.Step == run.Version.Steps && memory.Trained is null && run.Ended is null && Answers(run, x.Outputs)
            => Reconsider(run, memory with { Trained = x }),
        Command.SentinelTripped x when x.Step == run.Version.Steps && memory.Trained is null && run.Ended is null && IsBatch(run, x.Batch) => Reconsider(run, memory with { Tripped = x }),
        Command.EvaluationDone x when x.Version == run.Version && run.EvaluationOfVersion is null && run.Ended is null
            => new(memory, [new RunEvent.Evaluated(x.Version, x.Evaluation)], []),
        Command.CheckpointDone x when run.Ended is null && x.Step <= run.Version.Steps && !run.Checkpoints.Any(checkpoint => checkpoint.Manifest == x.Manifest)
            => Written(run, memory, new RunEvent.CheckpointWritten(x.Step, x.Folder, x.Manifest, x.WeightsSha256, x.OptimizerSha256, run.Position)),
        Command.DeadlinePassed { Deadline.For: Waits.Checkpoint } x when memory.Checkpoint is { } asked && x.Deadline == Checkpoint(asked.Version, asked.Attempt)
            => Reconsider(run, memory with { Checkpoint = null, Attempt = memory.Attempt + 1 }),
        Command.DeadlinePassed { Deadline.For: Waits.Publication } x when memory.Published.FirstOrDefault(asked => asked.Value is { } attempt && x.Deadline == Publication(asked.Key, attempt)) is { Value: not null } late
            => Reconsider(run, memory with { Published = memory.Published.Remove(late.Key), Attempt = memory.Attempt + 1 }),
        // The evaluator may be waiting for weights that went down with a trainer.
        Command.DeadlinePassed { Deadline.For: Waits.Evaluation } x when memory.Evaluation is { } asked && x.Deadline == Evaluation(asked.Version, asked.Attempt)
            => Reconsider(run, memory with { Evaluation = null, Published = memory.Published.Remove(asked.Version), Attempt = memory.Attempt + 1 }),
        _ => Decision<LearnerMemory>.Nothing(memory),
    };

    private static Decision<LearnerMemory> Written(RunState run, LearnerMemory memory, RunEvent.CheckpointWritten written)
    {
        RunState after = run.Apply(written);
        ImmutableArray<long> retired = Retention.Retired(after, memory.Retention);
        return new(
            memory,
            retired.IsEmpty ? [written] : [written, new RunEvent.CheckpointsRetired(retired)],
            [new Effect.RetireCheckpoints([.. after.Checkpoints.Select(checkpoint => checkpoint.Step).Except(retired)])]);
    }

    private static Decision<LearnerMemory> Reconsider(RunState run, LearnerMemory memory)
    {
        if (run.Ended is not null)
        {
            return Decision<LearnerMemory>.Nothing(memory);
        }

        var effects = ImmutableArray.CreateBuilder<Effect>();
        if (Event(run, memory, effects) is { } decided)
        {
            if (decided is RunEvent.StepCommitted { Inputs: { Kind: PhaseKind.Grpo } inputs })
            {
                ImmutableArray<RewardTally> step = RewardTally.Of(run, inputs);
                memory = memory with { Rewards = memory.Rewards.After(step) };
                if (memory.Rewards.Reason(run, step) is { } reason)
                {
                    effects.Add(new Effect.StopRun(reason));
                }
            }

            return new(memory, [decided], effects.ToImmutable()); // asked again once it is folded
        }

        if (run.Compaction is { Before: > 0 and long before } && memory.DeletedBefore < before)
        {
            effects.Add(new Effect.DeleteRecords(before));
            memory = memory with { DeletedBefore = before };
        }

        long now = run.Version.Steps;
        foreach (long version in Milestones.Published(run).Where(version => !memory.Published.ContainsKey(version)))
        {
            effects.Add(new Effect.PublishVersion(new PolicyVersion(version), run.Policies[version]));
            effects.Add(new Effect.SetDeadline(Publication(version, memory.Attempt), memory.Deadlines.Training));
            memory = memory with { Published = memory.Published.SetItem(version, memory.Attempt) };
        }

        if (Milestones.CheckpointDue(run, memory.CheckpointEverySteps) && memory.Checkpoint?.Version != now)
        {
            effects.Add(new Effect.WriteCheckpoint(now, run.Chain, run.Position, run.Policy, run.Phase, run.Stopped is not null));
            effects.Add(new Effect.SetDeadline(Checkpoint(now, memory.Attempt), memory.Deadlines.Checkpoint));
            memory = memory with { Checkpoint = (now, memory.Attempt) };
        }

        if (Milestones.EvaluationDue(run) && memory.Evaluation?.Version != now)
        {
            effects.Add(new Effect.Evaluate(run.Version));
            effects.Add(new Effect.SetDeadline(Evaluation(now, memory.Attempt), memory.Deadlines.Evaluation));
            memory = memory with { Evaluation = (now, memory.Attempt) };
        }

        return new(memory, [], effects.ToImmutable());
    }

    /// <summary>The one event that the state allows now, or null.</summary>
    private static RunEvent? Event(RunState run, LearnerMemory memory, ImmutableArray<Effect>.Builder effects)
    {
        if (!run.Started)
        {
            return new RunEvent.RunStarted(memory.Identity, run.Plan.StartingWeights, run.Plan.NumericsRevision);
        }

        if (run.Phase < 0)
        {
            return Begin(run, 0, effects);
        }

        if (Milestones.CompactionDue(run, memory.Retention))
        {
            return new RunEvent.Compacted(run.Compaction?.Position ?? 0, run);
        }

        if (Milestones.EvaluationDue(run))
        {
            return null; // a barrier: journalled before the step after it is committed
        }

        if (run.PhaseIsOver && run.Phase + 1 < run.Plan.Phases.Length)
        {
            return Begin(run, run.Phase + 1, effects);
        }

        if (Milestones.End(run) is { } reason)
        {
            return Milestones.HasCheckpoint(run) ? new RunEvent.RunEnded(run.Version.Steps, reason) : null; // the result names the last weights by a hash over them
        }

        if (StepBatch.Next(run) is not { } inputs)
        {
            return null;
        }

        if (memory.Tripped is { } tripped)
        {
            return Respond(run, (run.Plan.Sentinels ?? SentinelPlan.None).NotFinite, tripped.Reason, effects);
        }

        return memory.Trained is { } trained ? Conclude(run, inputs, trained, effects) : null;
    }

    private static RunEvent Conclude(RunState run, StepInputs inputs, Command.BatchTrained trained, ImmutableArray<Effect>.Builder effects)
    {
        Verdict verdict = Sentinels.Judge(run, trained.Outputs);
        if (verdict.Action != SentinelAction.Warn)
        {
            return Respond(run, verdict.Action, verdict.Reason, effects);
        }

        StepOutputs outputs = verdict.Warnings.IsEmpty
            ? trained.Outputs
            : trained.Outputs with { Metrics = [.. trained.Outputs.Metrics.Concat(verdict.Warnings).OrderBy(metric => metric.Name, StringComparer.Ordinal)] };
        return new RunEvent.StepCommitted(inputs, outputs, Ledger.Next(run, inputs, outputs), trained.Timings);
    }

    /// <summary>The step is not committed: training stops, or goes back. A plan that rolls back has a point to go back to, whose checkpoint was waited for.</summary>
    private static RunEvent Respond(RunState run, SentinelAction action, string reason, ImmutableArray<Effect>.Builder effects)
    {
        if (action != SentinelAction.RollBack || run.RollbackPoint is not { } point)
        {
            return new RunEvent.TrainingStopped(run.Version.Steps, RunEnd.SentinelTripped, reason);
        }

        SentinelPlan plan = run.Plan.Sentinels!;
        if (run.Rollbacks >= plan.RollbacksMax)
        {
            return new RunEvent.TrainingStopped(run.Version.Steps, RunEnd.TooManyRollbacks, reason);
        }

        double scale = run.Adaptive.LearningRateScale * plan.LearningRateFactor;
        effects.Add(new Effect.RollBack(run.Version.Steps, point.Step, point.Policy));
        return new RunEvent.RolledBack(
            run.Version.Steps, point.Step, reason, scale, run.PrimaryNext, point.Policy, run.Adaptive with { LearningRateScale = scale },
            Ledger.NextAfterRollback(run, point.Step, reason, scale));
    }

    private static RunEvent.PhaseStarted Begin(RunState run, int phase, ImmutableArray<Effect>.Builder effects)
    {
        PhasePlan plan = run.Plan.Phases[phase];
        bool reference = plan.NeedsReference;
        effects.Add(new Effect.BeginPhase(phase, plan.ResetOptimizer, reference));
        return new RunEvent.PhaseStarted(phase, plan.Name, run.Version, run.Policy, reference ? run.Policy : null, plan.ResetOptimizer);
    }

    /// <summary>Computed from this run's policy and batch: not by a trainer that is on another course than the journal.</summary>
    private static bool Answers(RunState run, StepOutputs outputs) =>
        outputs.Policy == (outputs.Empty ? run.Policy : run.Policy.Then(outputs.Update))
        && IsBatch(run, outputs.Batch);

    private static bool IsBatch(RunState run, Digest batch) => StepBatch.Next(run) is { } inputs && BatchOf.Step(run, inputs).Digest == batch;

    internal static DeadlineId Publication(long version, int attempt) => new(Waits.Publication, $"v{version}", attempt);

    internal static DeadlineId Checkpoint(long step, int attempt) => new(Waits.Checkpoint, $"step {step}", attempt);

    internal static DeadlineId Evaluation(long version, int attempt) => new(Waits.Evaluation, $"v{version}", attempt);
}

/// <summary>What a crash may forget.</summary>
/// <param name="Trained">The trainer's answer, until its step is committed.</param>
/// <param name="Tripped">The trainer's other answer: the step cannot be trained.</param>
/// <param name="Published">The versions whose publication was asked for, each with the attempt that is waited for; null: it has been confirmed.</param>
/// <param name="Attempt">Counts the deadlines that passed, so that an outdated one is told from the present one.</param>
/// <param name="DeletedBefore">The records before this position were asked to be deleted.</param>
public sealed record LearnerMemory(
    Digest Identity, int CheckpointEverySteps, RetentionPlan Retention, DeadlinePlan Deadlines, SilentRewards Rewards, ImmutableSortedDictionary<long, int?> Published, Command.BatchTrained? Trained = null,
    Command.SentinelTripped? Tripped = null, (long Version, int Attempt)? Checkpoint = null, (long Version, int Attempt)? Evaluation = null, int Attempt = 0,
    long DeletedBefore = 0)
{
    internal static ImmutableSortedDictionary<long, int?> NothingPublished { get; } = ImmutableSortedDictionary<long, int?>.Empty;

    public static LearnerMemory Empty(Digest identity, RunOperation operation) =>
        new(identity, operation.CheckpointEverySteps, operation.Retention ?? RetentionPlan.Default, operation.Deadlines, new SilentRewards(operation.RewardFailuresMax, []), NothingPublished);

    internal LearnerMemory Forget(RunState run) => this with
    {
        Trained = Trained?.Step == run.Version.Steps ? Trained : null,
        Tripped = Tripped?.Step == run.Version.Steps ? Tripped : null,
        Published = Published.RemoveRange(Published.Keys.Where(version => !run.Policies.ContainsKey(version))),
    };
}
