using GrpoActors.Core;

namespace GrpoActors.Engine;

/// <summary>A decoder-only transformer of the Llama family, as a Hugging Face <c>config.json</c> describes it.</summary>
/// <param name="HeadDim">Width of one attention head; not always HiddenSize / Heads.</param>
/// <param name="KeyValueHeads">Divides Heads.</param>
/// <param name="AttentionBias">Biases on q, k and v (Qwen2).</param>
/// <param name="QkNorm">RMSNorm of each head's q and k before the rotation (Qwen3).</param>
/// <param name="TiedHead">The output head is the embedding.</param>
/// <param name="Rope">How positions rotate.</param>
/// <param name="EosTokens">Ids that end a completion.</param>
public sealed record ModelSpec(
    string ModelType, int VocabularySize, int HiddenSize, int IntermediateSize, int Layers, int Heads, int KeyValueHeads, int HeadDim, int ContextLength,
    double RmsNormEpsilon, bool AttentionBias, bool QkNorm, bool TiedHead, RopeSpec Rope, double InitializerRange, IReadOnlyList<int> EosTokens);

/// <param name="Scaling">Null, <c>linear</c> or <c>llama3</c>; the factors below apply to it.</param>
public sealed record RopeSpec(double Theta, string? Scaling = null, double Factor = 1, double LowFrequencyFactor = 1, double HighFrequencyFactor = 4, int OriginalContextLength = 8192);

/// <summary>Weights of one version; they do not change.</summary>
/// <param name="Policy">The digest that completions sampled with them carry.</param>
/// <param name="Tensors">In ordinal order of names.</param>
/// <param name="Memory">
/// To be disposed once nobody will read the tensors again: then their memory is given back, or written over by the trainer that published them.
/// Whoever never disposes it keeps them unchanged for ever. Null: they are nobody else's.
/// </param>
public sealed record PolicyWeights(PolicyVersion Version, Digest Policy, IReadOnlyList<NamedTensor> Tensors, IDisposable? Memory = null);
