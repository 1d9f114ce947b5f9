using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Rewards;

/// <summary>Judges one completion. Called from many threads at once; the same input gives the same score, or the run is not exact.</summary>
public interface IReward
{
    /// <summary>The kind that run files name.</summary>
    string Name { get; }

    /// <summary>Raised whenever the same input may give another score: part of the run's identity.</summary>
    int Revision { get; }

    /// <summary>It abstains where a row has no answer.</summary>
    bool NeedsAnswer => false;

    /// <summary>Why its calls will fail on this machine, as a clause behind the settings' name; null: nothing is known. A cluster may call it elsewhere.</summary>
    string? Objection => null;

    /// <returns>A finite score; null abstains: the reward does not apply to this prompt (TRL: None). Whatever is thrown is recorded as a fault.</returns>
    ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation);
}

/// <summary>What a reward sees.</summary>
/// <param name="Prompt">As the model read it, after the chat template.</param>
/// <param name="Completion">Without the end-of-sequence token and other special ones, unless the reward asks for them (<c>skip_special_tokens: false</c>).</param>
/// <param name="Answer">The row's answer; null where it has none.</param>
/// <param name="Columns">Further columns of the row.</param>
/// <param name="Tokens">Length of the completion, with its end-of-sequence token.</param>
/// <param name="Truncated">It reached max_completion_length.</param>
public sealed record RewardInput(
    string Prompt, string Completion, string? Answer, ImmutableSortedDictionary<string, JsonElement> Columns, int Tokens, bool Truncated)
{
    /// <summary>The tokens that were sampled, the end-of-sequence token among them (TRL: completion_ids); empty where there was no tokenizer.</summary>
    public ImmutableArray<int> CompletionIds { get; init; } = [];
}
