using System.Collections.Immutable;
using GrpoActors.Core.Completions;

namespace GrpoActors.Core.Runs;

/// <summary>What is asked of a stage. Commands may come twice, late, or never: no stage depends on more than one of them arriving in the end.</summary>
public abstract record Command
{
    private Command()
    {
    }

    /// <summary>The run's state has changed: decide what follows from it. Sent to every stage after each event and after recovery.</summary>
    public sealed record Reconsider : Command;

    /// <summary>A version's weights can be had by generators.</summary>
    public sealed record VersionPublished(PolicyVersion Version) : Command;

    public sealed record GeneratorJoined(WorkerId Generator) : Command;

    /// <summary>Gone, or restarted: whatever it held is issued again.</summary>
    public sealed record GeneratorLeft(WorkerId Generator) : Command;

    /// <param name="GroupsMax">How many groups it takes at once.</param>
    public sealed record WorkAsked(WorkerId Generator, int GroupsMax) : Command;

    /// <summary>Prolongs the lease of whatever the generator holds.</summary>
    public sealed record Progress(WorkerId Generator) : Command;

    /// <param name="Weights">Digest of the weights that were used.</param>
    public sealed record CompletionsArrived(WorkerId Generator, Ticket Ticket, Digest Weights, ImmutableArray<Completion> Completions, TimeSpan Elapsed) : Command;

    /// <summary>Outcomes of one call, in the order of the call's indices.</summary>
    public sealed record ScoreArrived(ScoreCall Call, ImmutableArray<ScoreOutcome> Outcomes) : Command;

    public sealed record BatchTrained(long Step, StepOutputs Outputs, StepTimings Timings) : Command;

    /// <summary>The step could not be trained: a number in it is not finite. Nothing was learned.</summary>
    /// <param name="Batch">Digest of the batch that was to be trained.</param>
    public sealed record SentinelTripped(long Step, Digest Batch, string Reason) : Command;

    public sealed record CheckpointDone(long Step, string Folder, Digest Manifest, Digest WeightsSha256, Digest OptimizerSha256) : Command;

    public sealed record EvaluationDone(PolicyVersion Version, Evaluation Evaluation) : Command;

    /// <summary>The trainer was built again from checkpoint and journal: what was asked of the one before is asked again.</summary>
    public sealed record TrainerRestarted : Command;

    /// <summary>Time enters here and nowhere else.</summary>
    public sealed record DeadlinePassed(DeadlineId Deadline) : Command;

    public static Reconsider Again { get; } = new();
}

/// <summary>One call of one reward.</summary>
/// <param name="Reward">Index in the plan's rewards.</param>
/// <param name="Completions">The completions asked about, ascending by index.</param>
/// <param name="Attempt">From 0.</param>
public sealed record ScoreCall(GroupId Group, long Row, int Reward, ImmutableArray<Completion> Completions, int Attempt);

public enum Waits : byte
{
    Ticket = 0,
    Score = 1,
    Training = 2,
    Checkpoint = 3,
    Evaluation = 4,
    Publication = 5,
    /// <summary>Groups could be sampled, and no generator asks for work.</summary>
    Work = 6,
}

/// <summary>A named wait: what is waited for, by which ids, in which attempt.</summary>
/// <param name="Subject">A group, a step or a version, as text.</param>
public readonly record struct DeadlineId(Waits For, string Subject, int Attempt)
{
    public override string ToString() => $"{For} {Subject} (attempt {Attempt + 1})";
}

/// <summary>What a host must bring about. Runs only when the events decided with it are durable; idempotent by its ids; answered by a command.</summary>
public abstract record Effect
{
    private Effect()
    {
    }

    /// <summary>Answered by CompletionsArrived, once for each ticket.</summary>
    public sealed record SendTickets(WorkerId Generator, ImmutableArray<Ticket> Tickets) : Effect;

    /// <summary>Answered by ScoreArrived.</summary>
    public sealed record RunScorer(ScoreCall Call) : Effect;

    /// <summary>The trainer resets its optimiser if asked, and keeps the present policy as reference if the phase has one. Unanswered: effects of the trainer run in order.</summary>
    public sealed record BeginPhase(int Phase, bool ResetOptimizer, bool KeepReference) : Effect;

    /// <summary>Answered by BatchTrained.</summary>
    /// <param name="Policy">Digest of the version that it trains. A trainer that holds another one is on another course than the journal and must be built again.</param>
    public sealed record TrainBatch(TrainingBatch Batch, Digest Policy) : Effect;

    /// <summary>Answered by VersionPublished, also where the version has long been published.</summary>
    /// <param name="Policy">Digest of the version.</param>
    public sealed record PublishVersion(PolicyVersion Version, Digest Policy) : Effect;

    /// <summary>Answered by CheckpointDone.</summary>
    /// <param name="Chain">The ledger's value at this step.</param>
    /// <param name="Position">Events folded so far.</param>
    /// <param name="Phase">The phase that has begun: at the first version of a phase, optimiser and reference differ from what they were before it.</param>
    /// <param name="IsLast">Training has stopped at this version: a trainer that stands beyond it, with a step that will not be committed, must be built again.</param>
    public sealed record WriteCheckpoint(long Step, Digest Chain, long Position, Digest Policy, int Phase, bool IsLast = false) : Effect;

    /// <summary>Checkpoints older than the newest of these, and none of them, go. Unanswered.</summary>
    public sealed record RetireCheckpoints(ImmutableArray<long> Kept) : Effect;

    /// <summary>The journal's records before this position go, all or none, by the writer's own fence. Unanswered; asked again after recovery.</summary>
    public sealed record DeleteRecords(long Before) : Effect;

    /// <summary>Answered by EvaluationDone.</summary>
    public sealed record Evaluate(PolicyVersion Version) : Effect;

    /// <summary>The trainer, at version <paramref name="Step"/> or just beyond it with a step that is not committed, returns to the checkpoint of step
    /// <paramref name="To"/> and is then at version Step + 1.</summary>
    /// <param name="Policy">Digest of that version.</param>
    public sealed record RollBack(long Step, long To, Digest Policy) : Effect;

    /// <summary>Answered by DeadlinePassed unless what is waited for came before.</summary>
    public sealed record SetDeadline(DeadlineId Deadline, TimeSpan After) : Effect;

    /// <summary>Stop with the state intact; a later start goes on.</summary>
    public sealed record StopRun(string Reason) : Effect;

    /// <summary>For another stage, within the same decision.</summary>
    public sealed record HandOn(Command Command) : Effect;
}

/// <summary>A stage's answer.</summary>
/// <typeparam name="TMemory">What the stage holds that a crash may forget: leases, calls in flight.</typeparam>
/// <param name="Events">Appended in one transaction or not at all.</param>
/// <param name="Effects">Run once the events are durable, in this order.</param>
public readonly record struct Decision<TMemory>(TMemory Memory, ImmutableArray<RunEvent> Events, ImmutableArray<Effect> Effects)
{
    public static Decision<TMemory> Nothing(TMemory memory) => new(memory, [], []);
}
