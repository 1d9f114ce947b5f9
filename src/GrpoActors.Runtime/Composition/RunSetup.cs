using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Composition;

/// <summary>A plan with everything it names at hand: engine, tokenizer, rows, rewards.</summary>
/// <param name="Phases">Rows of each phase, by its index.</param>
/// <param name="HeldOut">Null where the plan evaluates nothing.</param>
/// <param name="StartingWeights">Version 0; made or read anew at each call.</param>
public sealed record RunSetup(
    RunPlan Plan, Core.Digest Identity, IEngine Engine, ITokenizer Tokenizer, IReadOnlyList<PromptTable> Phases, PromptTable? HeldOut, RewardSet Rewards,
    Func<PolicyWeights> StartingWeights, ModelSpec Spec) : IDisposable
{
    /// <summary>A scanner for each completion, or null where the plan has no stop strings.</summary>
    public Func<IStopScanner>? StopScanner(SamplingPlan plan) =>
        plan.StopStrings.IsEmpty ? null : () => new StopStringScanner(Tokenizer, plan.StopStrings);

    public void Dispose()
    {
        Rewards.Dispose();
        Engine.Dispose();
    }
}
