using System.Collections.Immutable;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Core.Deciding;

/// <summary>Something that a run waits for: who asked for it, what it is, which ids it holds, and the deadline at which it is asked for again.</summary>
/// <param name="Owner">The stage that asks again.</param>
public sealed record OpenWait(string Owner, string For, ImmutableArray<string> Holds, DeadlineId Deadline)
{
    public override string ToString() => $"{Owner} waits for {For} (holds {string.Join(", ", Holds)}; deadline {Deadline})";

    /// <summary>
    /// All waits of a run at this moment. While the run goes on there is at least one, and each has a deadline that was set: a run for which either
    /// is untrue would hang.
    /// </summary>
    public static ImmutableArray<OpenWait> Of(Pipeline pipeline) =>
        pipeline.Run.Ended is not null ? [] : [.. Generators(pipeline.Generation), .. Scorers(pipeline.Run, pipeline.Scoring), .. Training(pipeline), .. Trainer(pipeline.Run, pipeline.Learning)];

    private static IEnumerable<OpenWait> Generators(GeneratorMemory memory)
    {
        foreach (IGrouping<WorkerId, GroupId> leases in memory.Leases.GroupBy(lease => lease.Value, lease => lease.Key))
        {
            yield return new(nameof(GeneratorPool), $"completions from {leases.Key}", Ids(leases), GeneratorPool.Deadline(leases.Key, memory.Attempts.GetValueOrDefault(leases.Key)));
        }

        if (memory.Unclaimed is { } unclaimed)
        {
            yield return new(nameof(GeneratorPool), "a generator that asks for work", [unclaimed.Subject], unclaimed);
        }
    }

    private static IEnumerable<OpenWait> Scorers(RunState run, ScorerMemory memory) =>
        from scoring in memory.InFlight.Values
        from call in scoring.Calls.Values
        select new OpenWait(nameof(ScorerPool), $"reward {run.Plan.Rewards[call.Reward].Name}", Ids([call.Group]), ScorerPool.Deadline(run, call, scoring.Issues.GetValueOrDefault(call.Reward)));

    private static IEnumerable<OpenWait> Training(Pipeline pipeline)
    {
        bool trained = pipeline.Learning.Trained?.Step == pipeline.Run.Version.Steps;
        if (pipeline.Groups.Requested is { } step && step == pipeline.Run.Version.Steps && !trained)
        {
            yield return new(nameof(GroupAggregator), "training", [$"step {step + 1}"], GroupAggregator.Deadline(step, pipeline.Groups.Attempt));
        }
    }

    private static IEnumerable<OpenWait> Trainer(RunState run, LearnerMemory memory)
    {
        foreach (long version in Milestones.Published(run))
        {
            if (memory.Published.TryGetValue(version, out int? attempt) && attempt is { } asked)
            {
                yield return new(nameof(Learner), "publication", [$"v{version}"], Learner.Publication(version, asked));
            }
        }

        if (memory.Checkpoint is { } checkpoint && checkpoint.Version == run.Version.Steps && !Milestones.HasCheckpoint(run))
        {
            yield return new(nameof(Learner), "a checkpoint", [$"step {checkpoint.Version}"], Learner.Checkpoint(checkpoint.Version, checkpoint.Attempt));
        }

        if (memory.Evaluation is { } evaluation && Milestones.EvaluationDue(run))
        {
            yield return new(nameof(Learner), "an evaluation", [$"v{evaluation.Version}"], Learner.Evaluation(evaluation.Version, evaluation.Attempt));
        }
    }

    private static ImmutableArray<string> Ids(IEnumerable<GroupId> groups) => [.. groups.Select(group => group.ToString())];
}
