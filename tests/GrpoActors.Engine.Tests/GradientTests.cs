using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class GradientTests
{
    private static readonly OptimizerPlan AdamW = new(0.9, 0.95, 1e-8, 0.1, 1.0);

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(false, false, false)]
    public void Gradients_are_central_differences(bool biases, bool qkNorm, bool tied)
    {
        const float Step = 2e-3f;
        ModelSpec spec = MicroModel.Spec(biases, qkNorm, tied);
        PolicyWeights weights = MicroModel.Weights(spec);
        PackedBatch batch = MicroModel.Batch(spec, (9, 3), (5, 1), (2, 1));
        float[] dLogProb = MicroModel.Coefficients(batch.Targets, 0), dEntropy = MicroModel.Coefficients(batch.Targets, 1);
        using CpuTrainer trainer = MicroModel.Trainer(spec, weights);
        trainer.Forward(batch, 0.7, keepForBackward: true, MicroModel.Scores(batch));
        trainer.Backward(dLogProb, dEntropy);
        foreach (NamedTensor gradient in trainer.Gradient())
        {
            Span<float> values = weights.Tensors.Single(tensor => tensor.Name == gradient.Name).Values.Span;
            double largest = 0;
            foreach (float g in gradient.Values.Span)
            {
                largest = Math.Max(largest, Math.Abs(g));
            }

            for (int i = 0; i < values.Length; i += Math.Max(1, values.Length / 6))
            {
                float before = values[i];
                values[i] = before + Step;
                double above = Loss(spec, weights, batch, dLogProb, dEntropy), x1 = values[i];
                values[i] = before - Step;
                double below = Loss(spec, weights, batch, dLogProb, dEntropy), x0 = values[i];
                values[i] = before;
                double expected = (above - below) / (x1 - x0);
                Assert.True(Math.Abs(expected - gradient.Values.Span[i]) <= 1e-2 * largest + 2e-3, $"{gradient.Name}[{i}]: {gradient.Values.Span[i]} where the difference quotient is {expected}");
            }
        }
    }

    [Fact]
    public void The_cut_into_micro_batches_changes_no_bit()
    {
        ModelSpec spec = MicroModel.Spec();
        (int, int)[] sequences = [(9, 3), (70, 20), (2, 1), (33, 32), (6, 6), (130, 1)];
        PackedBatch whole = MicroModel.Batch(spec, sequences);
        float[] dLogProb = MicroModel.Coefficients(whole.Targets, 0), dEntropy = MicroModel.Coefficients(whole.Targets, 1);
        float[][] gradients = [.. new[] { 6, 1, 2, 4 }.Select(count => Gradient(spec, whole, count, threads: 1, dLogProb, dEntropy))];
        Assert.All(gradients, gradient => Assert.Equal(gradients[0], gradient));
    }

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(false, false, false)]
    public void A_prompt_that_its_group_shares_gives_the_same_log_probs_to_the_bit_and_the_same_gradient(bool biases, bool qkNorm, bool tied)
    {
        ModelSpec spec = MicroModel.Spec(biases, qkNorm, tied);
        PackedBatch shared = Groups(spec), apart = shared with { GroupStarts = null };
        float[] dLogProb = MicroModel.Coefficients(shared.Targets, 0), dEntropy = MicroModel.Coefficients(shared.Targets, 1);
        (TokenScores Scores, IReadOnlyList<NamedTensor> Gradient)[] both = [.. new[] { shared, apart }.Select(batch =>
        {
            using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec));
            TokenScores scores = MicroModel.Scores(batch);
            trainer.Forward(batch, 0.7, keepForBackward: true, scores);
            trainer.Backward(dLogProb, dEntropy);
            return (scores, trainer.Gradient());
        })];
        Assert.Equal(both[1].Scores.LogProbs, both[0].Scores.LogProbs);
        Assert.Equal(both[1].Scores.Entropies, both[0].Scores.Entropies);
        foreach ((NamedTensor expected, NamedTensor actual) in both[1].Gradient.Zip(both[0].Gradient))
        {
            double difference = 0, size = 0;
            for (int i = 0; i < expected.Values.Length; i++)
            {
                difference += Math.Pow(expected.Values.Span[i] - actual.Values.Span[i], 2);
                size += Math.Pow(expected.Values.Span[i], 2);
            }

            Assert.True(Math.Sqrt(difference) <= 1e-5 * Math.Sqrt(size), $"{expected.Name}: relative difference {Math.Sqrt(difference / size)}");
        }
    }

    [Fact]
    public void With_shared_prompts_neither_threads_nor_micro_batches_of_whole_groups_change_a_bit()
    {
        ModelSpec spec = MicroModel.Spec();
        PackedBatch whole = Groups(spec);
        float[] dLogProb = MicroModel.Coefficients(whole.Targets, 0), dEntropy = MicroModel.Coefficients(whole.Targets, 1);
        float[][] gradients = [.. new[] { 1, 2, 3 }.Select(threads =>
        {
            using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec), threads);
            PackedBatch[] micros = threads == 2 ? [whole] : [.. Enumerable.Range(0, whole.GroupStarts!.Length - 1).Select(group => Cut(whole, whole.GroupStarts[group], whole.GroupStarts[group + 1]))];
            int target = 0;
            foreach (PackedBatch micro in micros)
            {
                trainer.Forward(micro, 0.7, keepForBackward: true, MicroModel.Scores(micro));
                trainer.Backward(dLogProb.AsSpan(target, micro.Targets), dEntropy.AsSpan(target, micro.Targets));
                target += micro.Targets;
            }

            return All(trainer.Gradient());
        })];
        Assert.All(gradients, gradient => Assert.Equal(gradients[0], gradient));
    }

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(false, false, false)]
    public void Computing_activations_again_changes_no_bit(bool biases, bool qkNorm, bool tied)
    {
        ModelSpec spec = MicroModel.Spec(biases, qkNorm, tied);
        PackedBatch batch = Groups(spec);
        float[] dLogProb = MicroModel.Coefficients(batch.Targets, 0), dEntropy = MicroModel.Coefficients(batch.Targets, 1);
        float[][] gradients = [.. new[] { false, true }.Select(recomputes =>
        {
            using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec), threads: 2, recomputes);
            trainer.Forward(batch, 0.7, keepForBackward: true, MicroModel.Scores(batch));
            trainer.Backward(dLogProb, dEntropy);
            return All(trainer.Gradient());
        })];
        Assert.Equal(gradients[0], gradients[1]);
    }

    [Fact]
    public void A_group_whose_prompts_differ_is_refused()
    {
        ModelSpec spec = MicroModel.Spec();
        PackedBatch groups = Groups(spec);
        groups.Tokens[groups.Offsets[1] + 1] ^= 1;
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec));
        Assert.Throws<ArgumentException>(() => trainer.Forward(groups, 1, keepForBackward: false, MicroModel.Scores(groups)));
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        ModelSpec spec = MicroModel.Spec(tied: false);
        PackedBatch whole = MicroModel.Batch(spec, (9, 3), (70, 20), (2, 1), (33, 32), (130, 1));
        float[] dLogProb = MicroModel.Coefficients(whole.Targets, 0), dEntropy = MicroModel.Coefficients(whole.Targets, 1);
        float[][] gradients = [.. new[] { 1, 2, 3 }.Select(threads => Gradient(spec, whole, 5, threads, dLogProb, dEntropy))];
        Assert.All(gradients, gradient => Assert.Equal(gradients[0], gradient));
        var updates = new[] { 1, 2, 3 }.Select(threads =>
        {
            using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec), threads);
            return Enumerable.Range(0, 3).Select(_ => Updated(trainer, whole, dLogProb)).ToArray();
        }).ToArray();
        Assert.All(updates, digests => Assert.Equal(updates[0], digests));
    }

    [Fact]
    public void A_gradient_that_is_not_finite_changes_nothing()
    {
        ModelSpec spec = MicroModel.Spec();
        PackedBatch batch = MicroModel.Batch(spec, (9, 3));
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec));
        float[] before = All(trainer.Capture().Weights);
        trainer.Forward(batch, 1, keepForBackward: true, MicroModel.Scores(batch));
        float[] coefficients = new float[batch.Targets];
        coefficients[1] = float.PositiveInfinity;
        trainer.Backward(coefficients, []);
        Assert.Throws<NotFiniteException>(() => trainer.Update(AdamW, 1e-3));
        Assert.Equal(before, All(trainer.Capture().Weights));
        Assert.Equal(0, trainer.Capture().OptimizerSteps);
    }

    [Fact]
    public void Restoring_a_captured_trainer_goes_on_with_the_same_bits()
    {
        ModelSpec spec = MicroModel.Spec();
        PackedBatch batch = MicroModel.Batch(spec, (9, 3), (5, 1));
        float[] coefficients = MicroModel.Coefficients(batch.Targets, 0);
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec)), other = MicroModel.Trainer(spec, MicroModel.Weights(spec, seed: 9));
        trainer.KeepReference();
        Updated(trainer, batch, coefficients);
        other.Restore(trainer.Capture());
        Assert.Equal(Updated(trainer, batch, coefficients), Updated(other, batch, coefficients));
        TokenScores reference = MicroModel.Scores(batch), restored = MicroModel.Scores(batch);
        trainer.ForwardReference(batch, 1, reference);
        other.ForwardReference(batch, 1, restored);
        Assert.Equal(reference.LogProbs, restored.LogProbs);
    }

    [Fact]
    public void The_kept_reference_does_not_learn()
    {
        ModelSpec spec = MicroModel.Spec();
        PackedBatch batch = MicroModel.Batch(spec, (9, 3), (5, 1));
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec));
        TokenScores before = MicroModel.Scores(batch), reference = MicroModel.Scores(batch), current = MicroModel.Scores(batch);
        trainer.Forward(batch, 1, keepForBackward: false, before);
        trainer.KeepReference();
        Updated(trainer, batch, MicroModel.Coefficients(batch.Targets, 0));
        trainer.ForwardReference(batch, 1, reference);
        trainer.Forward(batch, 1, keepForBackward: false, current);
        Assert.Equal(before.LogProbs, reference.LogProbs);
        Assert.NotEqual(before.LogProbs, current.LogProbs);
    }

    private static Core.Digest Updated(CpuTrainer trainer, PackedBatch batch, float[] coefficients)
    {
        trainer.Forward(batch, 1, keepForBackward: true, MicroModel.Scores(batch));
        trainer.Backward(coefficients, []);
        return trainer.Update(AdamW, 1e-2).Weights;
    }

    private static double Loss(ModelSpec spec, PolicyWeights weights, PackedBatch batch, float[] dLogProb, float[] dEntropy)
    {
        using CpuTrainer trainer = MicroModel.Trainer(spec, weights);
        TokenScores scores = MicroModel.Scores(batch);
        trainer.Forward(batch, 0.7, keepForBackward: false, scores);
        return Enumerable.Range(0, batch.Targets).Sum(t => (double)dLogProb[t] * scores.LogProbs[t] + (double)dEntropy[t] * scores.Entropies[t]);
    }

    /// <summary>All gradients of a batch that is handed in as micro-batches of so many sequences.</summary>
    private static float[] Gradient(ModelSpec spec, PackedBatch whole, int sequencesPerMicroBatch, int threads, float[] dLogProb, float[] dEntropy)
    {
        using CpuTrainer trainer = MicroModel.Trainer(spec, MicroModel.Weights(spec), threads);
        int target = 0;
        for (int start = 0; start < whole.Sequences; start += sequencesPerMicroBatch)
        {
            int end = Math.Min(whole.Sequences, start + sequencesPerMicroBatch);
            PackedBatch micro = Cut(whole, start, end);
            trainer.Forward(micro, 0.7, keepForBackward: true, MicroModel.Scores(micro));
            trainer.Backward(dLogProb.AsSpan(target, micro.Targets), dEntropy.AsSpan(target, micro.Targets));
            target += micro.Targets;
        }

        return All(trainer.Gradient());
    }

    /// <summary>Some sequences of a batch: one group of them where the batch has groups.</summary>
    private static PackedBatch Cut(PackedBatch whole, int start, int end) => new(
        whole.Tokens[whole.Offsets[start]..whole.Offsets[end]], [.. whole.Offsets[start..(end + 1)].Select(offset => offset - whole.Offsets[start])], whole.FirstTarget[start..end],
        whole.GroupStarts is null ? null : [0, end - start]);

    /// <summary>Groups whose prompts end before, at and after the end of a key block, have one token, or have one completion; completions of no token too.</summary>
    private static PackedBatch Groups(ModelSpec spec)
    {
        (int Prompt, int[] Completions)[] groups = [(5, [7, 1, 0, 64]), (64, [3, 70]), (65, [2, 2, 9]), (1, [4, 5]), (20, [6])];
        PackedBatch batch = MicroModel.Batch(spec, [.. groups.SelectMany(group => group.Completions.Select(completion => (group.Prompt + completion, group.Prompt)))]);
        int sequence = 0;
        int[] starts = [0, .. groups.Select(group => sequence += group.Completions.Length)];
        for (int group = 0; group < groups.Length; group++)
        {
            for (int i = starts[group] + 1; i < starts[group + 1]; i++)
            {
                Array.Copy(batch.Tokens, batch.Offsets[starts[group]], batch.Tokens, batch.Offsets[i], groups[group].Prompt);
            }
        }

        return batch with { GroupStarts = starts };
    }

    private static float[] All(IReadOnlyList<NamedTensor> tensors) => [.. tensors.SelectMany(tensor => tensor.Values.ToArray())];
}
