namespace GrpoActors.Simulation.Tests.Faults;

/// <summary>What can go wrong. A fault strikes at once, or lies in wait for the next occasion of its kind.</summary>
internal enum FaultKind
{
    /// <summary>Dies before an append, after it, or after any number of the effects that it allowed.</summary>
    KillDecider,
    /// <summary>Dies before or after an effect, or between two disk operations of a checkpoint.</summary>
    KillTrainer,
    KillGenerator,
    KillScorer,
    KillEvaluator,
    /// <summary>All processes die; the disk keeps what was flushed and any part of the rest.</summary>
    PowerLoss,
    PowerLossInCheckpoint,
    LoseMessage,
    DuplicateMessage,
    DelayMessage,
    /// <summary>Held back until several later ones of the same pair have arrived.</summary>
    ReorderMessage,
    Partition,
    ClockJump,
    ClockDrift,
    SlowScorer,
    HangingScorer,
    /// <summary>NaN, an infinity, too many outcomes, or outcomes for another reward.</summary>
    LyingScorer,
    /// <summary>A completion that no attempt gets scored in time: the one fault that is an outcome.</summary>
    ExhaustedScorer,
    GeneratorJoins,
    GeneratorLeaves,
    GeneratorStalls,
    WrongVersion,
    WrongWeights,
    AnswersTwice,
    AnswersShort,
    JournalFull,
    JournalSlow,
    CommitUnknown,
    /// <summary>The database comes back without its last transactions.</summary>
    LostSuffix,
    /// <summary>A writer that was frozen wakes when another has taken over.</summary>
    StaleWriter,
    CheckpointDiskFull,
    CheckpointDiskSlow,
    CheckpointBitFlip,
    /// <summary>The disk says that it has flushed, and has not; then the power fails.</summary>
    DiskLies,
    TrainerStopped,
}

/// <param name="At">In simulator events: the fault is armed when so many have been handled.</param>
/// <param name="Choice">Decides whatever else there is to decide: the victim, the moment, the length.</param>
internal readonly record struct Fault(FaultKind Kind, int At, int Choice)
{
    public override string ToString() => $"{Kind} from event {At} ({Choice})";
}
