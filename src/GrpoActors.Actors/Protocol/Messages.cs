using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Protocol;

/// <summary>What passes between a run and its workers: by reference on one machine, by the wire codec between nodes. Small by rule: what can be large travels by reference.</summary>
internal abstract record WorkerMessage;

/// <summary>To the run.</summary>
internal abstract record ToRun : WorkerMessage;

/// <summary>To the run, from a worker that says who it is.</summary>
internal abstract record FromWorker(WorkerIdentity By) : ToRun;

/// <summary>To a worker.</summary>
internal abstract record ToWorker : WorkerMessage;

/// <summary>Who speaks. A worker of another run, or of other kernels, is refused by name before anything it says is taken.</summary>
/// <param name="Name">Unique in the run: for example <c>generator-1</c>, in a cluster <c>node-2/generator-1</c>.</param>
/// <param name="Identity">Of the plan that its process was started with.</param>
internal sealed record WorkerIdentity(string Name, Digest Identity, string NumericsRevision)
{
    public WorkerId Id => new(Name);
}

// ---- generators

/// <summary>A generator is idle. Said again while no tickets come: it also makes the generator known to a coordinator that is new.</summary>
/// <param name="Ask">Counts its asks; the tickets that answer carry it.</param>
internal sealed record WorkWanted(WorkerIdentity By, long Ask) : FromWorker(By);

/// <summary>Its tickets are being worked on.</summary>
internal sealed record Heartbeat(WorkerIdentity By) : FromWorker(By);

/// <summary>What it held is to be issued again: its sampler failed, or it leaves.</summary>
internal sealed record WorkReturned(WorkerIdentity By, string Reason) : FromWorker(By);

/// <summary>A ticket is answered.</summary>
/// <param name="Weights">Digest of the policy that was used.</param>
internal sealed record CompletionsOffered(WorkerIdentity By, Ticket Ticket, Digest Weights, TimeSpan Elapsed, CompletionsRef Completions) : FromWorker(By);

/// <param name="Ask">The ask that it answers.</param>
/// <param name="Weights">All tickets are of this version.</param>
internal sealed record TicketsIssued(long Ask, ImmutableArray<PromptedTicket> Tickets, WeightsRef Weights) : ToWorker;

/// <param name="Prompt">Token ids of the ticket's row; default where they came over the wire: a node has the rows itself.</param>
internal sealed record PromptedTicket(Ticket Ticket, ImmutableArray<int> Prompt);

/// <summary>A version can be had, perhaps at another place than before.</summary>
/// <param name="RetireBelow">Versions below this one are needed by no group.</param>
internal sealed record WeightsAnnounced(WeightsRef Weights, long RetireBelow) : ToWorker;

// ---- scorers

/// <summary>A node's scorers take so many calls now. Said again while they are idle.</summary>
internal sealed record CallsWanted(WorkerIdentity By, int Calls) : FromWorker(By);

internal sealed record CallAnswered(WorkerIdentity By, CallKey Call, ImmutableArray<ScoreOutcome> Outcomes) : FromWorker(By);

internal sealed record CallIssued(CallKey Key, long Row, CompletionsRef Completions) : ToWorker;

internal readonly record struct CallKey(GroupId Group, int Reward, int Attempt)
{
    public static CallKey Of(ScoreCall call) => new(call.Group, call.Reward, call.Attempt);

    public override string ToString() => $"{Group} reward {Reward} try {Attempt + 1}";
}

// ---- the trainer

/// <summary>A trainer asks for the lease, or to keep it.</summary>
/// <param name="AskedAt">By its own clock, in ticks: what it is granted counts from then.</param>
/// <param name="Checkpoints">Its newest intact ones, newest first: a journal that is shorter has lost its tail.</param>
/// <param name="Orders">Received under its present term.</param>
/// <param name="Reports">Sent under it. A number that differs from the coordinator's own tells of something lost on the way, which no deadline need find.</param>
internal sealed record LeaseWanted(WorkerIdentity By, long AskedAt, ImmutableArray<LedgerValue> Checkpoints, long Orders = 0, long Reports = 0) : FromWorker(By);

/// <summary>The trainer has ended by itself and gives the lease back.</summary>
internal sealed record LeaseReturned(WorkerIdentity By, long Term, string Reason) : FromWorker(By);

/// <summary>What a trainer brought about under its lease: a command of the learner.</summary>
/// <param name="Weights">Where they are, with <see cref="Command.VersionPublished"/>; null otherwise.</param>
internal sealed record TrainerReport(long Term, Command Command, WeightsRef? Weights = null) : ToRun;

/// <summary>The lease is the receiver's.</summary>
/// <param name="Term">Grows with every holder.</param>
/// <param name="AskedAt">As it stood in the question.</param>
/// <param name="For"><see cref="Timeout.InfiniteTimeSpan"/> inside one process.</param>
/// <param name="AcceptLostTail">The run was started with --accept-lost-tail.</param>
internal sealed record LeaseGranted(long Term, long AskedAt, TimeSpan For, bool AcceptLostTail) : ToWorker;

internal sealed record LeaseDenied(string Holder) : ToWorker;

/// <summary>An effect of the learner. In order; what is lost is asked again when its deadline passes.</summary>
internal sealed record TrainerOrder(long Term, Effect Effect) : ToWorker;

/// <summary>The order to train a batch for a trainer elsewhere, which reads the batch where it lies: in the journal before <paramref name="Position"/>.</summary>
/// <param name="Batch">Digest of the batch.</param>
/// <param name="Policy">Digest of the version that it trains.</param>
internal sealed record TrainJournalled(long Term, long Step, Digest Batch, Digest Policy, long Position) : ToWorker;

// ---- all workers

/// <summary>Nothing that this worker says is taken, and why; its process gives up.</summary>
internal sealed record Refused(string Reason) : ToWorker;

/// <summary>The run has come to another version.</summary>
/// <param name="Version">Committed steps: what restarts are forgiven by.</param>
/// <param name="RetireBelow">Versions below this one are needed by no group.</param>
internal sealed record VersionReached(long Version, long RetireBelow) : ToWorker;

/// <summary>The run has ended, or cannot go on.</summary>
/// <param name="Failure">Null where it is complete.</param>
internal sealed record RunOver(string? Failure) : ToWorker;
