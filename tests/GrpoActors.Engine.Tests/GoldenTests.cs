using GrpoActors.Engine.Cpu;

namespace GrpoActors.Engine.Tests;

public sealed class GoldenTests : GoldenConformance
{
    protected override IEngine Open(ModelSpec spec) => new CpuEngine(spec, new EngineOptions(2, 64));

    protected override IReadOnlyList<NamedTensor> GradientOf(ITrainer trainer) => ((CpuTrainer)trainer).Gradient();
}
