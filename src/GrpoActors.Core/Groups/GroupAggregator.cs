using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Groups;

/// <summary>Decides when a group is complete, kept or dropped and why, and when a step's batch is complete.</summary>
public static class GroupAggregator
{
    public static Decision<AggregatorMemory> Decide(RunState run, AggregatorMemory memory, Command command) => command switch
    {
        Command.Reconsider => Reconsider(run, memory),
        Command.TrainerRestarted => Reconsider(run, memory with { Requested = null }),
        Command.DeadlinePassed { Deadline: { For: Waits.Training } late } when memory.Requested is { } requested && late == Deadline(requested, memory.Attempt)
            => Reconsider(run, memory with { Requested = null, Attempt = memory.Attempt + 1 }),
        _ => Decision<AggregatorMemory>.Nothing(memory),
    };

    private static Decision<AggregatorMemory> Reconsider(RunState run, AggregatorMemory memory)
    {
        if (run.Ended is not null)
        {
            return Decision<AggregatorMemory>.Nothing(memory);
        }

        ImmutableArray<RunEvent> closed =
        [
            .. run.Groups.Values.Where(group => group.Fate == GroupFate.Scored).Select(group => new RunEvent.GroupClosed(group.Id, Verdict(run, group))),
        ];
        if (closed.Length > 0)
        {
            return new(memory, closed, []); // asked again once these are folded
        }

        if (Milestones.AwaitsRollbackPoint(run) || StepBatch.Next(run) is not { } inputs || memory.Requested == inputs.Step)
        {
            return Decision<AggregatorMemory>.Nothing(memory);
        }

        int attempt = memory.Requested is null ? memory.Attempt : 0;
        return new(
            memory with { Requested = inputs.Step, Attempt = attempt },
            [],
            [
                new Effect.TrainBatch(BatchOf.Step(run, inputs), run.Policy),
                new Effect.SetDeadline(Deadline(inputs.Step, attempt), memory.Silence),
            ]);
    }

    /// <summary>Kept, or the reason to drop. By the plan's own weights: those that a balancer moves differ with the step at which a group happens to close.</summary>
    public static DropReason Verdict(RunState run, GroupState group)
    {
        GroupPlan plan = run.PhasePlan!.Groups;
        double[] rewards = [.. GroupRewards.Of(run.Plan, run.Plan.RewardWeights, group.Completions).OfType<double>()];
        if (rewards.Length < 2)
        {
            return plan.KeepUnscorable ? DropReason.None : DropReason.Unscorable;
        }

        return plan.DropZeroSpread && rewards.All(reward => reward == rewards[0]) ? DropReason.NoSpread : DropReason.None;
    }

    internal static DeadlineId Deadline(long step, int attempt) => new(Waits.Training, $"step {step + 1}", attempt);
}

/// <param name="Silence">Training is asked for again after this long without an answer.</param>
/// <param name="Requested">The step whose training was asked for.</param>
public sealed record AggregatorMemory(TimeSpan Silence, long? Requested = null, int Attempt = 0);
