using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Actors.Telemetry;

/// <summary>How a run ended for this process.</summary>
internal abstract record RunOutcome
{
    private RunOutcome()
    {
    }

    /// <param name="Result">Null on a node that is not the coordinator.</param>
    internal sealed record Complete(RunResult? Result) : RunOutcome;

    /// <summary>The run cannot go on here; its state is intact.</summary>
    internal sealed record Failed(Exception Failure) : RunOutcome;
}

/// <summary>What this process knows of the run, for its reports and for whoever waits for the end. Thread-safe.</summary>
internal sealed class RunStatus
{
    private readonly TaskCompletionSource<RunOutcome> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile RunState? run;
    private volatile int generators, scorers, trainers;

    public Task<RunOutcome> Ended => ended.Task;

    /// <summary>Null where the run's actor is elsewhere, or has not yet read the journal.</summary>
    public RunState? Run => run;

    public int Generators
    {
        get => generators;
        set => generators = value;
    }

    public int Scorers
    {
        get => scorers;
        set => scorers = value;
    }

    /// <summary>The trainer and those that stand by.</summary>
    public int Trainers
    {
        get => trainers;
        set => trainers = value;
    }

    public void Reached(RunState state) => run = state;

    /// <summary>The run's actor is here no longer.</summary>
    public void Left() => run = null;

    public void Finished(RunResult? result) => ended.TrySetResult(new RunOutcome.Complete(result));

    public void Failed(Exception failure) => ended.TrySetResult(new RunOutcome.Failed(failure));
}
