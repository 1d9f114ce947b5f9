using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;

namespace GrpoActors.Host.Reports;

/// <summary>What a run's result needs of its past: folded from the journal and kept up as it grows.</summary>
internal sealed class RunHistory
{
    private const int Ends = 10;

    private readonly List<double> firstRewards = [];
    private readonly Queue<double> lastRewards = new();
    private double? accuracyBefore;
    private double? accuracyAfter;
    private long steps;
    private RunState? run;

    public void Add(FoldedEvent e)
    {
        run = e.After;
        switch (e.Event)
        {
            case RunEvent.Evaluated x:
                accuracyBefore ??= x.Evaluation.Accuracy;
                accuracyAfter = e.Before.PhaseIsOver ? x.Evaluation.Accuracy : accuracyAfter;
                break;
            case RunEvent.StepCommitted { Inputs.Kind: PhaseKind.Grpo } x:
                steps++;
                AddReward(x.Outputs["reward"]);
                break;
            default:
                break;
        }
    }

    private void AddReward(double? reward)
    {
        if (reward is not { } mean)
        {
            return; // an empty step has no rewards
        }

        if (firstRewards.Count < Ends)
        {
            firstRewards.Add(mean);
        }

        lastRewards.Enqueue(mean);
        if (lastRewards.Count > Ends)
        {
            lastRewards.Dequeue();
        }
    }

    public RunResult Result(string folder, EngineTraits engine, TimeSpan elapsed)
    {
        RunState state = run ?? throw new InvalidOperationException("The run has not begun.");
        CheckpointRecord? last = state.Checkpoints.Count > 0 ? state.Checkpoints.MaxBy(checkpoint => checkpoint.Step) : null;
        return new RunResult(
            folder, state.Ended?.Reason, steps, elapsed.TotalSeconds, accuracyBefore, accuracyAfter,
            firstRewards.Count > 0 ? firstRewards.Average() : null, lastRewards.Count > 0 ? lastRewards.Average() : null,
            state.Counts.TokensSampled, state.Counts.TokensTrained, state.Counts.OutcomesByTiming, engine.Exact, engine.VectorBits, engine.Fma,
            last?.WeightsSha256 ?? state.Plan.StartingWeights, last?.OptimizerSha256 ?? default, state.Chain);
    }
}
