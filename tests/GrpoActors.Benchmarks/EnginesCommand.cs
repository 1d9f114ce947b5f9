using System.CommandLine;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;
using GrpoActors.Engine.Torch;

namespace GrpoActors.Benchmarks;

/// <summary><c>engines</c>: the CPU engine and the torch engine side by side at SmolLM2-135M's shape.</summary>
internal static class EnginesCommand
{
    private const int PromptTokens = 80, GroupSize = 8, Sequences = 8, Tokens = 128;

    private static readonly Option<string> Device = new("--device") { Description = "Of the torch engine: cpu, cuda or cuda:N.", HelpName = "DEVICE", DefaultValueFactory = _ => DevicePlan.Cpu };

    private static readonly Option<string> Dtype = new("--dtype") { Description = "Of the torch engine: float32 or bfloat16.", HelpName = "DTYPE", DefaultValueFactory = _ => DevicePlan.Float32 };

    private static readonly Option<int[]> Batches = new("--batch")
    {
        Description = "Rows decoded side by side.",
        HelpName = "N",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [1, 8, 32],
    };

    private static readonly Option<int> NewTokens = new("--new-tokens") { Description = "Positions that are decoded.", HelpName = "N", DefaultValueFactory = _ => 16 };

    public static Command Build() => new Benchmark(
        "engines",
        $"Decodes after prompts of {PromptTokens} in groups of {GroupSize}, and trains on {Sequences} sequences of {Tokens} tokens, on both engines in turn. Limit: what the CPU engine does. "
        + "libtorch is found as docs/gpu.md says.",
        Run, Device, Dtype, Batches, NewTokens);

    private static void Run(Settings settings, Report report)
    {
        ModelSpec spec = Models.SmolLM2;
        int newTokens = settings.Parsed.GetValue(NewTokens);
        var device = new DevicePlan(settings.Parsed.GetValue(Device)!, settings.Parsed.GetValue(Dtype)!, null);
        PolicyWeights weights = Models.Weights(spec);
        using IEngine cpu = new CpuEngineProvider().Open(spec, new EngineOptions(settings.Threads, Sequences * (Tokens + 1)));
        using IEngine torch = new TorchEngineProvider().Open(spec, new EngineOptions(settings.Threads, Sequences * (Tokens + 1), Device: device));
        using (ISampler ours = cpu.OpenSampler(), theirs = torch.OpenSampler())
        {
            ours.Load(weights);
            theirs.Load(weights);
            foreach (int rows in settings.Parsed.GetValue(Batches)!)
            {
                double Decoded(ISampler sampler) => rows * (newTokens - 1) / ModelPace.Decode(sampler, spec, rows, GroupSize, PromptTokens, newTokens, settings.Runs).Seconds;
                Add(report, $"decode, batch {rows}", Decoded(ours), Decoded(theirs));
            }
        }

        double Trained(IEngine engine)
        {
            using ITrainer trainer = engine.OpenTrainer(weights);
            Timing pass = ModelPace.ForwardBackward(trainer, spec, Sequences, Tokens, settings.Runs), update = ModelPace.Update(trainer, settings.Runs);
            return Sequences * Tokens / (pass.Seconds + update.Seconds);
        }

        Add(report, "training", Trained(cpu), Trained(torch));
    }

    private static void Add(Report report, string name, double cpu, double torch)
    {
        report.Add(new Row($"{name}, cpu", cpu, "tokens/s", cpu));
        report.Add(new Row($"{name}, torch", torch, "tokens/s", cpu));
    }
}
