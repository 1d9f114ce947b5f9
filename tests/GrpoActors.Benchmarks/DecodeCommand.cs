using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>decode</c>: tokens drawn a second at SmolLM2-135M's shape.</summary>
internal static class DecodeCommand
{
    private const int PromptTokens = 80, GroupSize = 8;

    private static readonly Option<int[]> Batches = new("--batch") { Description = "Rows decoded side by side.", HelpName = "N", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 8, 32] };

    private static readonly Option<int> NewTokens = new("--new-tokens") { Description = "Positions that are decoded.", HelpName = "N", DefaultValueFactory = _ => 96 };

    private static readonly Option<bool> BFloat16 = new("--bfloat16") { Description = "Weights that bfloat16 holds exactly, as an untrained checkpoint's: half the bytes." };

    public static Command Build() => new Benchmark(
        "decode",
        $"Decodes after prompts of {PromptTokens} in groups of {GroupSize} at SmolLM2-135M's shape; and prefills prompts. Limit: max((weights + keys and values) / bandwidth, operations / peak), with the bandwidth of the memory in which the weights lie.",
        Run, Batches, NewTokens, BFloat16);

    private static void Run(Settings settings, Report report)
    {
        int newTokens = settings.Parsed.GetValue(NewTokens);
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        ModelSpec spec = Models.SmolLM2;
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, 1024));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Models.Weights(spec, settings.Parsed.GetValue(BFloat16)));
        (long weightBytes, double weightsPerSecond) = ModelPace.ReadWeights(sampler);
        report.Add(new Row("memory read, where the weights lie", weightsPerSecond / 1e9, "GB/s", limits.BytesPerSecond / 1e9));
        limits = limits with { BytesPerSecond = weightsPerSecond };
        Timing prefill = ModelPace.Prefill(sampler, spec, 8, PromptTokens, settings.Runs);
        report.Add(new Row($"prefill of 8 x {PromptTokens}", 8 * PromptTokens / prefill.Seconds, "tokens/s", 8 * PromptTokens / work.PrefillSeconds(limits, 8, PromptTokens)));
        foreach (int rows in settings.Parsed.GetValue(Batches)!)
        {
            Timing timing = ModelPace.Decode(sampler, spec, rows, GroupSize, PromptTokens, newTokens, settings.Runs);
            int steps = newTokens - 1, prompts = Math.Max(1, rows / GroupSize);
            double bound = work.DecodeSeconds(limits, rows, prompts, PromptTokens, ownTokens: newTokens / 2.0, (double)weightBytes / work.MatrixWeights);
            report.Add(new Row($"decode, batch {rows}", rows * steps / timing.Seconds, "tokens/s", rows / bound, timing.BytesAllocated));
        }
    }
}
