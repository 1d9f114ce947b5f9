using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>prefix</c>: what computing a group's prompt once gains in training, at SmolLM2-135M's shape.</summary>
internal static class PrefixCommand
{
    private const int PromptTokens = 80, Completions = 8, CompletionTokens = 96;

    private static readonly Option<int> Groups = new("--groups") { Description = "Groups of a micro-batch: weights are read, and their gradients written, once for all of them.", HelpName = "N", DefaultValueFactory = _ => 1 };

    public static Command Build() => new Benchmark(
        "prefix",
        $"Trains on prompts of {PromptTokens} tokens with {Completions} completions of {CompletionTokens} each at SmolLM2-135M's shape, the prompt computed once and for each completion, in turn. Counted: tokens of completions.",
        Run, Groups);

    private static void Run(Settings settings, Report report)
    {
        int groups = settings.Parsed.GetValue(Groups);
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        ModelSpec spec = Models.SmolLM2;
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, 2048));
        using ITrainer trainer = engine.OpenTrainer(Models.Weights(spec));
        Timing Measure(bool shares) => ModelPace.ForwardBackward(trainer, spec, groups, Completions, PromptTokens, CompletionTokens, shares, runs: 1);
        (Timing Apart, Timing Shared)[] pairs = [.. Enumerable.Range(0, settings.Runs).Select(_ => (Measure(shares: false), Measure(shares: true)))];
        int next = 0;
        Timing apart = Timing.OfMeasured(pairs.Length, () => pairs[next++].Apart), shared = Timing.OfMeasured(pairs.Length, () => pairs[--next].Shared);
        double tokens = groups * Completions * CompletionTokens;
        double limitShared = groups * work.TrainSharedSeconds(limits, Completions, PromptTokens, CompletionTokens);
        double limitApart = groups * Completions * work.TrainSharedSeconds(limits, 1, PromptTokens, CompletionTokens);
        report.Add(new Row("prompt once for each completion", tokens / apart.Seconds, "tokens/s", tokens / limitApart, apart.BytesAllocated));
        report.Add(new Row("prompt once for its group", tokens / shared.Seconds, "tokens/s", tokens / limitShared, shared.BytesAllocated));
        double[] gains = [.. pairs.Select(pair => pair.Apart.Seconds / pair.Shared.Seconds).Order()];
        report.Add(new Row("times as fast", gains[gains.Length / 2], "", limitApart / limitShared));
    }
}
