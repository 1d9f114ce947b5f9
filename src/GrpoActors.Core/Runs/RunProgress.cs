using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>What a run's result tells of its past; part of the fold, so that it outlives the records that it was made from.</summary>
/// <param name="Steps">Committed steps of the grpo phases.</param>
/// <param name="AccuracyBefore">Held-out, in [0, 1], at the start of the first grpo phase; null until it is known.</param>
/// <param name="AccuracyAfter">The same at the end of the last grpo phase that is over.</param>
/// <param name="FirstRewards">Mean reward of each of the first ten grpo steps that had one.</param>
/// <param name="LastRewards">The same of the last ten.</param>
public sealed record RunProgress(long Steps, double? AccuracyBefore, double? AccuracyAfter, ImmutableArray<double> FirstRewards, ImmutableArray<double> LastRewards, ImmutableArray<RewardTally> Rewards)
{
    private const int Ends = 10;

    public static RunProgress Nothing { get; } = new(0, null, null, [], [], []);

    internal RunProgress After(GroupState group, ImmutableArray<ScoredCompletion> completions) => this with { Rewards = RewardTally.After(Rewards, group.Row, completions) };

    internal RunProgress After(Evaluation evaluation, bool phaseIsOver) =>
        this with { AccuracyBefore = AccuracyBefore ?? evaluation.Accuracy, AccuracyAfter = phaseIsOver ? evaluation.Accuracy : AccuracyAfter };

    internal RunProgress After(RunEvent.StepCommitted step)
    {
        if (step.Inputs.Kind != PhaseKind.Grpo)
        {
            return this;
        }

        RunProgress counted = this with { Steps = Steps + 1 };
        return step.Outputs["reward"] is not { } reward ? counted : counted with // an empty step has no rewards
        {
            FirstRewards = FirstRewards.Length < Ends ? FirstRewards.Add(reward) : FirstRewards,
            LastRewards = (LastRewards.Length < Ends ? LastRewards : LastRewards.RemoveAt(0)).Add(reward),
        };
    }
}
