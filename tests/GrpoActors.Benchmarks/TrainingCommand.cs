using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>training</c>: tokens trained a second at SmolLM2-135M's shape.</summary>
internal static class TrainingCommand
{
    private const int Sequences = 8, Tokens = 128;

    public static Command Build() => new Benchmark(
        "training",
        $"Trains on {Sequences} sequences of {Tokens} tokens at SmolLM2-135M's shape. Limit: operations / peak + optimiser bytes / bandwidth.",
        Run);

    private static void Run(Settings settings, Report report)
    {
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        ModelSpec spec = Models.SmolLM2;
        var work = new Work(spec);
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, Sequences * (Tokens + 1)));
        using ITrainer trainer = engine.OpenTrainer(Models.Weights(spec));
        const double Trained = Sequences * Tokens;
        double passLimit = work.TrainSeconds(limits, Sequences, Tokens), updateLimit = Work.UpdateSeconds(limits, trainer.Parameters);
        Timing pass = ModelPace.ForwardBackward(trainer, spec, Sequences, Tokens, settings.Runs), update = ModelPace.Update(trainer, settings.Runs);
        report.Add(new Row("forward and backward", Trained / pass.Seconds, "tokens/s", Trained / passLimit, pass.BytesAllocated));
        report.Add(new Row("update", 1 / update.Seconds, "updates/s", 1 / updateLimit, update.BytesAllocated));
        report.Add(new Row("training", Trained / (pass.Seconds + update.Seconds), "tokens/s", Trained / (passLimit + updateLimit)));
    }
}
