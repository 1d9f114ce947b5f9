using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;

namespace GrpoActors.Runtime.Reports;

/// <summary>How the run stands: kept up as its journal grows.</summary>
internal sealed class RunHistory
{
    private RunState? run;

    public void Add(FoldedEvent e) => run = e.After;

    public RunResult Result(string folder, EngineTraits engine, TimeSpan elapsed)
    {
        RunState state = run ?? throw new InvalidOperationException("The run has not begun.");
        RunProgress past = state.Progress;
        CheckpointRecord? last = state.Checkpoints.MaxBy(checkpoint => checkpoint.Step);
        return new RunResult(
            folder, state.Ended?.Reason, past.Steps, elapsed.TotalSeconds, past.AccuracyBefore, past.AccuracyAfter,
            past.FirstRewards.IsEmpty ? null : past.FirstRewards.Average(), past.LastRewards.IsEmpty ? null : past.LastRewards.Average(),
            state.Counts.TokensSampled, state.Counts.TokensTrained, state.Counts.OutcomesByTiming,
            engine.Exact && state.Plan.Order.Kind == OrderKind.Canonical && state.Counts.OutcomesByTiming == 0, engine.VectorBits, engine.Fma,
            last?.WeightsSha256 ?? state.Plan.StartingWeights, last?.OptimizerSha256 ?? default, state.Chain,
            RewardReport.Of(state.Plan, past.Rewards), state.Stopped?.Reason, engine.ExactOn);
    }
}
