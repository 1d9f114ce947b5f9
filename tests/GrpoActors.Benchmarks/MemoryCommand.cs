using System.CommandLine;
using System.Globalization;
using System.Text;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Measurement;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Benchmarks;

/// <summary><c>memory</c>: what a run of SmolLM2-135M has resident at its peak, beside what <c>--dry-run</c> predicts.</summary>
internal static class MemoryCommand
{
    private const string Model = "HuggingFaceTB/SmolLM2-135M-Instruct";

    private static readonly Option<int> Steps = new("--steps") { Description = "Steps that are trained.", HelpName = "N", DefaultValueFactory = _ => 2 };

    private static readonly Option<int> Groups = new("--groups") { Description = "Prompts of a step, with 8 completions each.", HelpName = "N", DefaultValueFactory = _ => 4 };

    private static readonly Option<int> Length = new("--length") { Description = "Tokens of a completion.", HelpName = "N", DefaultValueFactory = _ => 256 };

    private static readonly Option<string[]> Set = new("--set") { Description = "A setting of the run, as grpo train takes it.", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };

    public static Command Build() => new Benchmark(
        "memory",
        "Trains SmolLM2-135M with AdamW, beta 0, lag 0, prompts of 80 tokens and completions that are all of full length (drawn nearly uniformly, they do not end by themselves), "
        + "and compares the most memory that was resident with the prediction. Linux; GRPO_ASSETS says where the model lies.",
        (settings, report) => Run(settings, report).GetAwaiter().GetResult(),
        Steps, Groups, Length, Set);

    private static async Task Run(Settings settings, Report report)
    {
        string folder = Directory.CreateTempSubdirectory("grpo-memory-").FullName;
        try
        {
            string runFile = Path.Combine(folder, "run.json");
            await File.WriteAllTextAsync(Path.Combine(folder, "prompts.jsonl"), Prompts(settings.Parsed.GetValue(Groups)));
            await File.WriteAllTextAsync(runFile, RunFile(settings.Parsed.GetValue(Groups), settings.Parsed.GetValue(Length), settings.Parsed.GetValue(Steps)));
            var run = new GrpoRunSettings
            {
                Environment = [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(variable => KeyValuePair.Create((string)variable.Key, (string)variable.Value!))],
                Overrides = [("run_dir", Path.Combine(folder, "run")), ("threads", settings.Threads.ToString(CultureInfo.InvariantCulture)), .. settings.Parsed.GetValue(Set)!.Select(Pair)],
            };
            MemoryUse predicted = RunComposition.Memory(GrpoRun.Check(runFile, run).PlanOrThrow());
            await Train(runFile, run, report);
            double peak = PeakResidentBytes(), forecast = predicted.PeakBytes;
            report.Add(new Row("predicted: while sampling", predicted.SamplingBytes / 1e6, "MB"));
            report.Add(new Row("predicted: while training", predicted.TrainingBytes / 1e6, "MB"));
            report.Add(new Row("resident at the peak", peak / 1e6, "MB", forecast / 1e6));
        }
        catch (ConfigException absent)
        {
            await Console.Error.WriteLineAsync($"Nothing is measured: {absent.Errors[0]} (grpo pull brings the model; GRPO_ASSETS says where it lies)");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task Train(string runFile, GrpoRunSettings settings, Report report)
    {
        using GrpoRun run = GrpoRun.Open(runFile, settings);
        await foreach (var step in run.TrainAsync())
        {
            report.Add(new Row($"step {step.Step}: tokens of a completion, mean", step.MeanLength ?? 0, "tokens"));
            report.Add(new Row($"step {step.Step}: resident at the peak so far", PeakResidentBytes() / 1e6, "MB"));
            report.Add(new Row($"step {step.Step}: of it the collector's heap, now", GC.GetGCMemoryInfo().TotalCommittedBytes / 1e6, "MB"));
        }
    }

    private static (string Key, string Value) Pair(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? throw new ArgumentException($"--set {text}: write KEY=VALUE.") : (text[..equals], text[(equals + 1)..]);
    }

    /// <summary>Each of 80 tokens: a digit is one.</summary>
    private static string Prompts(int count)
    {
        var lines = new StringBuilder();
        for (int i = 0; i < count; i++)
        {
            lines.Append(CultureInfo.InvariantCulture, $$"""{"prompt": "{{string.Concat(Enumerable.Range(0, 80).Select(place => (char)('0' + (i + place) % 10)))}}"}""").Append('\n');
        }

        return lines.ToString();
    }

    private static string RunFile(int groups, int length, int steps) => $$"""
        {
          "seed": 1,
          "dialect": "trl",
          "model": { "path": "{{Model}}" },
          "phases": [
            {
              "name": "grpo", "kind": "grpo", "data": "prompts.jsonl", "steps": {{steps}}, "groups_per_step": {{groups}}, "num_generations": 8,
              "max_completion_length": {{length}}, "temperature": 20, "beta": 0, "learning_rate": 1e-6,
            },
          ],
          "rewards": [{ "name": "digit", "kind": "regex_format", "settings": { "pattern": ".*[02468].*", "right": 1 } }],
          "micro_batch_tokens": 1024,
        }
        """;

    /// <summary>VmHWM: the largest resident set since the process began.</summary>
    private static double PeakResidentBytes()
    {
        string line = File.ReadLines("/proc/self/status").First(found => found.StartsWith("VmHWM:", StringComparison.Ordinal));
        return 1024.0 * long.Parse(line.AsSpan(6, line.Length - 6 - "kB".Length).Trim(), CultureInfo.InvariantCulture);
    }
}
