namespace GrpoActors.Rewards;

/// <summary>A reward written as a C# function.</summary>
public sealed class DelegateReward : IReward
{
    private readonly Func<RewardInput, CancellationToken, ValueTask<float?>> _score;

    /// <param name="name">The kind that run files name.</param>
    /// <param name="revision">Raise it whenever the function's results change, or a run that resumes mixes two rewards.</param>
    public DelegateReward(string name, int revision, Func<RewardInput, float?> score)
        : this(name, revision, (input, _) => ValueTask.FromResult(score(input)))
    {
    }

    public DelegateReward(string name, int revision, Func<RewardInput, CancellationToken, ValueTask<float?>> score)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        (Name, Revision, _score) = (name, revision, score);
    }

    public string Name { get; }

    public int Revision { get; }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation) => _score(input, cancellation);
}
