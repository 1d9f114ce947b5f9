using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Telemetry;

/// <summary>What a run and its workers write to the log.</summary>
internal static partial class RunLogLines
{
    [LoggerMessage(LogLevel.Warning, "The completions of {Call} cannot be had: {Reason}")]
    public static partial void CompletionsMissing(this ILogger log, CallKey call, string reason);

    [LoggerMessage(LogLevel.Error, "The coordinator refuses this node: {Reason}")]
    public static partial void NodeRefused(this ILogger log, string reason);

    [LoggerMessage(LogLevel.Warning, "{Worker} failed and is started again ({Restart} of {RestartsMax}): {Reason}")]
    public static partial void WorkerRestarts(this ILogger log, Exception failure, string worker, int restart, int restartsMax, string reason);

    [LoggerMessage(LogLevel.Debug, "The trainer is at {Version}; {Effect} is for another one and is passed over")]
    public static partial void EffectPassedOver(this ILogger log, PolicyVersion version, string effect);

    [LoggerMessage(LogLevel.Warning, "Step {Step} cannot be trained: {Reason}")]
    public static partial void StepUntrainable(this ILogger log, long step, string reason);

    [LoggerMessage(LogLevel.Warning, "{Holder} is the trainer now; this node stands by")]
    public static partial void StandsBy(this ILogger log, string holder);

    [LoggerMessage("This process is the trainer (term {Term})")]
    public static partial void HoldsLease(this ILogger log, LogLevel level, long term);

    [LoggerMessage(LogLevel.Warning, "The batch of step {Step} cannot be read: {Reason}")]
    public static partial void BatchUnreadable(this ILogger log, long step, string reason);

    [LoggerMessage("The trainer {Trainer} gives its lease back: {Reason}")]
    public static partial void LeaseReturned(this ILogger log, LogLevel level, string trainer, string reason);

    [LoggerMessage("Trainer {Trainer} has left{Then}")]
    public static partial void TrainerLeft(this ILogger log, LogLevel level, string trainer, string then);

    [LoggerMessage(LogLevel.Warning, "The lease of the trainer {Trainer} has run out")]
    public static partial void LeaseRunOut(this ILogger log, string trainer);

    [LoggerMessage("{Trainer} is the trainer (term {Term})")]
    public static partial void LeaseGranted(this ILogger log, LogLevel level, string trainer, long term);

    [LoggerMessage(LogLevel.Warning, "Something between the coordinator and the trainer {Trainer} was lost on the way; all that is open is asked of it again")]
    public static partial void OrdersLost(this ILogger log, string trainer);

    [LoggerMessage(LogLevel.Warning, "The weights of {Version} cannot be had: {Reason}")]
    public static partial void WeightsMissing(this ILogger log, PolicyVersion version, string reason);

    [LoggerMessage("{Generator} gives back what it held: {Reason}")]
    public static partial void WorkReturned(this ILogger log, LogLevel level, string generator, string reason);

    [LoggerMessage(LogLevel.Warning, "The completions of group {Group} could not be had from {Generator}: {Reason} They are sampled again")]
    public static partial void GroupLost(this ILogger log, GroupId group, string generator, string reason);

    [LoggerMessage("Generator {Generator} has left")]
    public static partial void GeneratorLeft(this ILogger log, LogLevel level, WorkerId generator);

    [LoggerMessage("Generator {Generator} has joined")]
    public static partial void GeneratorJoined(this ILogger log, LogLevel level, string generator);

    [LoggerMessage("Scorer {Scorer} has left")]
    public static partial void ScorerLeft(this ILogger log, LogLevel level, string scorer);

    [LoggerMessage("Scorer {Scorer} has joined")]
    public static partial void ScorerJoined(this ILogger log, LogLevel level, string scorer);

    [LoggerMessage("The run goes on from step {Step}, after {Records} records")]
    public static partial void RunGoesOn(this ILogger log, LogLevel level, long step, long records);

    [LoggerMessage(LogLevel.Warning, "{Worker} is refused: {Reason}")]
    public static partial void WorkerRefused(this ILogger log, string worker, string reason);

    [LoggerMessage(LogLevel.Warning, "The run begins again from its journal ({Restart} of {RestartsMax}): {Reason}")]
    public static partial void RunRestarts(this ILogger log, Exception failure, int restart, int restartsMax, string reason);

    [LoggerMessage(LogLevel.Warning, "{Reason} The next start makes it good")]
    public static partial void NextStartMends(this ILogger log, string reason);

    [LoggerMessage(LogLevel.Warning, "{Reason} The run is complete without it")]
    public static partial void CompleteAnyway(this ILogger log, string reason);

    [LoggerMessage(LogLevel.Warning, "No word from {Workers} within {Patience} of the run's stop: left behind")]
    public static partial void WorkersLeftBehind(this ILogger log, string workers, TimeSpan patience);

    [LoggerMessage(LogLevel.Warning, "The run has stopped and its state is intact, but no word from {Workers} within {Patience}; still waiting")]
    public static partial void WorkersLate(this ILogger log, string workers, TimeSpan patience);

    [LoggerMessage(LogLevel.Information, "{Evaluation}")]
    public static partial void Evaluated(this ILogger log, string evaluation);

    [LoggerMessage(LogLevel.Information, "{Step}")]
    public static partial void StepCommitted(this ILogger log, string step);

    [LoggerMessage(LogLevel.Warning, "{Warning}")]
    public static partial void Warn(this ILogger log, string warning);
}
