using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Engine;

/// <summary>One for each kind of engine. <see cref="EngineProviders"/> finds it by the name in the plan (<c>engine: cpu</c>). Thread-safe.</summary>
public interface IEngineProvider
{
    string Name { get; }

    /// <summary>Raised whenever a kernel's bits change; part of a run's identity.</summary>
    string NumericsRevision { get; }

    /// <summary>
    /// What the bits of a run with these options depend on besides its plan; or why there can be none on this machine, with the key of the setting
    /// that is at fault ("" for the engine itself). By default <see cref="NumericsRevision"/>, on the processor in float32 alone.
    /// </summary>
    Finding<string> RevisionOn(EngineOptions options) => options.Device is null or { Device: DevicePlan.Cpu, Dtype: DevicePlan.Float32 }
        ? NumericsRevision
        : new ConfigError(
            options.Device.Device == DevicePlan.Cpu ? "dtype" : "device",
            $"is \"{(options.Device.Device == DevicePlan.Cpu ? options.Device.Dtype : options.Device.Device)}\", which the {Name} engine does not know.",
            "Leave it out, or set engine to torch.");

    /// <exception cref="Models.UnsupportedModelException">The engine does not calculate what the model asks for.</exception>
    IEngine Open(ModelSpec spec, EngineOptions options);
}

/// <param name="Threads">Threads of one sampler or trainer, >= 1.</param>
/// <param name="MicroBatchTokens">Tokens that a sampler prefills at once, >= 1.</param>
/// <param name="GradientCheckpointing">
/// A trainer keeps the input of each layer alone and computes the rest again in the backward pass: less memory, a third more work, the same bits.
/// </param>
/// <param name="Device">Null: <see cref="DevicePlan.Default"/>.</param>
public sealed record EngineOptions(int Threads, int MicroBatchTokens, bool GradientCheckpointing = false, DevicePlan? Device = null);

/// <summary>What is true of an engine's results. Reported with the result.</summary>
/// <param name="Exact">Same plan, same bits: on every machine, or wherever <paramref name="ExactOn"/> is the same.</param>
/// <param name="VectorBits">Width in use; results do not depend on it.</param>
/// <param name="ExactOn">What must be the same for the same bits; null: nothing, they are the same on every machine.</param>
public sealed record EngineTraits(string Name, bool Exact, string NumericsRevision, int VectorBits, bool Fma, string? ExactOn = null);

/// <summary>Makes samplers and trainers of one model. Thread-safe; what it makes is not: one caller at a time each.</summary>
public interface IEngine : IDisposable
{
    EngineTraits Traits { get; }

    ISampler OpenSampler();

    /// <param name="weights">Version 0, or those of a checkpoint.</param>
    ITrainer OpenTrainer(PolicyWeights weights);
}

/// <summary>Draws completions. A ticket and a seed give the same tokens whatever else is sampled beside it.</summary>
public interface ISampler : IDisposable
{
    /// <summary>Makes these the weights that the next calls sample with; cheap if they are so already. They are copied: nobody reads them once the call is over.</summary>
    void Load(PolicyWeights weights);

    /// <summary>Gives back the memory of the loaded weights, and what sampling took beside it; sampling again needs <see cref="Load"/>.</summary>
    void Unload();

    /// <summary>Samples all prompts together: each prompt is prefilled once, its completions decoded side by side.</summary>
    /// <param name="progress">Called now and then with the number of tokens drawn so far.</param>
    /// <returns>In the order of <paramref name="prompts"/>, completions in the order of their indices.</returns>
    IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation);
}

/// <summary>One prompt and which of its completions to draw.</summary>
/// <param name="Tokens">At least one.</param>
/// <param name="Random">The stream that its tokens are drawn from: a function of the group (or evaluation problem); counter words 2 and 3 are completion and position.</param>
public sealed record SamplePrompt(int[] Tokens, CounterRandom Random, IReadOnlyList<int> Indices);

/// <param name="Plan">Where it has no end-of-sequence ids, those of the model end a completion.</param>
/// <param name="MaxCompletionLength">With the longest prompt at most the model's context.</param>
/// <param name="Greedy">The most probable token (ties: the smaller id); no random number is used.</param>
/// <param name="StopTexts">Stop strings with the decoder that finds them; null where there are none.</param>
public sealed record SampleSettings(SamplingPlan Plan, int MaxCompletionLength, bool Greedy, Func<IStopScanner>? StopTexts = null);

/// <summary>Watches one completion's tokens for a stop string.</summary>
public interface IStopScanner
{
    /// <summary>True if the text now contains a stop string.</summary>
    bool Accept(int token);
}

/// <summary>Holds the weights that learn. Deterministic: the same calls give the same bits.</summary>
public interface ITrainer : IDisposable
{
    /// <summary>Total number of trainable weights.</summary>
    long Parameters { get; }

    /// <summary>
    /// Forward over packed sequences (no padding); keeps what the backward pass needs until <see cref="Backward"/> or the next call.
    /// </summary>
    /// <param name="scores">Shapes [batch.Targets]: log-prob of each scored token and entropy of the distribution it was drawn from, in nats.</param>
    void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores);

    /// <summary>As <see cref="Forward"/>, with the reference policy. Throws if none was kept.</summary>
    void ForwardReference(PackedBatch batch, double temperature, TokenScores scores);

    /// <summary>Adds to the gradient of the sum of coefficient x log-prob (and coefficient x entropy) over the scored tokens of the last Forward.</summary>
    /// <param name="dLogProb">Shape [targets].</param>
    /// <param name="dEntropy">Shape [targets], or empty.</param>
    void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy);

    /// <summary>Clips the accumulated gradient by its global norm, applies one AdamW update, clears the gradient.</summary>
    /// <returns>The norm before clipping and a digest of the new weights. Throws <see cref="NotFiniteException"/>, changing nothing, if the norm is NaN or infinite.</returns>
    UpdateResult Update(OptimizerPlan optimizer, double learningRate);

    void ResetOptimizer();

    /// <summary>Keeps the present weights as the reference policy.</summary>
    void KeepReference();

    /// <summary>Draws the reference policy to the present one: reference = share x present + (1 - share) x reference, element by element. Throws if none was kept.</summary>
    /// <param name="share">In (0, 1]; 1 copies.</param>
    void MixReference(double share);

    /// <summary>The present weights as they are now, whatever is learned later: no copy until the next change finds <see cref="PolicyWeights.Memory"/> not yet disposed. What only a step needs is given back where it is large.</summary>
    PolicyWeights Publish(PolicyVersion version, Digest policy);

    /// <summary>Everything that training mutates, by the names that checkpoints and hashes use: weights, <c>name.m</c>, <c>name.v</c>; and the kept reference. Views, not copies: good until the next call that changes it.</summary>
    TrainerState Capture();

    /// <summary>Goes on from what was captured; a gradient that was being accumulated is dropped.</summary>
    void Restore(TrainerState state);
}

/// <summary>Sequences laid end to end.</summary>
/// <param name="Tokens">All tokens of all sequences.</param>
/// <param name="Offsets">Shape [sequences + 1]; sequence i is Tokens[Offsets[i]..Offsets[i+1]].</param>
/// <param name="FirstTarget">Shape [sequences]: index within the sequence of the first token to score (the prompt's length); every later token is scored too. >= 1.</param>
/// <param name="GroupStarts">
/// Shape [groups + 1]: sequences GroupStarts[g] .. GroupStarts[g+1] - 1 begin with the same prompt, which is computed once for them. Null: nothing is shared.
/// Log-probs do not depend on it; gradients do, in the order of their sums.
/// </param>
public sealed record PackedBatch(int[] Tokens, int[] Offsets, int[] FirstTarget, int[]? GroupStarts = null)
{
    public int Sequences => FirstTarget.Length;

    /// <summary>Number of scored tokens: those at or after FirstTarget in their sequence, in order.</summary>
    public int Targets { get; } = CountTargets(Offsets, FirstTarget);

    /// <summary>The tokens of one sequence.</summary>
    internal ReadOnlySpan<int> Sequence(int index) => Tokens.AsSpan(Offsets[index], Offsets[index + 1] - Offsets[index]);

    /// <exception cref="ArgumentException">A sequence does not fit the model, or none of its tokens could be scored.</exception>
    internal void Check(int index, ModelSpec spec)
    {
        ReadOnlySpan<int> sequence = Sequence(index);
        int firstTarget = FirstTarget[index];
        if (firstTarget < 1 || firstTarget > sequence.Length)
        {
            throw new ArgumentException($"Sequence {index} has {sequence.Length} tokens and its first scored token is {firstTarget}; expected 1 to {sequence.Length}.");
        }

        if (sequence.Length > spec.ContextLength)
        {
            throw new ArgumentException($"Sequence {index} has {sequence.Length} tokens; the model's context holds {spec.ContextLength}.");
        }

        foreach (int token in sequence)
        {
            if ((uint)token >= (uint)spec.VocabularySize)
            {
                throw new ArgumentException($"Sequence {index} holds token {token}; the model's vocabulary has ids 0 to {spec.VocabularySize - 1}.");
            }
        }
    }

    private static int CountTargets(int[] offsets, int[] firstTarget)
    {
        int count = 0;
        for (int i = 0; i < firstTarget.Length; i++)
        {
            count += offsets[i + 1] - offsets[i] - firstTarget[i];
        }

        return count;
    }
}

/// <summary>Written by a forward pass; arrays of at least the batch's Targets.</summary>
public readonly record struct TokenScores(float[] LogProbs, float[] Entropies);

/// <param name="Weights">SHA-256 over the tensors' lane hashes, in ordinal order of their names.</param>
public readonly record struct UpdateResult(double GradNorm, Digest Weights);

/// <summary>Named float32 tensors, each list in ordinal order of names.</summary>
public sealed record TrainerState(IReadOnlyList<NamedTensor> Weights, IReadOnlyList<NamedTensor> Moments, long OptimizerSteps, IReadOnlyList<NamedTensor>? Reference);

/// <param name="Values">Row-major; product of <paramref name="Shape"/> elements.</param>
public sealed record NamedTensor(string Name, long[] Shape, Memory<float> Values);

/// <summary>A number that must be finite is not; nothing was changed.</summary>
public sealed class NotFiniteException(string message) : Exception(message);
