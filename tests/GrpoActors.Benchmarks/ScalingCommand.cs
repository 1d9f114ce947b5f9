using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>scaling</c>: how tokens a second follow batch, sequence length, layers and width.</summary>
internal static class ScalingCommand
{
    private const int PromptTokens = 80, NewTokens = 17, GroupSize = 8;

    private static readonly Option<string> Axis = new Option<string>("--axis") { Description = "What grows.", DefaultValueFactory = _ => "batch" }
        .AcceptOnlyFromAmong("batch", "length", "layers", "width");

    public static Command Build() => new Benchmark(
        "scaling",
        "Decodes and trains with one size growing, the others as SmolLM2-135M has them: batch 1 to 64, sequence length 64 to 2048, layers 5 to 30, width 192 to 960.",
        Run, Axis);

    private static void Run(Settings settings, Report report)
    {
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        switch (settings.Parsed.GetValue(Axis))
        {
            case "batch":
                Decode(settings, report, limits, Models.SmolLM2, "", [1, 2, 4, 8, 16, 32, 64], [PromptTokens]);
                break;
            case "length":
                int[] lengths = [64, 128, 256, 512, 1024, 2048];
                Decode(settings, report, limits, Models.SmolLM2, "", [8], lengths);
                Train(settings, report, limits, Models.SmolLM2, "", lengths);
                break;
            case "layers":
                foreach (int layers in new[] { 5, 10, 20, 30 })
                {
                    Both(settings, report, limits, Models.SmolLM2 with { Layers = layers }, $"{layers} layers, ");
                }

                break;
            default:
                foreach (int heads in new[] { 3, 6, 9, 15 })
                {
                    ModelSpec spec = Models.SmolLM2 with { Heads = heads, HiddenSize = heads * 64, IntermediateSize = heads * 512 / 3 };
                    Both(settings, report, limits, spec, $"width {spec.HiddenSize}, ");
                }

                break;
        }
    }

    private static void Both(Settings settings, Report report, Limits limits, ModelSpec spec, string which)
    {
        Decode(settings, report, limits, spec, which, [8], [PromptTokens]);
        Train(settings, report, limits, spec, which, [128]);
    }

    private static void Decode(Settings settings, Report report, Limits limits, ModelSpec spec, string which, int[] batches, int[] promptLengths)
    {
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, 1024));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Models.Weights(spec));
        foreach ((int rows, int promptTokens) in batches.SelectMany(rows => promptLengths.Select(length => (rows, length))))
        {
            double seconds = ModelPace.Decode(sampler, spec, rows, GroupSize, promptTokens, NewTokens, settings.Runs).Seconds / (NewTokens - 1);
            double bound = work.DecodeSeconds(limits, rows, Math.Max(1, rows / GroupSize), promptTokens, NewTokens / 2.0);
            report.Add(new Row($"decode: {which}batch {rows}, after {promptTokens} tokens", rows / seconds, "tokens/s", rows / bound));
        }
    }

    /// <summary>1,024 tokens, or one sequence.</summary>
    private static void Train(Settings settings, Report report, Limits limits, ModelSpec spec, string which, int[] lengths)
    {
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, 4096));
        using ITrainer trainer = engine.OpenTrainer(Models.Weights(spec));
        foreach (int length in lengths)
        {
            int sequences = Math.Max(1, 1024 / length);
            double seconds = ModelPace.ForwardBackward(trainer, spec, sequences, length, settings.Runs).Seconds;
            report.Add(new Row(
                $"forward and backward: {which}{sequences} x {length}", sequences * length / seconds, "tokens/s", sequences * length / work.TrainSeconds(limits, sequences, length)));
        }
    }
}
