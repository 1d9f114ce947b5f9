using Akka.Actor;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Core.Deciding;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Runs;

/// <summary>What a run's actor is given by its process.</summary>
internal sealed record RunServices
{
    public required RunSetup Setup { get; init; }

    /// <summary>Takes the run's files; called at each beginning, and what it gives is disposed at each end.</summary>
    public required Func<RunLog> OpenLog { get; init; }

    public required RunJournal Journal { get; init; }

    /// <summary>Makes the journal ready and gives its actor, which calls the action for each event that it replays.</summary>
    public Func<RunServices, Action<FoldedEvent>, Props> OpenJournal { get; init; } = static (services, replayed) =>
    {
        services.Journal.Prepare();
        return JournalActor.Props(services.Journal, services.Setup.Plan.Identity, replayed);
    };

    /// <summary>Contents between the stages and their workers.</summary>
    public required IContents Contents { get; init; }

    public required RunStatus Status { get; init; }

    public required RunInstruments Instruments { get; init; }

    public required ILogger Log { get; init; }

    public required WorkerPlacement Workers { get; init; }

    /// <summary>Of this process; null where it holds none: trainers say what they have.</summary>
    public ICheckpointStore? Checkpoints { get; init; }

    public bool AcceptLostTail { get; init; }

    /// <summary>Of the trainer's lease; infinite inside one process.</summary>
    public TimeSpan LeaseDuration { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>An append that has not been answered by then counts as failed; what was kept is found out by reading. Infinite where its database is in this process.</summary>
    public TimeSpan AppendMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Before the run begins again all its actors have stopped; one that stands still for so long ends it.</summary>
    public TimeSpan StopMax { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>So often the run begins again from the journal; ten committed steps forgive one time.</summary>
    public int RestartsMax { get; init; } = 5;

    public int CommandsPerAppendMax { get; init; } = Core.Deciding.Decider.UsualCommandsPerAppendMax;

    public CrashPoints CrashPoints { get; init; } = CrashPoints.None;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
