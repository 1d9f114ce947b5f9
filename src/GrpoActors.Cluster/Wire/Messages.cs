using System.Collections.Immutable;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Core;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Cluster.Wire;

/// <summary>What crosses the network between nodes. Small by rule: what can be large travels by a <see cref="ContentRef"/>.</summary>
internal abstract record WireMessage;

/// <summary>To the coordinator.</summary>
internal abstract record ToCoordinator : WireMessage;

/// <summary>To a worker.</summary>
internal abstract record ToWorker : WireMessage;

/// <summary>Who speaks. A worker of another run, or of other kernels, is refused by name before anything it says is taken.</summary>
/// <param name="Name">Unique in the cluster: node and worker, for example <c>node-2/generator-1</c>.</param>
/// <param name="Identity">Of the plan that its node was started with.</param>
internal sealed record Introduction(string Name, Digest Identity, string NumericsRevision)
{
    public WorkerId Id => new(Name);
}

/// <summary>A generator is idle. Said again while no tickets come: it also makes the generator known to a coordinator that is new.</summary>
/// <param name="Ask">Counts its asks; the tickets that answer carry it.</param>
internal sealed record WorkWanted(Introduction By, long Ask) : ToCoordinator;

/// <summary>Its tickets are being worked on.</summary>
internal sealed record WorkGoesOn(Introduction By) : ToCoordinator;

/// <summary>What it held is to be issued again: its worker failed, or it leaves.</summary>
internal sealed record WorkDropped(Introduction By, string Reason) : ToCoordinator;

/// <summary>A ticket's completions can be fetched.</summary>
/// <param name="Weights">Digest of the policy that was used.</param>
internal sealed record CompletionsOffered(Introduction By, Ticket Ticket, Digest Weights, TimeSpan Elapsed, ContentRef Content) : ToCoordinator;

/// <summary>A scorer node takes so many calls now. Said again while it is idle.</summary>
internal sealed record CallsWanted(Introduction By, int Calls) : ToCoordinator;

internal sealed record CallAnswered(Introduction By, CallKey Call, ImmutableArray<ScoreOutcome> Outcomes) : ToCoordinator;

/// <summary>A trainer's node asks for the lease, or to keep it.</summary>
/// <param name="AskedAt">By its own clock, in ticks: what it is granted counts from then.</param>
/// <param name="Checkpoints">Its newest intact ones, newest first: a journal that is shorter has lost its tail.</param>
/// <param name="Orders">Received under its present term.</param>
/// <param name="Reports">Sent under it. A number that differs from the coordinator's own tells of something lost on the way, which no deadline need find.</param>
internal sealed record LeaseWanted(Introduction By, long AskedAt, ImmutableArray<CheckpointHeld> Checkpoints, long Orders = 0, long Reports = 0) : ToCoordinator;

internal sealed record CheckpointHeld(long Step, Digest Chain);

/// <summary>The trainer has ended by itself and gives the lease back.</summary>
internal sealed record LeaseReturned(Introduction By, long Term, string Reason) : ToCoordinator;

/// <summary>What a trainer brought about under its lease.</summary>
internal sealed record TrainerReport(long Term, TrainerNews News) : ToCoordinator;

internal abstract record TrainerNews
{
    /// <summary>It has been built from checkpoint and journal: whatever its predecessor was asked is to be asked again.</summary>
    internal sealed record Restarted : TrainerNews;

    internal sealed record Published(WeightsRef Weights) : TrainerNews;

    internal sealed record Trained(long Step, StepOutputs Outputs, StepTimings Timings) : TrainerNews;

    internal sealed record Tripped(long Step, Digest Batch, string Reason) : TrainerNews;

    internal sealed record Saved(long Step, string Folder, Digest Manifest, Digest WeightsSha256, Digest OptimizerSha256) : TrainerNews;

    internal sealed record Judged(PolicyVersion Version, Evaluation Evaluation) : TrainerNews;
}

internal readonly record struct CallKey(GroupId Group, int Reward, int Attempt)
{
    public static CallKey Of(ScoreCall call) => new(call.Group, call.Reward, call.Attempt);

    public override string ToString() => $"{Group} reward {Reward} try {Attempt + 1}";
}

/// <summary>Nothing that this worker says is taken, and why; its node gives up.</summary>
internal sealed record Refused(string Reason) : ToWorker;

internal sealed record TicketsIssued(long Ask, ImmutableArray<Ticket> Tickets, WeightsRef Weights) : ToWorker;

/// <summary>A version can be had, perhaps at another place than before.</summary>
/// <param name="RetireBelow">Versions below this one are needed by nobody.</param>
internal sealed record WeightsAnnounced(WeightsRef Weights, long RetireBelow) : ToWorker;

internal sealed record WeightsRetired(long Below) : ToWorker;

internal sealed record CallIssued(CallKey Key, long Row, ContentRef Completions) : ToWorker;

/// <summary>The lease is the receiver's.</summary>
/// <param name="Term">Grows with every holder.</param>
/// <param name="AskedAt">As it stood in the question.</param>
internal sealed record LeaseGranted(long Term, long AskedAt, TimeSpan For) : ToWorker;

internal sealed record LeaseDenied(string Holder) : ToWorker;

/// <summary>An effect of the learner. In order; what is lost is asked again when its deadline passes.</summary>
internal sealed record TrainerOrder(long Term, TrainerTask Task) : ToWorker;

internal abstract record TrainerTask
{
    internal sealed record BeginPhase(int Phase, bool ResetOptimizer, bool KeepReference) : TrainerTask;

    /// <summary>The batch itself stands in the journal, before <paramref name="Position"/>.</summary>
    internal sealed record Train(long Step, Digest Batch, Digest Policy, long Position) : TrainerTask;

    internal sealed record Publish(PolicyVersion Version, Digest Policy) : TrainerTask;

    internal sealed record Save(long Step, Digest Chain, long Position, Digest Policy, int Phase, bool IsLast) : TrainerTask;

    internal sealed record Retire(ImmutableArray<long> Kept) : TrainerTask;

    internal sealed record Judge(PolicyVersion Version) : TrainerTask;

    internal sealed record RollBack(long Step, long To, Digest Policy) : TrainerTask;
}

/// <summary>The run has ended, or cannot go on.</summary>
/// <param name="Failure">Null where it is complete.</param>
internal sealed record RunOver(string? Failure) : ToWorker;
