using Akka.Actor;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Actors.Supervision;

/// <summary>What a supervisor does about a failed child.</summary>
internal enum FailureResponse
{
    /// <summary>The child is started again after a back-off, within its <see cref="Core.Deciding.RestartBudget"/>.</summary>
    RestartChild,

    /// <summary>The run's actors are stopped and begin again from the journal, after a back-off, as often as its budget allows: <see cref="Core.Deciding.RestartBudget"/>.</summary>
    RecoverRun,

    /// <summary>The run stops with its state intact and says why.</summary>
    StopRun,

    /// <summary>Another writer has the run: this process stops and tells nobody anything in the run's name.</summary>
    StopStale,
}

/// <summary>Who failed.</summary>
internal enum FailedChild
{
    /// <summary>An actor that does a worker's blocking work: sampler, reward, training, evaluator.</summary>
    Engine,

    /// <summary>An actor that decides, routes or keeps records: journal, stages, workers' own actors.</summary>
    Protocol,
}

/// <summary>
/// The one table of failures, for every supervisor of the tree. Nothing is ever restarted in place: a child is stopped, and its supervisor decides by this table.
/// </summary>
/// <remarks>
/// <code>
///   failure                                   engine actor     journal, stage or worker actor
///   another writer has taken over             StopStale        StopStale
///   the run cannot go on (RunFailed)          StopRun          StopRun
///   the journal is damaged                    StopRun          StopRun
///   anything else: disk, network, bug         RestartChild     RecoverRun
/// </code>
/// </remarks>
internal static class FailureTable
{
    public static FailureResponse Of(FailedChild child, Exception failure) => failure switch
    {
        StaleWriterException => FailureResponse.StopStale,
        RunFailedException or JournalDamagedException => FailureResponse.StopRun,
        _ => child == FailedChild.Engine ? FailureResponse.RestartChild : FailureResponse.RecoverRun,
    };

    /// <summary>A strategy that stops the failed child and tells its supervisor as <see cref="ChildFailed"/>.</summary>
    public static SupervisorStrategy StopAndTell(IActorRef supervisor, Func<IActorRef> failed) => new OneForOneStrategy(
        maxNrOfRetries: -1, withinTimeMilliseconds: -1, loggingEnabled: false, localOnlyDecider: failure =>
    {
        supervisor.Tell(new ChildFailed(failed(), Cause(failure)));
        return Directive.Stop;
    });

    /// <summary>What was thrown, without what the actor system wrapped around it.</summary>
    public static Exception Cause(Exception failure) => failure switch
    {
        ActorInitializationException { InnerException: { } inner } => Cause(inner),
        AggregateException { InnerExceptions: [var only] } => Cause(only),
        TypeLoadException { InnerException: { } inner } => Cause(inner), // what a constructor threw
        System.Reflection.TargetInvocationException { InnerException: { } inner } => Cause(inner),
        _ => failure,
    };
}

/// <summary>To a supervisor, from its own strategy.</summary>
internal sealed record ChildFailed(IActorRef Child, Exception Failure);
