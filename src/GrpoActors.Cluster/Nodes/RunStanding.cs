using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cluster.Nodes;

/// <summary>How a run ended for this process.</summary>
internal abstract record RunOutcome
{
    /// <param name="Result">Null on a node that is not the coordinator.</param>
    internal sealed record Complete(RunResult? Result) : RunOutcome;

    internal sealed record Failed(string Reason) : RunOutcome;
}

/// <summary>What this node knows of the run, for its reports and for whoever waits for the end. Thread-safe.</summary>
internal sealed class RunStanding
{
    private readonly TaskCompletionSource<RunOutcome> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile RunState? run;
    private long appends, appendTicks, restarts;
    private volatile int generators, scorers, trainers;

    public Task<RunOutcome> Ended => ended.Task;

    /// <summary>Null where this node is not the coordinator, or has not yet read the journal.</summary>
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

    /// <summary>This node is the coordinator no longer.</summary>
    public void Left() => run = null;

    public void Appended(TimeSpan elapsed)
    {
        Interlocked.Increment(ref appends);
        Interlocked.Add(ref appendTicks, elapsed.Ticks);
    }

    public void Restarted() => Interlocked.Increment(ref restarts);

    public void Finished(RunResult? result) => ended.TrySetResult(new RunOutcome.Complete(result));

    public void Failed(string reason) => ended.TrySetResult(new RunOutcome.Failed(reason));

    public IReadOnlyList<(string Name, string Help, double Value)> Numbers()
    {
        var numbers = new List<(string, string, double)>();
        if (run is { } state)
        {
            numbers.Add(("grpo.step", "Committed steps.", state.Version.Steps));
            numbers.Add(("grpo.policy_version", "Version of the newest policy.", state.Version.Steps));
            numbers.Add(("grpo.groups_open", "Groups opened and not yet scored.", state.Groups.Values.Count(group => group.Fate == GroupFate.Open)));
            numbers.Add(("grpo.tokens_sampled_total", "Completion tokens sampled since the run began.", state.Counts.TokensSampled));
            numbers.Add(("grpo.generators", "Generators that are known to the coordinator.", generators));
            numbers.Add(("grpo.scorers", "Scorer nodes that are known to the coordinator.", scorers));
            numbers.Add(("grpo.trainers", "The trainer and those that stand by.", trainers));
            if (!state.Progress.LastRewards.IsEmpty)
            {
                numbers.Add(("grpo.reward_mean", "Mean reward of the last ten steps.", state.Progress.LastRewards.Average()));
            }

            numbers.Add(("grpo.appends_total", "Appends to the journal by this process.", Interlocked.Read(ref appends)));
            numbers.Add(("grpo.append_seconds_total", "Time that appends took, in seconds.", TimeSpan.FromTicks(Interlocked.Read(ref appendTicks)).TotalSeconds));
            numbers.Add(("grpo.restarts_total", "How often the coordinator began again from the journal.", Interlocked.Read(ref restarts)));
        }

        return numbers;
    }
}
