namespace GrpoActors.EndToEnd;

/// <summary>A run of a second: a policy of a thousand weights on one-digit sums.</summary>
internal static class TinyRunFile
{
    public const string Text = """
        {
          "model": {
            "config": {
              "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 1, "head_dim": 4, "max_position_embeddings": 24, "tie_word_embeddings": true, "initializer_range": 0.3
            },
            "tokenizer": { "characters": "0123456789+=" }
          },
          "phases": [
            { "name": "sft", "kind": "sft", "data": "worked.jsonl", "steps": 2, "examples_per_step": 4, "learning_rate": 1e-2 },
            { "name": "grpo", "kind": "grpo", "data": "prompts.jsonl", "steps": 6, "groups_per_step": 3, "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2 }
          ],
          "rewards": [ { "name": "answer", "kind": "exact_answer" }, { "name": "brief", "kind": "length", "weight": 0.5, "settings": { "target": 3 } } ],
          "evaluation": { "data": "heldout.jsonl", "reward": "answer" },
          "save_steps": 2, "threads": 1
        }
        """;

    private static readonly Lazy<string> Undisturbed = new(() =>
    {
        using var scratch = new Scratch();
        Finished finished = Grpo.Run(["train", Write(Directory.CreateDirectory(scratch["files"]).FullName), "--run-dir", scratch["run"], "--json"]);
        return finished.ExitCode == 0 ? Grpo.Hashes(Grpo.LastObject(finished.Output)) : throw new InvalidOperationException($"The undisturbed run ended with {finished.ExitCode}:\n{finished.Error}");
    });

    /// <summary>Those that the undisturbed run ends with; trained once for all tests.</summary>
    public static string Hashes => Undisturbed.Value;

    /// <summary>Writes the file and its data into a folder that exists.</summary>
    /// <returns>Path of the run file.</returns>
    public static string Write(string folder, string text = Text)
    {
        File.WriteAllLines(Path.Combine(folder, "worked.jsonl"), Problems(0, 12).Select(p => $$"""{"prompt":"{{p.Prompt}}","completion":"{{p.Answer}}"}"""));
        File.WriteAllLines(Path.Combine(folder, "prompts.jsonl"), Problems(3, 17).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        File.WriteAllLines(Path.Combine(folder, "heldout.jsonl"), Problems(20, 5).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        string path = Path.Combine(folder, "tiny.json");
        File.WriteAllText(path, text);
        return path;
    }

    private static IEnumerable<(string Prompt, string Answer)> Problems(int first, int count) =>
        Enumerable.Range(first, count).Select(i => ($"{i % 10}+{i * 7 % 10}=", $"{(i % 10) + (i * 7 % 10)}"));
}
