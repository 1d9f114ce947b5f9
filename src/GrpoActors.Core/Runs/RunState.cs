using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>
/// The one fold of the run's stream. Every stage decides on it; live and in recovery it is made by <see cref="Apply(RunEvent)"/> alone.
/// An event that cannot follow throws: in Release too.
/// </summary>
/// <param name="Position">Events folded so far.</param>
/// <param name="Phase">Index of the present phase; -1 before the first.</param>
/// <param name="PhaseStart">Steps committed when it began.</param>
/// <param name="WindowStep">Canonical order: the step that owns ordinal <paramref name="WindowOrdinal"/>; both move only at a phase's start and at a rollback.</param>
/// <param name="Updates">Steps of this phase that moved the weights: the schedule's clock.</param>
/// <param name="Examples">Worked examples consumed in this phase.</param>
/// <param name="Groups">Opened and not yet settled by a step.</param>
/// <param name="Policies">Digest of each version that an open group or the learner may still need.</param>
/// <param name="ReturnedTo">The steps that rollbacks went back to.</param>
/// <param name="RollbackPoint">The newest version that a rollback may return to; null where the plan never does.</param>
/// <param name="Progress">What the run's result tells of its past.</param>
/// <param name="Stopped">A sentinel's verdict, once it has ended training.</param>
/// <param name="Compaction">The newest compaction record; null before the first.</param>
public sealed record RunState(
    RunIdentity Plan, long Position, bool Started, PolicyVersion Version, Digest Policy, Digest Chain, int Phase, long PhaseStart,
    long WindowStep, long WindowOrdinal, long PrimaryNext, long RefillNext, long Updates, long Examples, int EmptyInRow, int Rollbacks,
    PolicyVersion? Reference, AdaptiveState Adaptive, ImmutableSortedDictionary<GroupId, GroupState> Groups,
    ImmutableSortedDictionary<long, Digest> Policies, Evaluation? EvaluationOfVersion, ImmutableList<CheckpointRecord> Checkpoints,
    RunCounts Counts, RunEvent.RunEnded? Ended, SentinelHistory Watched, ImmutableSortedSet<long> ReturnedTo, RollbackPoint? RollbackPoint,
    RunProgress Progress, RunEvent.TrainingStopped? Stopped = null, CompactionPoint? Compaction = null)
{
    /// <summary>Shape [rewards]: what the balancer multiplies the plan's weights by in the next step; empty before it first moved any. Follows from the outcomes that the journal holds.</summary>
    public ImmutableArray<double> Balance { get; init; } = [];

    /// <summary>Shape [rewards]: the weights of the next step.</summary>
    public ImmutableArray<double> RewardWeights => Balance.IsEmpty ? Plan.RewardWeights : [.. Plan.RewardWeights.Zip(Balance, (weight, factor) => weight * factor)];

    public static RunState Begin(RunIdentity plan) => new(
        plan, 0, false, new PolicyVersion(0), default, default, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, AdaptiveState.Neutral,
        ImmutableSortedDictionary<GroupId, GroupState>.Empty, ImmutableSortedDictionary<long, Digest>.Empty, null, [], RunCounts.Zero, null, SentinelHistory.Nothing, [], null,
        RunProgress.Nothing);

    public PhasePlan? PhasePlan => Phase >= 0 ? Plan.Phases[Phase] : null;

    /// <summary>The step number at which the present phase is over.</summary>
    public long PhaseEnd => Phase >= 0 ? PhaseStart + Plan.Phases[Phase].Steps : 0;

    public bool PhaseIsOver => Phase >= 0 && Version.Steps >= PhaseEnd;

    public RunState Apply(RunEvent e)
    {
        Require(Started || e is RunEvent.RunStarted or RunEvent.Compacted, "The stream begins neither with RunStarted nor with a compaction record.");
        Require(Ended is null, $"{e.GetType().Name} follows the end of the run.");
        RunState next = e switch
        {
            RunEvent.RunStarted x => Apply(x),
            RunEvent.PhaseStarted x => Apply(x),
            RunEvent.GroupOpened x => Apply(x),
            RunEvent.CompletionsScored x => Apply(x),
            RunEvent.GroupClosed x => Apply(x),
            RunEvent.StepCommitted x => Apply(x),
            RunEvent.Evaluated x => Apply(x),
            RunEvent.CheckpointWritten x => Apply(x),
            RunEvent.RolledBack x => Apply(x),
            RunEvent.Rebased x => this with { Policy = x.Policy, Policies = Policies.SetItem(x.Step + 1, x.Policy) },
            RunEvent.CheckpointsRetired x => Apply(x),
            RunEvent.Compacted x => Apply(x),
            RunEvent.TrainingStopped x => Apply(x),
            RunEvent.RunEnded x => DropOpen() with { Ended = x },
            _ => throw new InvalidOperationException($"Unknown event {e.GetType().Name}."),
        };
        return next with { Position = next.Position + 1 };
    }

    private RunState Apply(RunEvent.RunStarted e)
    {
        Require(!Started, "RunStarted twice.");
        return this with
        {
            Started = true,
            Policy = e.Policy,
            Chain = e.Identity,
            Policies = Policies.SetItem(0, e.Policy),
        };
    }

    private RunState Apply(RunEvent.PhaseStarted e)
    {
        Require(e.Phase == Phase + 1 && e.Phase < Plan.Phases.Length, $"Phase {e.Phase} cannot follow phase {Phase}.");
        Require(Phase < 0 || PhaseIsOver, $"Phase {e.Phase} starts before phase {Phase} is over.");
        Require(e.Version == Version && e.Policy == Policy, $"Phase {e.Phase} starts at {e.Version}, not at {Version}.");
        Require(Groups.IsEmpty || Plan.Order.Kind == OrderKind.Arrival, $"Phase {e.Phase} starts while {Groups.Count} groups of the one before are unsettled.");
        return DropOpen() with // arrival order: what came too late for the phase's last step
        {
            Phase = e.Phase,
            PhaseStart = Version.Steps,
            WindowStep = Version.Steps,
            WindowOrdinal = 0,
            PrimaryNext = 0,
            RefillNext = 0,
            Updates = 0,
            Examples = 0,
            EmptyInRow = 0,
            Reference = e.Reference is null ? null : Version,
            Adaptive = StartingCoefficients.Of(Plan.Phases[e.Phase]) with { LearningRateScale = Adaptive.LearningRateScale },
            Watched = SentinelHistory.Nothing,
            RollbackPoint = Plan.Sentinels is { RollsBack: true } ? new RollbackPoint(Version.Steps, Policy, e.Reference is null ? null : Version) : null,
        };
    }

    private RunState Apply(RunEvent.GroupOpened e)
    {
        long expected = e.Group.Stream == GroupStream.Primary ? PrimaryNext : RefillNext;
        Require(e.Group.Phase == Phase, $"Group {e.Group} is opened in phase {Phase}.");
        Require(e.Group.Ordinal == expected, $"Group {e.Group} is opened; the next ordinal of its stream is {expected}.");
        Require(e.Version <= Version && Policies.ContainsKey(e.Version.Steps), $"Group {e.Group} is opened for {e.Version}, which is not at hand (the run is at {Version}).");
        Require(e.Step >= Version.Steps && e.Step - e.Version.Steps <= Plan.Order.Lag, $"Group {e.Group} of step {e.Step} sampled by {e.Version} breaks the lag limit {Plan.Order.Lag}.");
        var group = new GroupState(e.Group, e.Row, e.Version, e.Step, e.Round, GroupFate.Open, [], DropReason.None, 0);
        return this with
        {
            PrimaryNext = e.Group.Stream == GroupStream.Primary ? PrimaryNext + 1 : PrimaryNext,
            RefillNext = e.Group.Stream == GroupStream.Refill ? RefillNext + 1 : RefillNext,
            Groups = Groups.Add(e.Group, group),
            Counts = Counts with { GroupsIssued = Counts.GroupsIssued + 1 },
        };
    }

    private RunState Apply(RunEvent.CompletionsScored e)
    {
        GroupState group = Known(e.Group);
        Require(group.Fate == GroupFate.Open, $"Group {e.Group} is scored twice.");
        Require(e.Version == group.Version, $"Group {e.Group} was to be sampled by {group.Version}, not {e.Version}.");
        Require(Policies.TryGetValue(e.Version.Steps, out Digest policy) && e.Weights == policy, $"Group {e.Group} was sampled with other weights than those of {e.Version}.");
        Require(e.Completions.Length == Plan.Phases[Phase].Groups.NumGenerations, $"Group {e.Group} has {e.Completions.Length} completions.");
        long tokens = 0, late = 0, faulted = 0;
        foreach (ScoredCompletion completion in e.Completions)
        {
            tokens += completion.Completion.Tokens.Length;
            late += completion.Outcomes.Count(outcome => outcome is ScoreOutcome.TimedOut);
            faulted += completion.Outcomes.Count(outcome => outcome is ScoreOutcome.Faulted);
        }

        return this with
        {
            Groups = Groups.SetItem(e.Group, group with { Fate = GroupFate.Scored, Completions = e.Completions }),
            Progress = Progress.After(group, e.Completions),
            Counts = Counts with
            {
                TokensSampled = Counts.TokensSampled + tokens,
                OutcomesByTiming = Counts.OutcomesByTiming + late,
                OutcomesFaulted = Counts.OutcomesFaulted + faulted,
            },
        };
    }

    private RunState Apply(RunEvent.GroupClosed e)
    {
        GroupState group = Known(e.Group);
        Require(group.Fate == GroupFate.Scored, $"Group {e.Group} is closed while {group.Fate}.");
        GroupFate fate = e.Reason == DropReason.None ? GroupFate.Kept : GroupFate.Dropped;
        return this with
        {
            Groups = Groups.SetItem(e.Group, group with { Fate = fate, Reason = e.Reason, ClosedAt = Position }),
            Counts = fate == GroupFate.Dropped ? Dropped(group) : Counts,
        };
    }

    private RunState Apply(RunEvent.StepCommitted e)
    {
        StepInputs inputs = e.Inputs;
        Require(inputs.Step == Version.Steps, $"Step {inputs.Step} is committed; the next is {Version.Steps}.");
        Require(inputs.Phase == Phase && !PhaseIsOver, $"Step {inputs.Step} of phase {inputs.Phase} is committed in phase {Phase}.");
        Require(inputs.PrimaryCursor == PrimaryNext && inputs.RefillCursor == RefillNext, $"Step {inputs.Step} was decided at other cursors.");
        Require(inputs.FirstExample == Examples, $"Step {inputs.Step} trains examples from {inputs.FirstExample}; {Examples} are trained.");
        RunCounts counts = Counts;
        foreach (GroupId id in inputs.Groups)
        {
            GroupState group = Known(id);
            Require(group.Fate == GroupFate.Kept, $"Step {inputs.Step} trains group {id}, which is {group.Fate}.");
            Require(inputs.Step - group.Version.Steps <= Plan.Order.Lag, $"Step {inputs.Step} trains group {id} of {group.Version}: beyond lag {Plan.Order.Lag}.");
            counts = counts with { GroupsTrained = counts.GroupsTrained + 1, TokensTrained = counts.TokensTrained + group.Tokens };
        }

        foreach (GroupId id in inputs.PassedOver)
        {
            GroupState group = Known(id);
            Require(group.Fate == GroupFate.Kept, $"Step {inputs.Step} passes over group {id}, which is {group.Fate}.");
            counts = counts with { GroupsDropped = counts.GroupsDropped + 1, TokensDropped = counts.TokensDropped + group.Tokens };
        }

        var groups = Groups.RemoveRange(Ledger.Settled(this, inputs).Select(group => group.Id));
        return (this with
        {
            Groups = groups,
            Counts = counts,
            Chain = e.Chain,
            Updates = e.Outputs.Empty ? Updates : Updates + 1,
            EmptyInRow = e.Outputs.TeachesNothing ? EmptyInRow + 1 : 0,
            Examples = Examples + inputs.Examples,
            Watched = Watched.After(e.Outputs),
            Reference = Reference is not null && PhasePlan?.Group?.Objective.Reference.MixAfter(inputs.Step + 1 - PhaseStart) > 0 ? Version.Next : Reference,
            Progress = Progress.After(e),
            Balance = Balanced(inputs),
        }).Advance(e.Outputs.Policy, e.Outputs.Next);
    }

    private ImmutableArray<double> Balanced(StepInputs inputs)
    {
        if (Plan.Balancer is not { } balancer || inputs.Kind != PhaseKind.Grpo)
        {
            return Balance;
        }

        Dictionary<string, double> next = ObjectiveLevel.Of(this, inputs).ToDictionary(
            level => level.Name,
            level => balancer.Targets.TryGetValue(level.Name, out double target) && level.Mean is { } mean ? balancer.Next(level.Factor, target, mean) : level.Factor,
            StringComparer.Ordinal);
        return [.. Plan.Rewards.Select(reward => next[reward.ObjectiveName])];
    }

    private RunState Advance(Digest policy, AdaptiveState adaptive)
    {
        PolicyVersion version = Version.Next;
        long oldest = Groups.Values.Where(group => !group.IsClosed).Select(group => group.Version.Steps).DefaultIfEmpty(version.Steps).Min();
        long keep = Math.Min(oldest, version.Steps - Plan.Order.Lag);
        return this with
        {
            Version = version,
            Policy = policy,
            Policies = Policies.RemoveRange(Policies.Keys.TakeWhile(v => v < keep)).SetItem(version.Steps, policy),
            Adaptive = adaptive,
            EvaluationOfVersion = null,
            RollbackPoint = IsRollbackPoint(version) ? new RollbackPoint(version.Steps, policy, Reference) : RollbackPoint,
        };
    }

    private bool IsRollbackPoint(PolicyVersion version) =>
        Plan.Sentinels is { RollsBack: true, RollbackEverySteps: > 0 and int every } && (version.Steps - PhaseStart) % every == 0 && version.Steps < PhaseEnd;

    private RunState Apply(RunEvent.Evaluated e)
    {
        Require(e.Version == Version && EvaluationOfVersion is null, $"An evaluation of {e.Version} arrives at {Version}.");
        return this with
        {
            EvaluationOfVersion = e.Evaluation,
            Progress = Progress.After(e.Evaluation, PhaseIsOver),
            Checkpoints = Checkpoints.ConvertAll(checkpoint => checkpoint.Step == e.Version.Steps ? checkpoint with { Accuracy = e.Evaluation.Accuracy } : checkpoint),
        };
    }

    private RunState Apply(RunEvent.CheckpointWritten e)
    {
        Require(e.Step <= Version.Steps, $"A checkpoint of step {e.Step} is recorded at {Version}.");
        double? accuracy = e.Step == Version.Steps ? EvaluationOfVersion?.Accuracy : Checkpoints.Find(old => old.Step == e.Step)?.Accuracy;
        var record = new CheckpointRecord(e.Step, e.Folder, e.Manifest, e.WeightsSha256, e.OptimizerSha256, accuracy);
        return this with { Checkpoints = Checkpoints.RemoveAll(old => old.Step == e.Step).Add(record) };
    }

    private RunState Apply(RunEvent.CheckpointsRetired e)
    {
        foreach (long step in e.Steps)
        {
            Require(!Retention.IsNeeded(this, step), $"The checkpoint of step {step} is retired, and the run needs it.");
        }

        return this with { Checkpoints = Checkpoints.RemoveAll(checkpoint => e.Steps.Contains(checkpoint.Step)) };
    }

    private RunState Apply(RunEvent.Compacted e)
    {
        RunState folded = e.Folded;
        Require(
            !Started || (folded.Position == Position && folded.Version == Version && folded.Chain == Chain && folded.Counts == Counts && folded.PrimaryNext == PrimaryNext && folded.Groups.Count == Groups.Count),
            $"The compaction record at {Position} holds another state than the one folded up to it.");
        return (Started ? this : folded with { Plan = Plan }) with { Compaction = new CompactionPoint(folded.Position, folded.Version.Steps, e.Before) };
    }

    private RunState Apply(RunEvent.TrainingStopped e)
    {
        Require(e.Step == Version.Steps && !PhaseIsOver && Stopped is null, $"Training is stopped at step {e.Step} where the run is at {Version}.");
        return this with { Stopped = e };
    }

    private RunState Apply(RunEvent.RolledBack e)
    {
        Require(e.Step == Version.Steps && e.To <= e.Step, $"Step {e.Step} rolls back to {e.To} at {Version}.");
        Require(Checkpoints.Any(checkpoint => checkpoint.Step == e.To), $"Step {e.Step} rolls back to {e.To}, of which no checkpoint is recorded.");
        Require(e.Cursor == PrimaryNext, $"The rollback at step {e.Step} goes on from ordinal {e.Cursor}; the first never opened is {PrimaryNext}.");
        return (DropOpen() with
        {
            Chain = e.Chain,
            Rollbacks = Rollbacks + 1,
            WindowStep = e.Step + 1,
            WindowOrdinal = e.Cursor,
            Watched = Watched.Recovered(),
            Reference = RollbackPoint?.Step == e.To ? RollbackPoint.Reference : Reference,
            ReturnedTo = ReturnedTo.Add(e.To),
        }).Advance(e.Policy, e.Adaptive);
    }

    private RunState DropOpen()
    {
        RunCounts counts = Counts;
        foreach (GroupState group in Groups.Values.Where(group => group.Fate != GroupFate.Dropped))
        {
            counts = counts with { GroupsDropped = counts.GroupsDropped + 1, TokensDropped = counts.TokensDropped + group.Tokens };
        }

        return this with { Groups = Groups.Clear(), Counts = counts };
    }

    private RunCounts Dropped(GroupState group) =>
        Counts with { GroupsDropped = Counts.GroupsDropped + 1, TokensDropped = Counts.TokensDropped + group.Tokens };

    private GroupState Known(GroupId id) =>
        Groups.TryGetValue(id, out GroupState? group) ? group : throw new InvalidOperationException($"Group {id} is not open.");

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new InvalidOperationException(otherwise);
        }
    }
}

/// <summary>A checkpoint that the journal knows of.</summary>
/// <param name="Accuracy">Held-out, in [0, 1], of the version inside; null where it was not evaluated.</param>
public sealed record CheckpointRecord(long Step, string Folder, Digest Manifest, Digest WeightsSha256, Digest OptimizerSha256, double? Accuracy = null);

/// <param name="Position">Of the newest compaction record.</param>
/// <param name="Step">Committed steps folded into it.</param>
/// <param name="Before">The records before this position are to be deleted; 0: none.</param>
public sealed record CompactionPoint(long Position, long Step, long Before);
