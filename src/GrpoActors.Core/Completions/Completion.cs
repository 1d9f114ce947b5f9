using System.Collections.Immutable;

namespace GrpoActors.Core.Completions;

/// <summary>Why a completion ended.</summary>
public enum FinishReason : byte
{
    /// <summary>An end-of-sequence token; it is the completion's last token.</summary>
    Eos = 0,
    StopString = 1,
    /// <summary>Reached max_completion_length: truncated.</summary>
    Length = 2,
}

/// <summary>One sampled answer, as the sampler made it.</summary>
/// <param name="Index">In [0, num_generations).</param>
/// <param name="Tokens">Shape [T], T >= 1; ends with the end-of-sequence token where <paramref name="Finish"/> says so.</param>
/// <param name="LogProbs">Shape [T]; log-softmax(logits / temperature) over the whole vocabulary at each token: the behaviour policy's.</param>
/// <param name="KeptMass">Mean over the tokens of the probability that top-k, top-p and min-p left to draw from; 1 where none is on.</param>
public sealed record Completion(int Index, ImmutableArray<int> Tokens, ImmutableArray<float> LogProbs, FinishReason Finish, float KeptMass = 1f);

/// <summary>The unit of a generator's work: sample these completions of this group with this version.</summary>
/// <param name="Row">The data row that the group asks.</param>
/// <param name="Indices">Ascending completion indices.</param>
public sealed record Ticket(GroupId Group, long Row, ImmutableArray<int> Indices, PolicyVersion Version);
