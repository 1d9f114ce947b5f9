using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Engine.Tests;

/// <summary>Six tiny models on an engine against transformers and PyTorch, computed there in float64.</summary>
public abstract class GoldenConformance
{
    protected static readonly OptimizerPlan AdamW = new(0.9, 0.95, 1e-8, 0.1, 1.0);

    public static TheoryData<string> Models => [.. GoldenModel.Names];

    [Theory]
    [MemberData(nameof(Models))]
    public void Log_probs_and_entropies_are_those_of_transformers(string name)
    {
        using var golden = new GoldenModel(name);
        using ITrainer trainer = Trainer(golden);
        PackedBatch batch = golden.Batch;
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        trainer.Forward(batch, 1, keepForBackward: false, scores);
        double[] logProbs = [.. Enumerable.Range(0, 4).SelectMany(i => golden.Doubles($"logp.{i}"))];
        double[] entropies = [.. Enumerable.Range(0, 4).SelectMany(i => golden.Doubles($"entropy.{i}"))];
        for (int t = 0; t < batch.Targets; t++)
        {
            Assert.Equal(logProbs[t], scores.LogProbs[t], 1e-5);
            Assert.Equal(entropies[t], scores.Entropies[t], 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Gradients_are_those_of_PyTorch(string name)
    {
        using var golden = new GoldenModel(name);
        using ITrainer trainer = Trainer(golden);
        Accumulate(trainer, golden);
        foreach (NamedTensor tensor in GradientOf(trainer))
        {
            float[] expected = golden.Floats("grad." + tensor.Name);
            double difference = 0, size = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                difference += Math.Pow(tensor.Values.Span[i] - expected[i], 2);
                size += Math.Pow(expected[i], 2);
            }

            Assert.True(Math.Sqrt(difference) <= 1e-4 * Math.Sqrt(size), $"{tensor.Name}: relative error {Math.Sqrt(difference / size)}");
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Weights_after_one_update_are_those_of_PyTorch(string name)
    {
        using var golden = new GoldenModel(name);
        using ITrainer trainer = Trainer(golden);
        Accumulate(trainer, golden);
        UpdateResult result = trainer.Update(AdamW, 1e-3);
        Assert.Equal(golden.GradNorm, result.GradNorm, golden.GradNorm * 1e-5);
        long entries = 0, loose = 0;
        foreach (NamedTensor tensor in trainer.Publish(new PolicyVersion(1), default).Tensors)
        {
            float[] expected = golden.Floats("after." + tensor.Name), gradient = golden.Floats("grad." + tensor.Name);
            for (int i = 0; i < expected.Length; i++)
            {
                double error = Math.Abs(tensor.Values.Span[i] - expected[i]);
                double clipped = Math.Abs(gradient[i]) / Math.Max(1, golden.GradNorm);
                Assert.True(error <= (clipped > 1e-5 ? 1e-6 : 2e-3), $"{tensor.Name}[{i}]: {tensor.Values.Span[i]} instead of {expected[i]}, clipped gradient {clipped}");
                loose += error > 1e-6 ? 1 : 0;
                entries++;
            }
        }

        Assert.True(loose * 5000 <= entries, $"{loose} of {entries} weights are beyond 1e-6.");
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_ids_are_those_of_transformers(string name)
    {
        using var golden = new GoldenModel(name);
        int[] expected = golden.Ids("greedy"), prompt = expected[..golden.PromptLengths[0]];
        using IEngine engine = Open(golden.Spec);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(golden.Weights);
        var settings = new SampleSettings(SamplingPlans.Plain with { EosTokens = [-1] }, expected.Length - prompt.Length, Greedy: true);
        Completion completion = sampler.Sample([new SamplePrompt(prompt, default, [0])], settings, null, default)[0][0];
        Assert.Equal(expected[prompt.Length..], completion.Tokens);
    }

    protected abstract IEngine Open(ModelSpec spec);

    /// <summary>What a trainer has accumulated.</summary>
    protected abstract IReadOnlyList<NamedTensor> GradientOf(ITrainer trainer);

    private ITrainer Trainer(GoldenModel golden)
    {
        using IEngine engine = Open(golden.Spec);
        return engine.OpenTrainer(golden.Weights);
    }

    protected static void Accumulate(ITrainer trainer, GoldenModel golden)
    {
        PackedBatch batch = golden.Batch;
        trainer.Forward(batch, 1, keepForBackward: true, new TokenScores(new float[batch.Targets], new float[batch.Targets]));
        trainer.Backward(golden.Coefficients, []);
    }
}
