using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class TorchSamplerTests
{
    private static readonly ModelSpec Spec = MicroModel.Spec();
    private static readonly PolicyWeights Weights = MicroModel.Weights(Spec);
    private static readonly SeedTree Seeds = new(7);

    [Fact]
    public void What_is_sampled_beside_a_group_changes_nothing()
    {
        SamplePrompt[] prompts = Prompts(3, 64, 17, 70, 1);
        IReadOnlyList<Completion[]> together = Sample(prompts, SamplingPlans.Plain);
        for (int i = 0; i < prompts.Length; i++)
        {
            AssertSame(together[i], Sample([prompts[i]], SamplingPlans.Plain)[0]);
        }
    }

    [Fact]
    public void Tokens_are_drawn_as_the_cpu_engine_draws_them()
    {
        SamplingPlan plan = SamplingPlans.Plain with { Temperature = 0.9, TopK = 12, TopP = 0.95, MinP = 0.01, RepetitionPenalty = 1.1 };
        SamplePrompt[] prompts = Prompts(3, 40, 17, 5);
        using var engine = new CpuEngine(Spec, new EngineOptions(1, 64));
        using ISampler cpu = engine.OpenSampler();
        cpu.Load(Weights);
        IReadOnlyList<Completion[]> expected = cpu.Sample(prompts, new SampleSettings(plan, 30, Greedy: false), null, default), found = Sample(prompts, plan, 30);
        int same = 0, all = 0;
        foreach ((Completion like, Completion of) in expected.SelectMany(x => x).Zip(found.SelectMany(x => x)))
        {
            all++;
            if (like.Tokens.SequenceEqual(of.Tokens)) // a uniform number on the edge of two tokens may part them
            {
                same++;
                Assert.Equal(like.Finish, of.Finish);
                Assert.All(like.LogProbs.Zip(of.LogProbs), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
                Assert.Equal(like.KeptMass, of.KeptMass, 1e-5f);
            }
        }

        Assert.InRange(same, all - 1, all);
    }

    [Fact]
    public void The_learner_gives_the_samplers_log_probs_back()
    {
        SamplePrompt[] prompts = Prompts(3, 64, 17);
        IReadOnlyList<Completion[]> groups = Sample(prompts, SamplingPlans.Plain with { Temperature = 0.7 });
        using ITrainer trainer = TorchModel.Trainer(Spec, Weights);
        foreach ((SamplePrompt prompt, Completion completion) in prompts.Zip(groups).SelectMany(pair => pair.Second.Select(completion => (pair.First, completion))))
        {
            var batch = new PackedBatch([.. prompt.Tokens, .. completion.Tokens], [0, prompt.Tokens.Length + completion.Tokens.Length], [prompt.Tokens.Length]);
            TokenScores scores = MicroModel.Scores(batch);
            trainer.Forward(batch, 0.7, keepForBackward: false, scores);
            Assert.All(completion.LogProbs.Zip(scores.LogProbs), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        }
    }

    [Fact]
    public void A_stop_string_ends_a_completion_and_tokens_are_counted()
    {
        using IEngine engine = TorchModel.Engine(Spec);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        long counted = 0;
        IReadOnlyList<Completion[]> groups = sampler.Sample(
            Prompts(3, 5), new SampleSettings(SamplingPlans.Plain with { EosTokens = [-1] }, 20, Greedy: false, () => new StopsAt(3)), tokens => counted = tokens, default);
        Assert.Equal(groups.Sum(group => group.Sum(completion => completion.Tokens.Length)), counted);
        Assert.All(groups.SelectMany(group => group), completion => Assert.Equal((3, FinishReason.StopString), (completion.Tokens.Length, completion.Finish)));
    }

    [Fact]
    public void Weights_are_given_back_and_taken_again()
    {
        using IEngine engine = TorchModel.Engine(Spec);
        using ISampler sampler = engine.OpenSampler();
        SamplePrompt[] prompts = Prompts(3);
        var settings = new SampleSettings(SamplingPlans.Plain, 8, Greedy: true);
        Assert.Throws<InvalidOperationException>(() => sampler.Sample(prompts, settings, null, default));
        sampler.Load(Weights);
        Completion[] first = sampler.Sample(prompts, settings, null, default)[0];
        sampler.Load(MicroModel.Weights(Spec, seed: 5));
        sampler.Unload();
        Assert.Throws<InvalidOperationException>(() => sampler.Sample(prompts, settings, null, default));
        sampler.Load(Weights);
        AssertSame(first, sampler.Sample(prompts, settings, null, default)[0]);
    }

    [Fact]
    public void A_prompt_that_does_not_fit_is_refused()
    {
        using IEngine engine = TorchModel.Engine(Spec);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        var settings = new SampleSettings(SamplingPlans.Plain, 250, Greedy: false);
        ArgumentException refused = Assert.Throws<ArgumentException>(() => sampler.Sample(Prompts(10), settings, null, default));
        Assert.Contains("the model's context holds 256", refused.Message, StringComparison.Ordinal);
    }

    private static SamplePrompt[] Prompts(params int[] lengths) =>
    [
        .. lengths.Select((length, i) => new SamplePrompt(
            [.. Enumerable.Range(0, length).Select(t => 3 + (((t * 7) + i) % 16))], Seeds.Sampling(new GroupId(0, GroupStream.Primary, i)), [0, 1, 2, 3])),
    ];

    private static IReadOnlyList<Completion[]> Sample(SamplePrompt[] prompts, SamplingPlan plan, int lengthMax = 40)
    {
        using IEngine engine = TorchModel.Engine(Spec);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        return sampler.Sample(prompts, new SampleSettings(plan, lengthMax, Greedy: false), null, default);
    }

    private static void AssertSame(Completion[] expected, Completion[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        foreach ((Completion like, Completion of) in expected.Zip(found))
        {
            Assert.Equal(like.Tokens.AsSpan(), of.Tokens.AsSpan());
            Assert.Equal(like.LogProbs.AsSpan(), of.LogProbs.AsSpan());
            Assert.Equal((like.Index, like.Finish, like.KeptMass), (of.Index, of.Finish, of.KeptMass));
        }
    }

    private sealed class StopsAt(int length) : IStopScanner
    {
        private int seen;

        public bool Accept(int token) => ++seen == length;
    }
}
