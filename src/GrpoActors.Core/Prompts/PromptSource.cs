using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Prompts;

/// <summary>Decides which prompt each group asks, which version samples it, and how many groups may be open.</summary>
/// <remarks>It holds back rather than let the learner throw away: nothing is opened that may not be trained.</remarks>
public static class PromptSource
{
    public static Decision<PromptMemory> Decide(RunState run, PromptMemory memory, Command command)
    {
        if (command is not Command.Reconsider || run.Ended is not null || run.Stopped is not null || run.PhasePlan is not { Kind: PhaseKind.Grpo } || run.PhaseIsOver)
        {
            return Decision<PromptMemory>.Nothing(memory);
        }

        ImmutableArray<RunEvent> opened = run.Plan.Order.Kind == OrderKind.Canonical ? Canonical(run) : Arrival(run);
        return new(memory, opened, []);
    }

    private static ImmutableArray<RunEvent> Canonical(RunState run)
    {
        var events = ImmutableArray.CreateBuilder<RunEvent>();
        int perStep = run.PhasePlan!.Groups.GroupsPerStep;
        long lastStep = Math.Min(run.Version.Steps + run.Plan.Order.Lag, run.PhaseEnd - 1);
        long end = run.WindowOrdinal + (lastStep - run.WindowStep + 1) * perStep;
        for (long ordinal = run.PrimaryNext; ordinal < end; ordinal++)
        {
            long step = run.WindowStep + (ordinal - run.WindowOrdinal) / perStep;
            events.Add(Open(run, new GroupId(run.Phase, GroupStream.Primary, ordinal), SamplingVersion(run, step), step, 0));
        }

        if (events.Count == 0 && StepBatch.RefillDue(run) is { } refill)
        {
            for (int i = 0; i < refill.Missing; i++)
            {
                events.Add(Open(run, new GroupId(run.Phase, GroupStream.Refill, run.RefillNext + i), run.Version, run.Version.Steps, refill.Round));
            }
        }

        return events.ToImmutable();
    }

    /// <summary>The version whose weights sample the primary groups of a step: lag steps behind, but none from before the window.</summary>
    public static PolicyVersion SamplingVersion(RunState run, long step) => new(Math.Max(run.WindowStep, step - run.Plan.Order.Lag));

    /// <summary>At most (lag + 1) steps' worth of groups wait or are sampled, and never more than the phase can still train.</summary>
    private static ImmutableArray<RunEvent> Arrival(RunState run)
    {
        long perStep = run.PhasePlan!.Groups.GroupsPerStep;
        long wanted = perStep * Math.Min(run.Plan.Order.Lag + 1, run.PhaseEnd - run.Version.Steps);
        long unsettled = run.Groups.Values.Count(group => group.Fate != GroupFate.Dropped && !StepBatch.IsStale(run, group));
        var events = ImmutableArray.CreateBuilder<RunEvent>();
        for (long i = 0; i < wanted - unsettled; i++)
        {
            events.Add(Open(run, new GroupId(run.Phase, GroupStream.Primary, run.PrimaryNext + i), run.Version, run.Version.Steps, 0));
        }

        return events.ToImmutable();
    }

    private static RunEvent.GroupOpened Open(RunState run, GroupId group, PolicyVersion version, long step, int round)
    {
        long row = PromptOrder.RowAt(new SeedTree(run.Plan.Seed), group.Phase, group.Stream, group.Ordinal, run.PhasePlan!.Data.Rows);
        return new RunEvent.GroupOpened(group, row, version, step, round);
    }
}

/// <summary>PromptSource remembers nothing beside the run's state.</summary>
public sealed record PromptMemory;
