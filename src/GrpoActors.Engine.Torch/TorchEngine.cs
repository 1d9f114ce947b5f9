using System.Globalization;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace GrpoActors.Engine.Torch;

/// <summary><c>engine: torch</c>: libtorch on the processor or on a CUDA device, in float32 or bfloat16. Register it with <see cref="EngineProviders"/>.</summary>
public sealed class TorchEngineProvider : IEngineProvider
{
    private const string Kernels = "torch-1";

    public string Name => TorchEngine.Name;

    public string NumericsRevision => Kernels;

    /// <summary>
    /// Another libtorch, device or dtype gives other bits, and so does another number of threads on the processor. The device's number does not: cards
    /// of one machine are taken to be of one kind.
    /// </summary>
    public Finding<string> RevisionOn(EngineOptions options)
    {
        DevicePlan plan = options.Device ?? DevicePlan.Default;
        try
        {
            LoadedLibTorch library = LibTorch.Load(plan.LibTorch);
            Finding<TorchDevice> found = TorchDevice.Of(plan);
            return found.Value is { } device
                ? string.Create(CultureInfo.InvariantCulture, $"{Kernels}, libtorch {LibTorch.Release} ({library.Build}), {device.Kind(options.Threads)}, {plan.Dtype}")
                : new Finding<string>(null, found.Errors);
        }
        catch (LibTorchException none)
        {
            return new ConfigError("", $"is torch, but {none.Message}", "Or leave engine out: the cpu engine needs nothing.");
        }
    }

    public IEngine Open(ModelSpec spec, EngineOptions options)
    {
        Finding<string> revision = RevisionOn(options);
        return revision.Value is { } found
            ? new TorchEngine(spec, options, TorchDevice.Of(options.Device ?? DevicePlan.Default).Value!, found)
            : throw new ConfigException([.. revision.Errors.Select(error => error with { Key = error.Key.Length == 0 ? "engine" : error.Key })]);
    }
}

/// <summary>The device of a plan, found on this machine.</summary>
internal sealed record TorchDevice(Device Device, ScalarType Dtype, string Name)
{
    /// <summary>What its bits depend on.</summary>
    public string Kind(int threads) => Device.type == DeviceType.CPU ? $"cpu {threads} threads" : Name;

    public static Finding<TorchDevice> Of(DevicePlan plan)
    {
        ScalarType? dtype = plan.Dtype switch { "float32" => ScalarType.Float32, "bfloat16" => ScalarType.BFloat16, _ => null };
        if (dtype is null)
        {
            return new ConfigError("dtype", $"is \"{plan.Dtype}\".", "Use float32 or bfloat16.");
        }

        if (plan.Device == DevicePlan.Cpu)
        {
            return new TorchDevice(CPU, dtype.Value, "cpu");
        }

        if (!plan.Device.StartsWith("cuda", StringComparison.Ordinal))
        {
            return new ConfigError("device", $"is \"{plan.Device}\".", "Use cpu, cuda or cuda:N.");
        }

        if (!cuda.is_available())
        {
            return new ConfigError(
                "device", $"is {plan.Device}, but this libtorch sees no CUDA device.",
                "Look whether nvidia-smi lists one and whether the libtorch that is loaded was built with CUDA; or set device to cpu.");
        }

        int index = plan.Device == "cuda" ? 0 : int.Parse(plan.Device.AsSpan("cuda:".Length), CultureInfo.InvariantCulture), count = cuda.device_count();
        return index < count
            ? new TorchDevice(new Device(DeviceType.CUDA, index), dtype.Value, "cuda")
            : new ConfigError("device", $"is {plan.Device}, but there are {count} CUDA devices.", $"Use cuda:0 to cuda:{count - 1}.");
    }
}

/// <summary>Samplers and trainers of one model on one device.</summary>
internal sealed class TorchEngine : IEngine
{
    internal const string Name = "torch";

    private readonly ModelLayout _layout;
    private readonly EngineOptions _options;
    private readonly Transformer _model;

    public TorchEngine(ModelSpec spec, EngineOptions options, TorchDevice device, string revision)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        set_num_threads(options.Threads); // of the whole process
        _layout = new ModelLayout(spec);
        _options = options;
        _model = new Transformer(spec, device.Device, device.Dtype);
        Traits = new EngineTraits(Name, Exact: true, revision, VectorBits: 0, Fma: true, ExactOn: revision);
    }

    public EngineTraits Traits { get; }

    public ISampler OpenSampler() => new TorchSampler(_layout, _model);

    public ITrainer OpenTrainer(PolicyWeights weights) => new TorchTrainer(_layout, _model, _options.GradientCheckpointing, weights);

    public void Dispose()
    {
        // What was opened is disposed by whoever opened it.
    }
}
