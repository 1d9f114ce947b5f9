using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>An engine with hooks that may throw: before the k-th draw of all samplers, before the k-th update of all trainers. k counts from 1.</summary>
internal sealed class FaultyEngine(IEngine engine) : IEngine
{
    private int samples;
    private int updates;
    private int open;
    private int forwards;
    private int referenceForwards;

    public Action<int> BeforeSample { get; init; } = _ => { };

    public Action<int> BeforeUpdate { get; init; } = _ => { };

    /// <summary>After the k-th forward pass of all trainers, by the policy or by the reference, counted apart; may change the scores.</summary>
    public Action<bool, int, TokenScores> AfterForward { get; init; } = (_, _, _) => { };

    /// <summary>Samplers and trainers that nobody has disposed.</summary>
    public int Open => open;

    public bool IsDisposed { get; private set; }

    public EngineTraits Traits => engine.Traits;

    public ISampler OpenSampler()
    {
        Interlocked.Increment(ref open);
        return new Sampler(engine.OpenSampler(), this);
    }

    public ITrainer OpenTrainer(PolicyWeights weights)
    {
        Interlocked.Increment(ref open);
        return new Trainer(engine.OpenTrainer(weights), this);
    }

    public void Dispose()
    {
        IsDisposed = true;
        engine.Dispose();
    }

    private sealed class Sampler(ISampler sampler, FaultyEngine faults) : ISampler
    {
        public void Load(PolicyWeights weights) => sampler.Load(weights);

        public void Unload() => sampler.Unload();

        public IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation)
        {
            faults.BeforeSample(Interlocked.Increment(ref faults.samples));
            return sampler.Sample(prompts, settings, progress, cancellation);
        }

        public void Dispose()
        {
            Interlocked.Decrement(ref faults.open);
            sampler.Dispose();
        }
    }

    private sealed class Trainer(ITrainer trainer, FaultyEngine faults) : ITrainer
    {
        public long Parameters => trainer.Parameters;

        public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores)
        {
            trainer.Forward(batch, temperature, keepForBackward, scores);
            faults.AfterForward(false, Interlocked.Increment(ref faults.forwards), scores);
        }

        public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores)
        {
            trainer.ForwardReference(batch, temperature, scores);
            faults.AfterForward(true, Interlocked.Increment(ref faults.referenceForwards), scores);
        }

        public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy) => trainer.Backward(dLogProb, dEntropy);

        public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
        {
            faults.BeforeUpdate(Interlocked.Increment(ref faults.updates));
            return trainer.Update(optimizer, learningRate);
        }

        public void ResetOptimizer() => trainer.ResetOptimizer();

        public void KeepReference() => trainer.KeepReference();

        public void MixReference(double share) => trainer.MixReference(share);

        public PolicyWeights Publish(PolicyVersion version, Digest policy) => trainer.Publish(version, policy);

        public TrainerState Capture() => trainer.Capture();

        public void Restore(TrainerState state) => trainer.Restore(state);

        public void Dispose()
        {
            Interlocked.Decrement(ref faults.open);
            trainer.Dispose();
        }
    }
}
