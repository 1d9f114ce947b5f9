using System.Text.Json;
using GrpoActors.Core.Completions;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using Xunit;

namespace GrpoActors.Engine.Tests;

/// <summary>SmolLM2-135M-Instruct against transformers in float32, on an engine.</summary>
public abstract class SmolLmConformance
{
    /// <summary>Where transformers' two best logits lie closer than this, its own float32 decides at random.</summary>
    private const double NearTie = 4e-4;

    [SmolLmFact]
    public void Log_probs_and_greedy_ids_are_those_of_transformers()
    {
        string folder = SmolLmFactAttribute.Folder!;
        ModelSpec spec = ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder));
        PolicyWeights weights;
        using (var files = SafetensorsFolder.Open(folder))
        {
            weights = WeightFiles.Read(files, spec);
        }

        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "smollm2-135m-instruct.golden.json")));
        using IEngine engine = Open(spec);
        using ITrainer trainer = engine.OpenTrainer(weights);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(weights);
        foreach (JsonElement question in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] prompt = Ids(question, "prompt_ids"), completion = Ids(question, "completion_ids"), greedy = Ids(question, "greedy_ids");
            var batch = new PackedBatch([.. prompt, .. completion], [0, prompt.Length + completion.Length], [prompt.Length]);
            TokenScores scores = MicroModel.Scores(batch);
            trainer.Forward(batch, 1, keepForBackward: false, scores);
            for (int t = 0; t < completion.Length; t++)
            {
                Assert.Equal(question.GetProperty("logp")[t].GetDouble(), scores.LogProbs[t], 2e-4);
                Assert.Equal(question.GetProperty("entropy")[t].GetDouble(), scores.Entropies[t], 1e-3);
            }

            Completion found = sampler.Sample([new SamplePrompt(prompt, default, [0])], new SampleSettings(SamplingPlans.Plain with { EosTokens = [] }, greedy.Length, Greedy: true), null, default)[0][0];
            int same = found.Tokens.Zip(greedy).TakeWhile(pair => pair.First == pair.Second).Count();
            Assert.True(same == found.Tokens.Length || Margin(trainer, prompt, greedy[..same], found.Tokens[same], greedy[same]) < NearTie, $"Greedy ids part at {same} of {greedy.Length}, which is no near-tie.");
        }
    }

    protected abstract IEngine Open(ModelSpec spec);

    /// <summary>How much more probable one token is than the other, in nats.</summary>
    private static double Margin(ITrainer trainer, int[] prompt, int[] before, int one, int other)
    {
        double LogProb(int token)
        {
            var batch = new PackedBatch([.. prompt, .. before, token], [0, prompt.Length + before.Length + 1], [prompt.Length + before.Length]);
            TokenScores scores = MicroModel.Scores(batch);
            trainer.Forward(batch, 1, keepForBackward: false, scores);
            return scores.LogProbs[0];
        }

        return Math.Abs(LogProb(one) - LogProb(other));
    }

    private static int[] Ids(JsonElement question, string name) => [.. question.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    private sealed class SmolLmFactAttribute : FactAttribute
    {
        private const string Relative = "models/smollm2-135m-instruct";

        public SmolLmFactAttribute()
        {
            if (Folder is null)
            {
                Skip = $"{Relative}/model.safetensors is not on this machine: set GRPO_ASSETS to a folder that holds it.";
            }
        }

        /// <summary>Under GRPO_ASSETS, or in the cache folder where published models are unpacked.</summary>
        public static string? Folder { get; } = new[]
        {
            Environment.GetEnvironmentVariable("GRPO_ASSETS"),
            Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "grpo-actors"),
        }.OfType<string>().Select(root => Path.Combine(root, Relative)).FirstOrDefault(folder => File.Exists(Path.Combine(folder, "model.safetensors")));
    }
}
