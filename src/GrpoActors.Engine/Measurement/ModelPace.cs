using System.Diagnostics;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;

namespace GrpoActors.Engine.Measurement;

/// <summary>How fast an engine runs a model, with tokens that mean nothing: speed does not depend on them.</summary>
public static class ModelPace
{
    private static readonly OptimizerPlan AdamW = new(0.9, 0.999, 1e-8, 0, 1);

    /// <summary>Bytes of a sampler's matrices, and how fast a plain loop reads them where they lie: the bandwidth that decoding has, which may differ from that of other memory of the same machine.</summary>
    public static (long Bytes, double BytesPerSecond) ReadWeights(ISampler sampler)
        => sampler is CpuSampler cpu ? cpu.ReadWeights() : throw new NotSupportedException($"The weights of a {sampler.GetType().Name} cannot be read.");

    /// <summary>The same weights but for one bit of one matrix, so that they are no longer what bfloat16 holds exactly: as an update leaves them. Only that matrix is copied.</summary>
    public static PolicyWeights Trained(PolicyWeights weights)
    {
        NamedTensor changed = weights.Tensors.First(tensor => tensor.Name.EndsWith("k_proj.weight", StringComparison.Ordinal));
        float[] values = changed.Values.ToArray();
        values[^1] = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(values[^1]) ^ 1);
        return weights with { Tensors = [.. weights.Tensors.Select(tensor => ReferenceEquals(tensor, changed) ? changed with { Values = values } : tensor)] };
    }

    /// <summary>Draws one token after each of the prompts: nearly all of it is prefill.</summary>
    public static Timing Prefill(ISampler sampler, ModelSpec spec, int prompts, int promptTokens, int runs)
    {
        SamplePrompt[] asked = Prompts(spec, prompts, promptTokens, 1);
        return Timing.Of(runs, () => sampler.Sample(asked, Settings(1), null, default));
    }

    /// <summary>Decodes <paramref name="newTokens"/> tokens for every row, in groups of <paramref name="groupSize"/> that share a prompt. The time counts from the first drawn token to the last: new tokens - 1 steps.</summary>
    public static Timing Decode(ISampler sampler, ModelSpec spec, int rows, int groupSize, int promptTokens, int newTokens, int runs)
    {
        int group = Math.Min(groupSize, rows);
        SamplePrompt[] prompts = Prompts(spec, rows / group, promptTokens, group);
        Timing Run()
        {
            long start = 0, before = 0, end = 0, allocated = 0, last = (long)rows * newTokens;
            sampler.Sample(prompts, Settings(newTokens), tokens =>
            {
                if (start == 0)
                {
                    before = GC.GetTotalAllocatedBytes(precise: true);
                    start = Stopwatch.GetTimestamp();
                }
                else if (tokens == last)
                {
                    end = Stopwatch.GetTimestamp();
                    allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
                }
            }, default);
            return new Timing(Stopwatch.GetElapsedTime(start, end).TotalSeconds, allocated);
        }

        Run();
        return Timing.OfMeasured(runs, Run);
    }

    /// <summary>Forward and backward over sequences whose tokens are all scored but the first.</summary>
    public static Timing ForwardBackward(ITrainer trainer, ModelSpec spec, int sequences, int tokens, int runs)
    {
        var batch = new PackedBatch(
            [.. Enumerable.Range(0, sequences).SelectMany(sequence => Tokens(spec, sequence, tokens + 1))],
            [.. Enumerable.Range(0, sequences + 1).Select(sequence => sequence * (tokens + 1))], [.. Enumerable.Repeat(1, sequences)]);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        float[] coefficients = [.. Enumerable.Repeat(1e-3f, batch.Targets)];
        return Timing.Of(runs, () =>
        {
            trainer.Forward(batch, 1, keepForBackward: true, scores);
            trainer.Backward(coefficients, []);
        });
    }

    /// <summary>Forward and backward over prompts and their completions, whose tokens are all scored.</summary>
    /// <param name="shares">A prompt is computed once.</param>
    public static Timing ForwardBackward(ITrainer trainer, ModelSpec spec, int groups, int completions, int promptTokens, int completionTokens, bool shares, int runs)
    {
        PackedBatch batch = Grouped(spec, groups, completions, promptTokens, completionTokens, shares);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        float[] coefficients = [.. Enumerable.Repeat(1e-3f, batch.Targets)];
        return Timing.Of(runs, () =>
        {
            trainer.Forward(batch, 1, keepForBackward: true, scores);
            trainer.Backward(coefficients, []);
        });
    }

    private static PackedBatch Grouped(ModelSpec spec, int groups, int completions, int promptTokens, int completionTokens, bool shares)
    {
        int length = promptTokens + completionTokens, sequences = groups * completions;
        return new PackedBatch(
            [.. Enumerable.Range(0, sequences).SelectMany(sequence => (IEnumerable<int>)[.. Tokens(spec, sequence / completions, promptTokens), .. Tokens(spec, sequence + 1, completionTokens)])],
            [.. Enumerable.Range(0, sequences + 1).Select(sequence => sequence * length)],
            [.. Enumerable.Repeat(promptTokens, sequences)], shares ? [.. Enumerable.Range(0, groups + 1).Select(group => group * completions)] : null);
    }

    /// <summary>One optimiser update, with a learning rate that leaves the model as it is to all intents.</summary>
    public static Timing Update(ITrainer trainer, int runs) => Timing.Of(runs, () => trainer.Update(AdamW, 1e-12));

    private static SampleSettings Settings(int newTokens) => new(new SamplingPlan(1, 0, 1, 0, 1, [], [-1]), newTokens, Greedy: false);

    private static SamplePrompt[] Prompts(ModelSpec spec, int prompts, int tokens, int completions)
        => [.. Enumerable.Range(0, prompts).Select(prompt =>
            new SamplePrompt(Tokens(spec, prompt, tokens), new SeedTree(1).Sampling(new GroupId(0, GroupStream.Primary, prompt)), [.. Enumerable.Range(0, completions)]))];

    private static int[] Tokens(ModelSpec spec, int sequence, int count) => [.. Enumerable.Range(0, count).Select(position => (sequence * 7919 + position * 104729) % spec.VocabularySize)];
}
