using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>prefix</c>: what computing a group's prompt once gains in training, at SmolLM2-135M's shape.</summary>
internal static class PrefixCommand
{
    private const int PromptTokens = 80, Completions = 8, CompletionTokens = 96;

    public static Command Build() => new Benchmark(
        "prefix",
        $"Trains on a prompt of {PromptTokens} tokens with {Completions} completions of {CompletionTokens} at SmolLM2-135M's shape, the prompt computed once and for each completion, in turn. Counted: tokens of completions.",
        Run);

    private static void Run(Settings settings, Report report)
    {
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        ModelSpec spec = Models.SmolLM2;
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, 2048));
        using ITrainer trainer = engine.OpenTrainer(Models.Weights(spec));
        Timing Measure(bool shares) => ModelPace.ForwardBackward(trainer, spec, Completions, PromptTokens, CompletionTokens, shares, settings.Runs);
        Timing apart = Measure(shares: false), shared = Measure(shares: true);
        const double Tokens = Completions * CompletionTokens;
        double limitShared = work.TrainSharedSeconds(limits, Completions, PromptTokens, CompletionTokens);
        double limitApart = Completions * work.TrainSharedSeconds(limits, 1, PromptTokens, CompletionTokens);
        report.Add(new Row("prompt once for each completion", Tokens / apart.Seconds, "tokens/s", Tokens / limitApart, apart.BytesAllocated));
        report.Add(new Row("prompt once for its group", Tokens / shared.Seconds, "tokens/s", Tokens / limitShared, shared.BytesAllocated));
        report.Add(new Row("times as fast", apart.Seconds / shared.Seconds, "", limitApart / limitShared));
    }
}
