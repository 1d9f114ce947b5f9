using System.Collections.Immutable;
using GrpoActors.Core.Completions;

namespace GrpoActors.Core.Runs;

/// <summary>What happened: the run's one persisted stream consists of these. Their bytes are fixed in <c>GrpoActors.Journal</c>.</summary>
public abstract record RunEvent
{
    private RunEvent()
    {
    }

    /// <summary>The first event of a run; carries what the ledger's chain starts from.</summary>
    /// <param name="Identity">SHA-256 of the plan's identity.</param>
    /// <param name="Policy">Digest of the starting weights.</param>
    public sealed record RunStarted(Digest Identity, Digest Policy, string NumericsRevision) : RunEvent;

    /// <param name="Reference">Digest of the policy that the phase's KL term compares with; null where it has none.</param>
    public sealed record PhaseStarted(int Phase, string Name, PolicyVersion Version, Digest Policy, Digest? Reference, bool OptimizerReset) : RunEvent;

    /// <param name="Row">Data row, from the keyed permutation of the group's epoch.</param>
    /// <param name="Version">The version that samples it.</param>
    /// <param name="Step">Canonical order: the step that owns it. Arrival order: the step that was being gathered when it was opened.</param>
    /// <param name="Round">0 for the primary stream; the refill round, from 1, otherwise.</param>
    public sealed record GroupOpened(GroupId Group, long Row, PolicyVersion Version, long Step, int Round) : RunEvent;

    /// <param name="Weights">Digest of the weights that the generator used.</param>
    public sealed record CompletionsScored(GroupId Group, PolicyVersion Version, Digest Weights, ImmutableArray<ScoredCompletion> Completions, Provenance By) : RunEvent;

    /// <param name="Reason"><see cref="DropReason.None"/> for a kept group.</param>
    public sealed record GroupClosed(GroupId Group, DropReason Reason) : RunEvent;

    /// <param name="Chain">The ledger's value after this step.</param>
    public sealed record StepCommitted(StepInputs Inputs, StepOutputs Outputs, Digest Chain, StepTimings Timings) : RunEvent;

    public sealed record Evaluated(PolicyVersion Version, Evaluation Evaluation) : RunEvent;

    /// <param name="Step">Committed steps at the time, which is also the version of the weights inside.</param>
    /// <param name="Position">Stream position when it was written.</param>
    public sealed record CheckpointWritten(long Step, string Folder, Digest Manifest, Digest WeightsSha256, Digest OptimizerSha256, long Position) : RunEvent;

    /// <summary>A step whose effect is to return to an earlier checkpoint: version <paramref name="Step"/> + 1 has its weights and optimiser.</summary>
    /// <param name="Cursor">First primary ordinal never opened: where the run goes on.</param>
    /// <param name="Policy">Digest of the policy at <paramref name="To"/>.</param>
    /// <param name="LearningRateScale">What every later learning rate is multiplied by.</param>
    public sealed record RolledBack(long Step, long To, string Reason, double LearningRateScale, long Cursor, Digest Policy, AdaptiveState Adaptive, Digest Chain) : RunEvent;

    /// <summary>Replay of step <paramref name="Step"/> gave other bits, in a mode that is not exact.</summary>
    public sealed record Rebased(long Step, Digest Update, Digest Policy) : RunEvent;

    /// <summary>No promise needs the checkpoints of these steps, and the plan does not ask for them. Their files go once this is durable.</summary>
    public sealed record CheckpointsRetired(ImmutableArray<long> Steps) : RunEvent;

    /// <summary>All that was folded before this event: a stream may begin with it. The records before <paramref name="Before"/> go once this is durable.</summary>
    /// <param name="Before">Position of the compaction record before this one, or 0: what it left is deleted only when this one is there too.</param>
    /// <param name="Folded">Its plan is no part of the record: a reader's own takes its place.</param>
    public sealed record Compacted(long Before, RunState Folded) : RunEvent;

    /// <summary>A sentinel ended training: no step follows, and the run ends once a checkpoint of this version is recorded.</summary>
    /// <param name="Step">Committed steps.</param>
    /// <param name="End">How the run will end.</param>
    /// <param name="Reason">What was seen, as one clause.</param>
    public sealed record TrainingStopped(long Step, RunEnd End, string Reason) : RunEvent;

    /// <summary>Open groups are dropped by this event.</summary>
    public sealed record RunEnded(long Step, RunEnd Reason) : RunEvent;
}

public enum RunEnd : byte
{
    Completed = 0,
    TooManyEmptySteps = 1,
    RefillExhausted = 2,
    SentinelTripped = 3,
    TooManyRollbacks = 4,
}

/// <summary>Why a group is not trained.</summary>
public enum DropReason : byte
{
    /// <summary>Kept.</summary>
    None = 0,
    /// <summary>Fewer than two of its completions could be scored.</summary>
    Unscorable = 1,
    /// <summary>All rewards equal, and the plan filters such groups (DAPO).</summary>
    NoSpread = 2,
    /// <summary>Arrival order: older than the lag limit when its turn came.</summary>
    Stale = 3,
    RolledBack = 4,
    RunEnded = 5,
}

/// <summary>Groups and tokens since the run began. issued = trained + dropped + open, always, of both.</summary>
/// <param name="GroupsIssued">Counted from GroupOpened alone.</param>
/// <param name="TokensSampled">Completion tokens, counted from CompletionsScored alone.</param>
public sealed record RunCounts(long GroupsIssued, long GroupsTrained, long GroupsDropped, long TokensSampled, long TokensTrained, long TokensDropped, long OutcomesByTiming, long OutcomesFaulted)
{
    public static RunCounts Zero { get; } = new(0, 0, 0, 0, 0, 0, 0, 0);
}
