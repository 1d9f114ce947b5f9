using GrpoActors.Core.Plans;
using GrpoActors.Engine.Torch;

namespace GrpoActors.Engine.Tests;

/// <summary>The engine under test, on libtorch's CPU device.</summary>
internal static class TorchModel
{
    public static DevicePlan Cpu { get; } = new(DevicePlan.Cpu, DevicePlan.Float32, (string?)AppContext.GetData("GrpoActors.LibTorch"));

    public static IEngine Engine(ModelSpec spec, bool recomputes = false, string dtype = DevicePlan.Float32, int threads = 1) =>
        new TorchEngineProvider().Open(spec, new EngineOptions(threads, 64, recomputes, Cpu with { Dtype = dtype }));

    public static TorchTrainer Trainer(ModelSpec spec, PolicyWeights weights, bool recomputes = false, string dtype = DevicePlan.Float32)
    {
        using IEngine engine = Engine(spec, recomputes, dtype);
        return (TorchTrainer)engine.OpenTrainer(weights);
    }

    /// <summary>Size of the difference over the size of what was expected.</summary>
    public static double RelativeError(ReadOnlySpan<float> found, ReadOnlySpan<float> expected)
    {
        double difference = 0, size = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(found[i] - expected[i], 2);
            size += Math.Pow(expected[i], 2);
        }

        return size == 0 ? Math.Sqrt(difference) : Math.Sqrt(difference / size);
    }
}
