using System.Diagnostics;
using System.Text.Json;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Hub.Tests;

/// <summary>A real model against transformers in float32.</summary>
public sealed class SmolLM2Tests(ITestOutputHelper output)
{
    private const double LogProbTolerance = 2e-4;
    private const double NearTie = 4e-4;

    private static readonly SamplingPlan Greedy = new(1, 0, 1, 0, 1, [], [2]);

    [SmolLM2Fact]
    public void Log_probs_and_greedy_answers_are_those_of_transformers()
    {
        long started = Stopwatch.GetTimestamp();
        long bytes = File.ReadAllBytes(Path.Combine(SmolLM2.Folder!, "model.safetensors")).LongLength;
        output.WriteLine($"reading {bytes >> 20} MiB: {Stopwatch.GetElapsedTime(started).TotalSeconds:0.00} s");
        started = Stopwatch.GetTimestamp();
        using PretrainedModel model = PretrainedModel.Open(SmolLM2.Folder!);
        PolicyWeights weights = model.Weights;
        output.WriteLine($"loading: {Stopwatch.GetElapsedTime(started).TotalSeconds:0.00} s");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Goldens", "smollm2-135m-instruct.golden.json")));
        JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
        using IEngine engine = EngineProviders.Open(RunIdentity.DefaultEngine, model.Spec, new EngineOptions(Environment.ProcessorCount, 4096));
        using ITrainer trainer = engine.OpenTrainer(weights);
        LogProbs(trainer, cases);
        GreedyAnswers(engine, trainer, weights, cases);
    }

    [SmolLM2Fact]
    public void Its_chat_template_and_tokenizer_give_the_golden_prompts()
    {
        using PretrainedModel model = PretrainedModel.Open(SmolLM2.Folder!);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Goldens", "smollm2-135m-instruct.golden.json")));
        foreach (JsonElement row in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = model.Chat!.Render(JsonSerializer.SerializeToElement(new[] { new { role = "user", content = row.GetProperty("question").GetString() } }));
            Assert.Equal(row.GetProperty("prompt_text").GetString(), text);
            Assert.Equal(Ids(row, "prompt_ids"), model.Tokenizer.Encode(text));
        }
    }

    private void LogProbs(ITrainer trainer, JsonElement[] cases)
    {
        PackedBatch batch = Packed([.. cases.Select(row => (Ids(row, "prompt_ids"), Ids(row, "completion_ids")))]);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        long started = Stopwatch.GetTimestamp();
        trainer.Forward(batch, 1, keepForBackward: false, scores);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        double[] logp = [.. cases.SelectMany(row => Numbers(row, "logp"))], entropy = [.. cases.SelectMany(row => Numbers(row, "entropy"))];
        Assert.Equal(batch.Targets, logp.Length);
        double ofLogp = Enumerable.Range(0, logp.Length).Max(i => Math.Abs(logp[i] - scores.LogProbs[i]));
        double ofEntropy = Enumerable.Range(0, logp.Length).Max(i => Math.Abs(entropy[i] - scores.Entropies[i]));
        output.WriteLine($"forward: {batch.Tokens.Length} tokens in {seconds:0.00} s, {batch.Tokens.Length / seconds:0} tokens/s; log-probs within {ofLogp:0.0e0}, entropies within {ofEntropy:0.0e0}");
        Assert.True(ofLogp <= LogProbTolerance, $"A log-prob is {ofLogp:0.0e0} away from transformers'.");
        Assert.True(ofEntropy <= 10 * LogProbTolerance, $"An entropy is {ofEntropy:0.0e0} away from transformers'.");
    }

    private void GreedyAnswers(IEngine engine, ITrainer trainer, PolicyWeights weights, JsonElement[] cases)
    {
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(weights);
        SamplePrompt[] prompts = [.. cases.Select((row, i) => new SamplePrompt(Ids(row, "prompt_ids"), new SeedTree(1).Evaluation(0, (uint)i, 0), [0]))];
        int longest = cases.Max(row => row.GetProperty("greedy_ids").GetArrayLength());
        long started = Stopwatch.GetTimestamp();
        IReadOnlyList<Completion[]> answers = sampler.Sample(prompts, new SampleSettings(Greedy, longest, Greedy: true), null, CancellationToken.None);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        int tokens = answers.Sum(answer => answer[0].Tokens.Length);
        output.WriteLine($"greedy: {tokens} tokens in {seconds:0.00} s, {tokens / seconds:0} tokens/s, 4 answers side by side");
        for (int i = 0; i < cases.Length; i++)
        {
            int[] expected = Ids(cases[i], "greedy_ids"), found = [.. answers[i][0].Tokens];
            int at = expected.Zip(found).TakeWhile(pair => pair.Item1 == pair.Item2).Count();
            if (at == Math.Min(expected.Length, found.Length))
            {
                output.WriteLine($"answer {i}: {at} tokens, all equal");
                continue;
            }

            double margin = Margin(trainer, Ids(cases[i], "prompt_ids"), expected[..at], expected[at], found[at]);
            output.WriteLine($"answer {i}: equal up to token {at}, where the best two differ by {margin:0.0e0}");
            Assert.True(margin < NearTie, $"Answer {i} leaves transformers' at token {at} ({expected[at]}, ours {found[at]}), where the margin is {margin:0.0e0}.");
        }
    }

    private static double Margin(ITrainer trainer, int[] prompt, int[] before, int theirs, int ours)
    {
        int[] prefix = [.. prompt, .. before];
        PackedBatch batch = Packed([(prefix, [theirs]), (prefix, [ours])]);
        var scores = new TokenScores(new float[2], new float[2]);
        trainer.Forward(batch, 1, keepForBackward: false, scores);
        return Math.Abs(scores.LogProbs[0] - scores.LogProbs[1]);
    }

    private static PackedBatch Packed((int[] Prompt, int[] Completion)[] rows)
    {
        int[] offsets = [0, .. rows.Select((_, i) => rows[..(i + 1)].Sum(row => row.Prompt.Length + row.Completion.Length))];
        return new PackedBatch([.. rows.SelectMany(row => row.Prompt.Concat(row.Completion))], offsets, [.. rows.Select(row => row.Prompt.Length)]);
    }

    private static int[] Ids(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];

    private static double[] Numbers(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(x => x.GetDouble())];
}
