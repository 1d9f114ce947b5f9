using System.Runtime.InteropServices;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class SamplerTests
{
    private static readonly ModelSpec Spec = MicroModel.Spec();
    private static readonly PolicyWeights Weights = MicroModel.Weights(Spec);
    private static readonly SeedTree Seeds = new(7);

    [Theory]
    [InlineData(1.0, 1)]
    [InlineData(0.7, 2)]
    [InlineData(1.3, 3)]
    public void The_sampler_and_the_learner_give_the_same_log_probs_to_the_bit(double temperature, int threads)
    {
        SamplePrompt[] prompts = Prompts(3, 64, 17, 70, 1);
        IReadOnlyList<Completion[]> groups = Sample(prompts, SamplingPlans.Plain with { Temperature = temperature }, threads: threads);
        using CpuTrainer trainer = MicroModel.Trainer(Spec, Weights, threads: 4 - threads);
        AssertLearnerAgrees(trainer, prompts, groups, temperature);
    }

    [Fact]
    public void Weights_that_bfloat16_holds_are_read_in_half_the_bytes_with_the_same_bits_and_then_no_longer()
    {
        PolicyWeights weights = MicroModel.Weights(Spec);
        foreach (NamedTensor tensor in weights.Tensors)
        {
            foreach (ref uint bits in MemoryMarshal.Cast<float, uint>(tensor.Values.Span))
            {
                bits &= 0xFFFF0000;
            }
        }

        SamplePrompt[] prompts = Prompts(3, 64, 17);
        using var engine = new CpuEngine(Spec, new EngineOptions(2, 64));
        using ISampler sampler = engine.OpenSampler();
        long bytes = 0;
        foreach (PolicyWeights version in new[] { weights, ModelPace.Trained(weights), weights })
        {
            sampler.Load(version);
            (bytes, long before) = (ModelPace.ReadWeights(sampler).Bytes, bytes);
            Assert.Equal(before == 0 || ReferenceEquals(version, weights), before == 0 || before == 2 * bytes);
            using var trainer = (CpuTrainer)engine.OpenTrainer(version);
            AssertLearnerAgrees(trainer, prompts, sampler.Sample(prompts, new SampleSettings(SamplingPlans.Plain, 40, Greedy: false), null, default), 1);
        }
    }

    [Fact]
    public void All_tiny_models_sample_and_learn_with_the_same_bits()
    {
        foreach (string name in GoldenModel.Names)
        {
            using var golden = new GoldenModel(name);
            using var engine = new CpuEngine(golden.Spec, new EngineOptions(2, 50));
            using ISampler sampler = engine.OpenSampler();
            sampler.Load(golden.Weights);
            SamplePrompt[] prompts = [.. new[] { 5, 66, 23 }.Select((length, i) => new SamplePrompt([.. Enumerable.Range(0, length).Select(t => 3 + (t * 7 + i) % 250)], Seeds.Sampling(new GroupId(0, GroupStream.Primary, i)), [0, 1, 2, 3]))];
            IReadOnlyList<Completion[]> groups = sampler.Sample(prompts, new SampleSettings(SamplingPlans.Plain with { Temperature = 0.7 }, 80, Greedy: false), null, default);
            using var trainer = (CpuTrainer)engine.OpenTrainer(golden.Weights);
            AssertLearnerAgrees(trainer, prompts, groups, 0.7);
        }
    }

    [Fact]
    public void What_is_sampled_beside_a_group_changes_nothing()
    {
        SamplePrompt[] prompts = Prompts(3, 64, 17, 70, 1);
        IReadOnlyList<Completion[]> together = Sample(prompts, SamplingPlans.Plain);
        for (int i = 0; i < prompts.Length; i++)
        {
            AssertSame(together[i], Sample([prompts[i]], SamplingPlans.Plain, threads: 2)[0]);
            AssertSame([together[i][2]], Sample([prompts[i] with { Indices = [2] }], SamplingPlans.Plain)[0]);
        }
    }

    [Fact]
    public void Completions_end_on_any_end_of_sequence_id_or_at_the_length_limit()
    {
        Completion[] all = [.. Sample(Prompts(3, 9, 17), SamplingPlans.Plain with { EosTokens = [2, 5] }).SelectMany(group => group)];
        Assert.Contains(all, completion => completion.Finish == FinishReason.Eos);
        Assert.All(all, completion =>
        {
            bool ends = completion.Tokens[^1] is 2 or 5;
            Assert.Equal(ends ? FinishReason.Eos : FinishReason.Length, completion.Finish);
            Assert.True(ends || completion.Tokens.Length == 40);
            Assert.DoesNotContain(completion.Tokens[..^1], token => token is 2 or 5);
            Assert.Equal(1f, completion.KeptMass);
        });
    }

    [Fact]
    public void A_stop_scanner_ends_its_own_completion_only()
    {
        var settings = new SampleSettings(SamplingPlans.Plain with { EosTokens = [-1] }, 40, Greedy: false, () => new StopAfterTwo(token: 4));
        using var engine = new CpuEngine(Spec, new EngineOptions(1, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        Completion[] all = [.. sampler.Sample(Prompts(3, 9), settings, null, default).SelectMany(group => group)];
        Assert.Contains(all, completion => completion.Finish == FinishReason.StopString);
        Assert.All(all, completion => Assert.Equal(completion.Finish == FinishReason.StopString, completion.Tokens.Count(token => token == 4) == 2));
    }

    [Fact]
    public void Cancellation_stops_between_tokens()
    {
        using var engine = new CpuEngine(Spec, new EngineOptions(1, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        using var cancellation = new CancellationTokenSource();
        long seen = 0;
        Assert.Throws<OperationCanceledException>(() => sampler.Sample(
            Prompts(3), new SampleSettings(SamplingPlans.Plain with { EosTokens = [-1] }, 100, Greedy: false), tokens =>
            {
                seen = tokens;
                if (tokens >= 3 * 4)
                {
                    cancellation.Cancel();
                }
            },
            cancellation.Token));
        Assert.Equal(12, seen);
    }

    [Fact]
    public void A_prompt_that_leaves_no_room_for_its_completion_is_refused()
    {
        var refused = Assert.Throws<ArgumentException>(() => Sample(Prompts(250), SamplingPlans.Plain));
        Assert.Contains("context holds 256", refused.Message, StringComparison.Ordinal);
    }

    internal static SamplePrompt[] Prompts(params int[] lengths) =>
        [.. lengths.Select((length, i) => new SamplePrompt([.. Enumerable.Range(0, length).Select(t => 3 + (t * 5 + i) % 16)], Seeds.Sampling(new GroupId(0, GroupStream.Primary, i)), [0, 1, 2, 3]))];

    private static IReadOnlyList<Completion[]> Sample(SamplePrompt[] prompts, SamplingPlan plan, int threads = 1)
    {
        using var engine = new CpuEngine(Spec, new EngineOptions(threads, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        return sampler.Sample(prompts, new SampleSettings(plan, 40, Greedy: false), null, default);
    }

    private static void AssertSame(Completion[] expected, Completion[] found)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(expected[i].Tokens.SequenceEqual(found[i].Tokens), $"{i}: {string.Join(",", expected[i].Tokens)} / {string.Join(",", found[i].Tokens)} | {string.Join(",", expected[i].LogProbs)} / {string.Join(",", found[i].LogProbs)}");
            var bad = Enumerable.Range(0, expected[i].LogProbs.Length).Where(t => expected[i].LogProbs[t] != found[i].LogProbs[t]).ToArray();
            Assert.True(bad.Length == 0, $"{i}: {string.Join(",", bad)} of {expected[i].Tokens.Length}; {string.Join(" ", bad.Select(t => expected[i].LogProbs[t] + "/" + found[i].LogProbs[t]))}");
        }
    }

    private static void AssertLearnerAgrees(CpuTrainer trainer, SamplePrompt[] prompts, IReadOnlyList<Completion[]> groups, double temperature)
    {
        var rows = prompts.SelectMany((prompt, i) => groups[i].Select(completion => (prompt.Tokens, completion))).ToArray();
        int[] offsets = new int[rows.Length + 1];
        for (int i = 0; i < rows.Length; i++)
        {
            offsets[i + 1] = offsets[i] + rows[i].Tokens.Length + rows[i].completion.Tokens.Length;
        }

        var batch = new PackedBatch([.. rows.SelectMany(row => row.Tokens.Concat(row.completion.Tokens))], offsets, [.. rows.Select(row => row.Tokens.Length)]);
        TokenScores scores = MicroModel.Scores(batch);
        trainer.Forward(batch, temperature, keepForBackward: true, scores);
        Assert.Equal(rows.SelectMany(row => row.completion.LogProbs), scores.LogProbs);
    }

    private sealed class StopAfterTwo(int token) : IStopScanner
    {
        private int _seen;

        public bool Accept(int next) => next == token && ++_seen == 2;
    }
}
