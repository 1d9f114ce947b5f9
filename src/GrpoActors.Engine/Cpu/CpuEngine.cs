using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary><c>engine: cpu</c>: float32 on the processor, the same bits on every machine.</summary>
public sealed class CpuEngineProvider : IEngineProvider
{
    public string Name => CpuEngine.Name;

    public string NumericsRevision => KernelTraits.Revision;

    public IEngine Open(ModelSpec spec, EngineOptions options) => new CpuEngine(spec, options);
}

/// <summary>Samplers and trainers of one model on the processor. Each has its own threads and buffers.</summary>
public sealed class CpuEngine : IEngine
{
    internal const string Name = "cpu";

    private readonly ModelLayout _layout;
    private readonly EngineOptions _options;
    private readonly RotaryTables _rotary;

    public CpuEngine(ModelSpec spec, EngineOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        _layout = new ModelLayout(spec);
        _options = options;
        _rotary = RotaryTables.Of(spec, spec.ContextLength);
    }

    public EngineTraits Traits { get; } = new(Name, Exact: true, KernelTraits.Revision, KernelTraits.VectorBits, KernelTraits.Fma);

    public ISampler OpenSampler() => new CpuSampler(_layout, _rotary, _options);

    public ITrainer OpenTrainer(PolicyWeights weights) => new CpuTrainer(_layout, _rotary, _options, weights);

    public void Dispose()
    {
        // What was opened is disposed by whoever opened it.
    }
}
