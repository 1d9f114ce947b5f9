using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Torch;
using TorchSharp;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class TorchTrainerTests
{
    private static readonly ModelSpec Spec = MicroModel.Spec();
    private static readonly PolicyWeights Weights = MicroModel.Weights(Spec);
    private static readonly OptimizerPlan AdamW = new(0.9, 0.95, 1e-8, 0.1, 1.0);

    private static PackedBatch Batch => MicroModel.Batch(Spec, (9, 3), (17, 5), (6, 5), (2, 1));

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(false, false, true)]
    [InlineData(true, false, false)]
    public void Gradients_of_log_probs_and_entropies_are_those_of_the_cpu_engine(bool biases, bool qkNorm, bool tied)
    {
        ModelSpec spec = MicroModel.Spec(biases, qkNorm, tied);
        PolicyWeights weights = MicroModel.Weights(spec);
        using CpuTrainer cpu = MicroModel.Trainer(spec, weights);
        using TorchTrainer torch = TorchModel.Trainer(spec, weights);
        TokenScores expected = Accumulate(cpu), found = Accumulate(torch);
        for (int t = 0; t < Batch.Targets; t++)
        {
            Assert.Equal(expected.LogProbs[t], found.LogProbs[t], 1e-5);
            Assert.Equal(expected.Entropies[t], found.Entropies[t], 1e-5);
        }

        foreach ((NamedTensor of, NamedTensor like) in torch.Gradient().Zip(cpu.Gradient()))
        {
            Assert.Equal(like.Name, of.Name);
            Assert.True(TorchModel.RelativeError(of.Values.Span, like.Values.Span) < 1e-4, of.Name);
        }
    }

    [Fact]
    public void Gradients_that_are_computed_again_layer_by_layer_are_the_same()
    {
        using TorchTrainer keeps = TorchModel.Trainer(Spec, Weights), recomputes = TorchModel.Trainer(Spec, Weights, recomputes: true);
        Accumulate(keeps);
        Accumulate(recomputes);
        Assert.All(keeps.Gradient().Zip(recomputes.Gradient()), pair => Assert.Equal(pair.First.Values.ToArray(), pair.Second.Values.ToArray()));
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    public void The_same_calls_give_the_same_bits_on_several_threads(string dtype)
    {
        PackedBatch batch = MicroModel.Batch(Spec, [.. Enumerable.Range(0, 40).Select(i => (150 + i, 20 + i))]); // every token many times: its gradient has many terms
        Assert.Single(Enumerable.Range(0, 8).Select(_ =>
        {
            using IEngine engine = TorchModel.Engine(Spec, dtype: dtype, threads: 2);
            using ITrainer trainer = engine.OpenTrainer(Weights);
            Digest last = default;
            for (int step = 0; step < 2; step++)
            {
                trainer.Forward(batch, 1, keepForBackward: true, MicroModel.Scores(batch));
                trainer.Backward(MicroModel.Coefficients(batch.Targets, 1), MicroModel.Coefficients(batch.Targets, 2));
                last = trainer.Update(AdamW, 1e-2).Weights;
            }

            return last;
        }).Distinct());
    }

    [Fact]
    public void What_was_captured_goes_on_with_the_same_bits()
    {
        using TorchTrainer trainer = TorchModel.Trainer(Spec, Weights), other = TorchModel.Trainer(Spec, MicroModel.Weights(Spec, seed: 99));
        trainer.KeepReference();
        Accumulate(trainer);
        trainer.Update(AdamW, 1e-2);
        Accumulate(other); // what is being accumulated is dropped
        other.Restore(trainer.Capture());
        TokenScores expected = MicroModel.Scores(Batch), found = MicroModel.Scores(Batch);
        trainer.ForwardReference(Batch, 1, expected);
        other.ForwardReference(Batch, 1, found);
        Assert.Equal(expected.LogProbs, found.LogProbs);
        Accumulate(trainer);
        Accumulate(other);
        Assert.Equal(trainer.Update(AdamW, 1e-2), other.Update(AdamW, 1e-2));
    }

    [Fact]
    public void A_published_version_stays_as_it_is_whatever_is_learned_later()
    {
        using TorchTrainer trainer = TorchModel.Trainer(Spec, Weights);
        PolicyWeights published = trainer.Publish(new PolicyVersion(0), default);
        float[] before = published.Tensors[0].Values.ToArray();
        Accumulate(trainer);
        trainer.Update(AdamW, 1e-2);
        Assert.Equal(before, published.Tensors[0].Values.ToArray());
        Assert.NotEqual(before, trainer.Publish(new PolicyVersion(1), default).Tensors[0].Values.ToArray());
    }

    [Fact]
    public void A_reference_is_drawn_to_the_present_policy()
    {
        using TorchTrainer trainer = TorchModel.Trainer(Spec, Weights);
        Assert.Throws<InvalidOperationException>(() => trainer.MixReference(0.5));
        trainer.KeepReference();
        Accumulate(trainer);
        trainer.Update(AdamW, 1e-2);
        trainer.MixReference(0.25);
        TrainerState state = trainer.Capture();
        for (int i = 0; i < state.Weights.Count; i++)
        {
            float expected = (0.25f * state.Weights[i].Values.Span[0]) + (0.75f * Weights.Tensors.First(tensor => tensor.Name == state.Weights[i].Name).Values.Span[0]);
            Assert.Equal(expected, state.Reference![i].Values.Span[0], 1e-6f);
        }
    }

    [Fact]
    public void A_gradient_that_is_not_finite_changes_nothing()
    {
        using TorchTrainer trainer = TorchModel.Trainer(Spec, Weights);
        TokenScores scores = MicroModel.Scores(Batch);
        trainer.Forward(Batch, 1, keepForBackward: true, scores);
        float[] coefficients = MicroModel.Coefficients(Batch.Targets, 1);
        coefficients[3] = float.NaN;
        trainer.Backward(coefficients, []);
        Assert.Throws<NotFiniteException>(() => trainer.Update(AdamW, 1e-2));
        Assert.All(trainer.Publish(new PolicyVersion(0), default).Tensors.Zip(Weights.Tensors), pair => Assert.Equal(pair.Second.Values.ToArray(), pair.First.Values.ToArray()));
    }

    [Fact]
    public void No_tensor_is_left_behind_by_steps_and_samples()
    {
        int steps = int.TryParse(Environment.GetEnvironmentVariable("GRPO_TORCH_STEPS"), out int set) ? set : 60;
        using TorchTrainer trainer = TorchModel.Trainer(Spec, Weights);
        using IEngine engine = TorchModel.Engine(Spec);
        using ISampler sampler = engine.OpenSampler();
        var settings = new SampleSettings(SamplingPlans.Plain, 12, Greedy: false);
        long tensors = 0, resident = 0;
        for (int step = 0; step < steps; step++)
        {
            Accumulate(trainer);
            trainer.Update(AdamW, 1e-3);
            sampler.Load(trainer.Publish(new PolicyVersion(step + 1), default));
            sampler.Sample([new SamplePrompt([3, 4, 5], new SeedTree(7).Sampling(new GroupId(0, GroupStream.Primary, step)), [0, 1, 2, 3])], settings, null, default);
            if (step == Math.Max(10, steps / 10))
            {
                (tensors, resident) = (torch.Tensor.TotalCount, Environment.WorkingSet);
            }
        }

        Assert.Equal(tensors, torch.Tensor.TotalCount);
        Assert.InRange(Environment.WorkingSet, 0, resident + (64 << 20));
    }

    private static TokenScores Accumulate(ITrainer trainer)
    {
        PackedBatch batch = Batch;
        TokenScores scores = MicroModel.Scores(batch);
        trainer.Forward(batch, 0.8, keepForBackward: true, scores);
        trainer.Backward(MicroModel.Coefficients(batch.Targets, 1), MicroModel.Coefficients(batch.Targets, 2));
        return scores;
    }
}
