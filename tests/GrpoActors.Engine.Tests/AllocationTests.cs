using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;
using Xunit;

namespace GrpoActors.Engine.Tests;

/// <summary>Runs alone: it counts the bytes that the whole process allocates.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    /// <summary>The test runner and the runtime's own threads allocate now and then; what the engine allocates it allocates in every attempt.</summary>
    private const int AttemptsMax = 100;

    private static readonly ModelSpec Spec = MicroModel.Spec();

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    public void Training_micro_batches_allocate_nothing_in_the_steady_state(int threads, bool recomputes)
    {
        using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec), threads, recomputes);
        PackedBatch large = MicroModel.Batch(Spec, (70, 20), (9, 3)), small = Shared(MicroModel.Batch(Spec, (33, 5), (9, 5)));
        TokenScores scores = MicroModel.Scores(large);
        float[] coefficients = MicroModel.Coefficients(large.Targets, 0);
        void MicroBatches()
        {
            for (int i = 0; i < 20; i++)
            {
                foreach (PackedBatch batch in (ReadOnlySpan<PackedBatch>)[large, small])
                {
                    trainer.Forward(batch, 0.7, keepForBackward: true, scores);
                    trainer.Backward(coefficients.AsSpan(0, batch.Targets), coefficients.AsSpan(0, batch.Targets));
                }
            }
        }

        MicroBatches();
        Assert.Equal(0, LeastAllocatedBy(MicroBatches)); // after 2n micro-batches the process has allocated what it had after n
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void Optimiser_updates_allocate_nothing_in_the_steady_state(int threads, bool tied)
    {
        ModelSpec spec = MicroModel.Spec(tied: tied);
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec), threads);
        PackedBatch batch = MicroModel.Batch(spec, (70, 20), (9, 3));
        TokenScores scores = MicroModel.Scores(batch);
        float[] coefficients = MicroModel.Coefficients(batch.Targets, 0);
        var adamW = new OptimizerPlan(0.9, 0.95, 1e-8, 0.1, 1.0);
        void Updates()
        {
            for (int i = 0; i < 20; i++)
            {
                trainer.Forward(batch, 0.7, keepForBackward: true, scores);
                trainer.Backward(coefficients, []);
                trainer.Update(adamW, 1e-4);
            }
        }

        Updates();
        Assert.Equal(0, LeastAllocatedBy(Updates));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Decoded_tokens_allocate_nothing_in_the_steady_state(int threads)
    {
        using var engine = new CpuEngine(Spec, new EngineOptions(threads, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(MicroModel.Weights(Spec));
        var settings = new SampleSettings(SamplingPlans.Plain with { EosTokens = [-1], TopP = 0.9, RepetitionPenalty = 1.1 }, 100, Greedy: false);
        SamplePrompt[] prompts = SamplerTests.Prompts(3, 70, 17);
        long[] allocatedAt = new long[prompts.Length * 4 * 100 + 1];
        void Sample() => sampler.Sample(prompts, settings, tokens => allocatedAt[tokens] = GC.GetTotalAllocatedBytes(precise: true), default);
        Sample();
        int rows = prompts.Length * 4;
        long least = long.MaxValue;
        for (int attempt = 0; attempt < AttemptsMax && least > 0; attempt++)
        {
            Sample();
            least = Math.Min(least, allocatedAt[rows * 100] - allocatedAt[rows]);
        }

        Assert.Equal(0, least);
    }

    /// <summary>Two sequences with the prompt of the first.</summary>
    private static PackedBatch Shared(PackedBatch batch)
    {
        Array.Copy(batch.Tokens, 0, batch.Tokens, batch.Offsets[1], batch.FirstTarget[0]);
        return batch with { GroupStarts = [0, 2] };
    }

    private static long LeastAllocatedBy(Action action)
    {
        long least = long.MaxValue;
        for (int attempt = 0; attempt < AttemptsMax && least > 0; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            action();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }
}
