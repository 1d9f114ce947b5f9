namespace GrpoActors.Cluster.Tests;

/// <summary>A run of a second: a policy of a thousand weights on one-digit sums; and a configuration for nodes that have no time.</summary>
internal static class TinyRunFiles
{
    public const string RunFile = "tiny.json", Hurried = "hurried.conf";

    private const string RunText = """
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
            { "name": "grpo", "kind": "grpo", "data": "prompts.jsonl", "steps": 6, "groups_per_step": 4, "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2 }
          ],
          "rewards": [ { "name": "answer", "kind": "exact_answer" }, { "name": "brief", "kind": "length", "weight": 0.5, "settings": { "target": 3 } } ],
          "evaluation": { "data": "heldout.jsonl", "reward": "answer" },
          "save_steps": 2, "threads": 1
        }
        """;

    /// <summary>Deadlines of seconds: loopback loses nothing, and a test that waits for a busy machine's patience proves no more.</summary>
    private const string HurriedText = """
        grpo {
          coordinator { restarts-max = 50, lease { length = 3 s, renew-every = 500 ms } }
          worker.ask-again-after = 300 ms
          node { drain-max = 5 s, rejoin-after = 500 ms }
        }
        akka {
          remote.retry-gate-closed-for = 200 ms
          cluster {
            seed-node-timeout = 2 s
            retry-unsuccessful-join-after = 1 s
            failure-detector { heartbeat-interval = 500 ms, acceptable-heartbeat-pause = 6 s }
            split-brain-resolver.stable-after = 3 s
            singleton.min-number-of-hand-over-retries = 5
          }
        }
        """;

    public static void Write(string folder)
    {
        File.WriteAllLines(Path.Combine(folder, "worked.jsonl"), Problems(0, 12).Select(p => $$"""{"prompt":"{{p.Prompt}}","completion":"{{p.Answer}}"}"""));
        File.WriteAllLines(Path.Combine(folder, "prompts.jsonl"), Problems(3, 17).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        File.WriteAllLines(Path.Combine(folder, "heldout.jsonl"), Problems(20, 5).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        File.WriteAllText(Path.Combine(folder, RunFile), RunText);
        File.WriteAllText(Path.Combine(folder, Hurried), HurriedText);
    }

    private static IEnumerable<(string Prompt, string Answer)> Problems(int first, int count) =>
        Enumerable.Range(first, count).Select(i => ($"{i % 10}+{i * 7 % 10}=", $"{(i % 10) + (i * 7 % 10)}"));
}
