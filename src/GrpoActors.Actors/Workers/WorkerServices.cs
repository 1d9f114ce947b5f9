using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Workers;

/// <summary>What the workers of a process share.</summary>
internal sealed record WorkerServices
{
    public required RunSetup Setup { get; init; }

    /// <summary>The versions that lie in this process, brought here or trained here.</summary>
    public required WeightStore Weights { get; init; }

    public required IContents Contents { get; init; }

    /// <summary>Of the run, wherever its actor keeps it: a trainer folds it.</summary>
    public required RunJournal Journal { get; init; }

    /// <summary>Of this process; null where it trains nothing.</summary>
    public ICheckpointStore? Checkpoints { get; init; }

    /// <summary>Stands before the names of this process's workers; empty on one machine.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>A worker without work asks again after this long. Infinite where no message is lost.</summary>
    public TimeSpan AskAgainAfter { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>How often a trainer asks for its lease. Infinite where no message is lost.</summary>
    public TimeSpan LeaseRenewal { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>Of the run's writer, where it is in this process: records of a later one end it. Elsewhere the writer may change without this process having to stop.</summary>
    public long Fence { get; init; } = long.MaxValue;

    /// <summary>Ends the blocking work of this process's workers.</summary>
    public CancellationToken Stopping { get; init; } = CancellationToken.None;

    /// <summary>Who is at blocking work in this process.</summary>
    public BusyWorkers Busy { get; init; } = new();

    public CrashPoints CrashPoints { get; init; } = CrashPoints.None;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public required RunInstruments Instruments { get; init; }

    public required ILoggerFactory Logs { get; init; }

    public WorkerIdentity Identity(string worker) => new(Prefix + worker, Setup.Identity, Setup.Plan.Identity.NumericsRevision);
}

/// <summary>The names of the actors that do blocking work. Thread-safe.</summary>
internal sealed class BusyWorkers
{
    private readonly Dictionary<string, int> names = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Names
    {
        get
        {
            lock (names)
            {
                return [.. names.Keys.Order(StringComparer.Ordinal)];
            }
        }
    }

    public void Add(string name)
    {
        lock (names)
        {
            names[name] = names.GetValueOrDefault(name) + 1;
        }
    }

    public void Remove(string name)
    {
        lock (names)
        {
            if (--names[name] == 0)
            {
                names.Remove(name);
            }
        }
    }
}
