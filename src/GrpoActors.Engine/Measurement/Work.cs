namespace GrpoActors.Engine.Measurement;

/// <summary>How much a model's calculations ask of a machine: multiply-adds (two operations each) and bytes that must come from memory. The bounds of <c>docs/performance.md</c>.</summary>
/// <remarks>D width, L layers, H heads, K key heads, N head width, F feed-forward, V vocabulary; float32.</remarks>
public sealed class Work(ModelSpec spec)
{
    private const long FloatBytes = sizeof(float);

    /// <summary>Weights that a token is multiplied with: L (D (H + 2K) N + H N D + 3 D F) + V D.</summary>
    public long MatrixWeights { get; } =
        spec.Layers * ((long)spec.HiddenSize * (2 * spec.Heads + 2 * spec.KeyValueHeads) * spec.HeadDim + 3L * spec.HiddenSize * spec.IntermediateSize)
        + (long)spec.VocabularySize * spec.HiddenSize;

    private long LayerWeights => MatrixWeights - (long)spec.VocabularySize * spec.HiddenSize;

    /// <summary>Keys and values of one position: 2 L K N floats.</summary>
    public long CacheBytesPerPosition { get; } = 2L * spec.Layers * spec.KeyValueHeads * spec.HeadDim * FloatBytes;

    /// <summary>Scores and weighted values of one query against one key: 4 L H N.</summary>
    private long AttentionFlopsPerKey { get; } = 4L * spec.Layers * spec.Heads * spec.HeadDim;

    /// <summary>Seconds of one decoded token for each row: max(bytes / bandwidth, operations / peak).</summary>
    /// <param name="rows">Completions that are decoded side by side, in groups that share a prompt.</param>
    /// <param name="prompts">Groups.</param>
    /// <param name="promptTokens">Of each prompt: its keys and values are read once for its group.</param>
    /// <param name="ownTokens">Mean number of positions that each row has of its own.</param>
    /// <param name="weightBytes">Bytes of one weight: 4, or 2 where the sampler holds them as bfloat16.</param>
    public double DecodeSeconds(Limits limits, int rows, int prompts, double promptTokens, double ownTokens, double weightBytes = FloatBytes)
    {
        double bytes = MatrixWeights * weightBytes + CacheBytesPerPosition * (prompts * promptTokens + rows * ownTokens);
        double flops = rows * (2.0 * MatrixWeights + AttentionFlopsPerKey * (promptTokens + ownTokens));
        return Math.Max(bytes / limits.BytesPerSecond, flops / limits.FlopsPerSecond);
    }

    /// <summary>Seconds to prefill prompts: operations / peak. Only a prompt's last token meets the head.</summary>
    public double PrefillSeconds(Limits limits, int prompts, int promptTokens)
        => prompts * (2.0 * LayerWeights * promptTokens + AttentionFlopsPerKey * promptTokens * (promptTokens + 1.0) / 2 + 2.0 * (MatrixWeights - LayerWeights)) / limits.FlopsPerSecond;

    /// <summary>Seconds of forward and backward over sequences whose tokens are all scored: the backward pass has twice the operations of the forward pass.</summary>
    public double TrainSeconds(Limits limits, int sequences, int tokens)
        => 3 * sequences * (2.0 * MatrixWeights * tokens + AttentionFlopsPerKey * tokens * (tokens + 1.0) / 2) / limits.FlopsPerSecond;

    /// <summary>Seconds of forward and backward over one prompt, computed once, and its completions, whose tokens are all scored; the layers see the prompt but its last token once, that one with each completion.</summary>
    public double TrainSharedSeconds(Limits limits, int completions, double promptTokens, double completionTokens)
    {
        double scored = completions * completionTokens, rows = promptTokens - 1 + scored;
        double keys = (promptTokens - 1) * promptTokens / 2 + completions * (completionTokens * promptTokens + completionTokens * (completionTokens - 1) / 2);
        return 3 * (2.0 * LayerWeights * rows + 2.0 * (MatrixWeights - LayerWeights) * scored + AttentionFlopsPerKey * keys) / limits.FlopsPerSecond;
    }

    /// <summary>Seconds of an AdamW update: weights, gradient and both moments are read, weights and moments written; 28 bytes a weight. That it clears the gradient, 4 more, is not counted.</summary>
    /// <param name="parameters">Trainable weights.</param>
    public static double UpdateSeconds(Limits limits, long parameters) => 7.0 * FloatBytes * parameters / limits.BytesPerSecond;
}

/// <summary>What a share is a share of.</summary>
/// <param name="FlopsPerSecond">fp32, two operations a multiply-add; all threads together.</param>
/// <param name="BytesPerSecond">Read from memory; all threads together.</param>
public sealed record Limits(double FlopsPerSecond, double BytesPerSecond);
