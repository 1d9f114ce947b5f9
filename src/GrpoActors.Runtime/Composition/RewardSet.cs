using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Composition;

/// <summary>The plan's rewards, made; scores completions as text.</summary>
public sealed class RewardSet(RunIdentity plan, ImmutableArray<IReward> rewards, ITokenizer tokenizer) : IDisposable
{
    /// <summary>In the plan's order.</summary>
    public IReadOnlyList<string> Names { get; } = [.. plan.Rewards.Select(reward => reward.Name)];

    public int IndexOf(string name) => Names.ToList().IndexOf(name);

    /// <summary>One reward over one completion, within its deadline. Thread-safe.</summary>
    public Task<ScoreOutcome> Score(int reward, PromptRow row, Completion completion, TimeProvider time, CancellationToken stop) =>
        RewardCall.Run(rewards[reward], Input(row, completion, plan.Rewards[reward].ShowsSpecialTokens), plan.Rewards[reward].Deadline, time, stop);

    /// <summary>The completion as a reward and a person read it: without the end-of-sequence token and other control tokens.</summary>
    public string Text(Completion completion)
    {
        ReadOnlySpan<int> tokens = completion.Tokens.AsSpan();
        return tokenizer.Decode(completion.Finish == FinishReason.Eos ? tokens[..^1] : tokens, skipSpecialTokens: true);
    }

    public void Dispose()
    {
        foreach (IDisposable reward in rewards.OfType<IDisposable>())
        {
            reward.Dispose();
        }
    }

    private RewardInput Input(PromptRow row, Completion completion, bool specialTokens) => new(
        row.Prompt, specialTokens ? tokenizer.Decode(completion.Tokens.AsSpan(), skipSpecialTokens: false) : Text(completion), row.Answer, row.Columns, completion.Tokens.Length, completion.Finish == FinishReason.Length)
    {
        CompletionIds = completion.Tokens,
    };
}
