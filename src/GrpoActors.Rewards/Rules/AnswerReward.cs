using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Rules;

/// <summary>A score that depends on whether the answer is right, as <see cref="NumberAnswer"/> judges it; abstains on a row without one.</summary>
internal sealed class AnswerReward(string name, Func<RewardInput, bool, float> score) : IReward
{
    public string Name => name;

    public int Revision => 1;

    public bool NeedsAnswer => true;

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation) => ValueTask.FromResult<float?>(
        input.Answer is not { } gold ? null : score(input, AnswerEquality.Equal(gold, input.Completion)));
}
