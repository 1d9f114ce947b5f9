using System.CommandLine;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using GrpoActors.Engine.Measurement;
using GrpoActors.Text;

namespace GrpoActors.Benchmarks;

/// <summary><c>tokenize</c>: one pass over questions and answers, with a tokenizer that has seen nothing, on one thread.</summary>
internal static class TokenizeCommand
{
    /// <summary>MB/s of text that are asked for; SentencePiece's kind (Gemma) has no pattern that cuts words before they are merged.</summary>
    private const double ByteLevelGoal = 3, SentencePieceGoal = 1;

    /// <summary>Until the runtime has compiled for speed what the measured passes run; one is too few for a short file.</summary>
    private const int WarmingPasses = 3;

    private static readonly Option<string> Data = new("--data")
    {
        Description = "jsonl, each row with question and answer.",
        HelpName = "FILE",
        DefaultValueFactory = _ => Path.Combine("recipes", "gsm8k", "train.jsonl"),
    };

    private static readonly Option<string> Assets = new("--assets")
    {
        Description = "Every tokenizer.json in a folder of its tokenizers/ or models/ is measured; GRPO_ASSETS where not given.",
        HelpName = "FOLDER",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("GRPO_ASSETS") ?? ".",
    };

    public static Command Build() => new Benchmark("tokenize", "Encodes questions and answers once with a fresh tokenizer. Limit: the speed that is asked for, so that above 100 % is good.", Run, Data, Assets);

    private static void Run(Settings settings, Report report)
    {
        string[] texts = [.. File.ReadLines(settings.Parsed.GetRequiredValue(Data)).SelectMany(Texts)];
        double megabytes = texts.Sum(Encoding.UTF8.GetByteCount) / 1e6;
        string assets = settings.Parsed.GetRequiredValue(Assets);
        string[] folders = [.. new[] { "models", "tokenizers" }.Select(kind => Path.Combine(assets, kind)).Where(Directory.Exists).SelectMany(Directory.GetDirectories)
            .Where(folder => File.Exists(Path.Combine(folder, "tokenizer.json"))).Order(StringComparer.Ordinal)];
        if (folders.Length == 0)
        {
            Console.Error.WriteLine($"No tokenizer.json lies in a folder of {Path.Combine(assets, "tokenizers")} or {Path.Combine(assets, "models")}: set GRPO_ASSETS, or give --assets FOLDER.");
        }

        foreach (string folder in folders)
        {
            Timing.OfMeasured(WarmingPasses, () => Pass(folder, texts));
            Timing pass = Timing.OfMeasured(settings.Runs, () => Pass(folder, texts));
            string name = Path.GetFileName(folder);
            double goal = name.StartsWith("gemma", StringComparison.Ordinal) ? SentencePieceGoal : ByteLevelGoal;
            report.Add(new Row($"{name}, {megabytes:0.00} MB", megabytes / pass.Seconds, "MB/s", goal, pass.BytesAllocated));
        }
    }

    /// <summary>Loading is not timed; the caches are empty when the clock starts.</summary>
    private static Timing Pass(string folder, string[] texts)
    {
        ITokenizer tokenizer = Tokenizers.Load(folder);
        GC.Collect();
        long before = GC.GetTotalAllocatedBytes(precise: true), start = Stopwatch.GetTimestamp();
        foreach (string text in texts)
        {
            tokenizer.Encode(text);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Timing(seconds, GC.GetTotalAllocatedBytes(precise: true) - before);
    }

    private static string[] Texts(string line)
    {
        using JsonDocument row = JsonDocument.Parse(line);
        return [row.RootElement.GetProperty("question").GetString()!, row.RootElement.GetProperty("answer").GetString()!];
    }
}
