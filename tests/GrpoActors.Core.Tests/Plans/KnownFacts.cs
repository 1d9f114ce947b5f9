using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

/// <summary>A world in which every file exists: 100 rows each, a model of context 128, rewards "exact" and "format".</summary>
internal sealed class KnownFacts : IPlanFacts
{
    public List<string> Asked { get; } = [];

    public int ContextLength { get; init; } = 128;

    public Finding<EngineFacts> Engine(string name, DevicePlan device, int threads) => name == "cpu"
        ? new EngineFacts("1")
        : new ConfigError("", $"is \"{name}\", which is no engine.", "There is cpu.");

    public Finding<ModelFacts> Model(ModelOptions model, ulong seed)
    {
        Asked.Add(model.Path ?? "random");
        Digest? template = model.Path is not null || model.Chat?.TemplatePath is not null ? Digest.Of("template") : null;
        return new ModelFacts(model.Config ?? "{}", 32, ContextLength, [2], Digest.Of($"weights {seed}"), Digest.Of("tokenizer"), template);
    }

    public Finding<DataFacts> Data(DataOptions data, ModelOptions? model)
    {
        string path = data.Path;
        Asked.Add(path);
        return path.EndsWith("absent.jsonl", StringComparison.Ordinal)
            ? new ConfigError("", $"is {path}, which does not exist.", "Check the path.")
            : new DataFacts(path.EndsWith("empty.jsonl", StringComparison.Ordinal) ? 0 : 100, Digest.Of(Path.GetFileName(path)));
    }

    public Finding<RewardFacts> Reward(string kind, string settings) => kind is "exact" or "format"
        ? settings.Contains("wrong", StringComparison.Ordinal)
            ? new ConfigError("wrong", "is no setting of this reward.", "Remove it.")
            : new RewardFacts(1)
        : new ConfigError("", $"is \"{kind}\", which is no reward.", "There are exact, format.");
}

internal static class RunFiles
{
    public const string Small = """
        {
          // a comment, and a trailing comma below
          "model": {
            "config": { "model_type": "llama", "hidden_size": 32, "rms_norm_eps": 1e-5 },
            "tokenizer": { "characters": "0123456789+= ", "whole_tokens": ["<think>"] },
          },
          "phases": [
            { "name": "sft", "kind": "sft", "data": "worked.jsonl", "steps": 5, "examples_per_step": 4, "learning_rate": 1e-3 },
            {
              "name": "grpo", "kind": "grpo", "data": "prompts.jsonl", "steps": 3,
              "groups_per_step": 32, "num_generations": 8, "max_completion_length": 32,
            },
          ],
          "rewards": [
            { "name": "answer", "kind": "exact" },
            { "kind": "format", "weight": 0.1, "timeout": "500ms" },
          ],
          "evaluation": { "data": "heldout.jsonl" },
        }
        """;

    public static PlanResult Read(string json, params (string Key, string Value)[] sets)
    {
        RunOptions options = RunOptions.Parse(json, "recipes/small.json");
        foreach (var (key, value) in sets)
        {
            options = options.With(key, value);
        }

        return options.ToPlan(new KnownFacts());
    }

    public static PlanResult Read(params (string Key, string Value)[] sets) => Read(Small, sets);

    /// <summary>The one error of a small run with one setting changed.</summary>
    public static string Error(string key, string value) => Assert.Single(Read((key, value)).Errors).ToString();
}
