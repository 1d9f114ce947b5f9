using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Runtime.Projections;

/// <summary>A committed step with what the journal says of the groups that it trained.</summary>
/// <param name="PhaseStep">Within the phase, from 1.</param>
/// <param name="Groups">In the order of the step; empty in an sft step.</param>
/// <param name="Rewards">What each reward said of all groups that the step settled, dropped ones included; empty in an sft step.</param>
/// <param name="Evaluation">Of the version that the step started from, where one was due.</param>
/// <param name="EvaluationData">Its data file's name without the ending: verl's data_source.</param>
/// <param name="TokensSampled">Completion tokens since the run began, dropped ones included.</param>
/// <param name="TokensOfStep">Completion tokens that this step trained.</param>
public sealed record CommittedStep(
    PhasePlan Phase, int PhaseStep, StepInputs Inputs, StepOutputs Outputs, StepTimings Timings, ImmutableArray<TrainedGroup> Groups, ImmutableArray<RewardReport> Rewards, Evaluation? Evaluation,
    string EvaluationData, long TokensSampled, long TokensOfStep)
{
    /// <summary>Through the whole run, from 1: the version that this step made.</summary>
    public long RunStep => Inputs.Step + 1;
}

/// <param name="Row">Data row of its prompt.</param>
/// <param name="Version">That sampled it.</param>
public sealed record TrainedGroup(GroupId Id, long Row, PolicyVersion Version, ImmutableArray<ScoredCompletion> Completions);

/// <summary>Folds the run's stream into its committed steps, live and from the journal alike. Memory holds the groups that no step has settled.</summary>
public sealed class CommittedSteps(RunIdentity plan)
{
    private readonly Dictionary<GroupId, OpenGroup> groups = [];
    private int phase = -1;
    private long phaseStart;
    private long version;
    private long tokensSampled;
    private Evaluation? evaluation;

    /// <summary>Committed so far, rollbacks included.</summary>
    public long Count => version;

    /// <returns>The step, if the event is one. A rollback is none: it trains nothing.</returns>
    public CommittedStep? Apply(RunEvent e)
    {
        switch (e)
        {
            case RunEvent.Compacted x when phase < 0:
                Begin(x.Folded);
                break;
            case RunEvent.PhaseStarted x:
                phase = x.Phase;
                phaseStart = x.Version.Steps;
                break;
            case RunEvent.GroupOpened x:
                groups[x.Group] = new OpenGroup(new TrainedGroup(x.Group, x.Row, x.Version, []), x.Step, IsDropped: false);
                break;
            case RunEvent.CompletionsScored x:
                groups[x.Group] = groups[x.Group] with { Group = groups[x.Group].Group with { Completions = x.Completions } };
                tokensSampled += Tokens(x.Completions);
                break;
            case RunEvent.GroupClosed { Reason: not DropReason.None } x:
                groups[x.Group] = groups[x.Group] with { IsDropped = true };
                break;
            case RunEvent.Evaluated x:
                evaluation = x.Evaluation;
                break;
            case RunEvent.RolledBack x:
                groups.Clear();
                Advance(x.Step);
                break;
            case RunEvent.StepCommitted x:
                return Commit(x);
        }

        return null;
    }

    /// <summary>A stream that begins with a compaction record goes on from what that holds.</summary>
    private void Begin(RunState folded)
    {
        (phase, phaseStart, version) = (folded.Phase, folded.PhaseStart, folded.Version.Steps);
        (tokensSampled, evaluation) = (folded.Counts.TokensSampled, folded.EvaluationOfVersion);
        foreach (GroupState group in folded.Groups.Values)
        {
            groups[group.Id] = new OpenGroup(new TrainedGroup(group.Id, group.Row, group.Version, group.Completions), group.Step, group.Fate == GroupFate.Dropped);
        }
    }

    private CommittedStep Commit(RunEvent.StepCommitted e)
    {
        ImmutableArray<TrainedGroup> trained = [.. e.Inputs.Groups.Select(id => groups[id].Group)];
        var step = new CommittedStep(
            plan.Phases[phase], (int)(e.Inputs.Step - phaseStart) + 1, e.Inputs, e.Outputs, e.Timings, trained, Rewards(Settle(e.Inputs)), evaluation, Path.GetFileNameWithoutExtension(plan.Evaluation?.Data.Path ?? ""),
            tokensSampled, trained.Sum(group => Tokens(group.Completions)));
        Advance(e.Inputs.Step);
        return step;
    }

    /// <summary>The groups that a step settles, as <see cref="Ledger.Settled"/> says; they are forgotten.</summary>
    private TrainedGroup[] Settle(StepInputs inputs)
    {
        var taken = inputs.Groups.Concat(inputs.PassedOver).ToHashSet();
        TrainedGroup[] settled =
        [
            .. groups.Where(group => plan.Order.Kind == OrderKind.Canonical ? group.Value.Step == inputs.Step : group.Value.IsDropped || taken.Contains(group.Key))
                .Select(group => group.Value.Group),
        ];
        foreach (TrainedGroup group in settled)
        {
            groups.Remove(group.Id);
        }

        return settled;
    }

    private ImmutableArray<RewardReport> Rewards(TrainedGroup[] settled) => plan.Phases[phase].Kind != PhaseKind.Grpo
        ? []
        : [.. RewardTally.Of(plan.Rewards.Length, settled.OrderBy(group => group.Id).Select(group => (group.Row, group.Completions))).Select((tally, k) => new RewardReport(plan.Rewards[k].Name, tally))];

    private void Advance(long step)
    {
        version = step + 1;
        evaluation = null;
    }

    private static long Tokens(ImmutableArray<ScoredCompletion> completions) => completions.Sum(scored => (long)scored.Completion.Tokens.Length);

    /// <param name="Step">That owns it.</param>
    private sealed record OpenGroup(TrainedGroup Group, long Step, bool IsDropped);
}
