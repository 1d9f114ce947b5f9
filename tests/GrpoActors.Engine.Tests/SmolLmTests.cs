using GrpoActors.Engine.Cpu;

namespace GrpoActors.Engine.Tests;

public sealed class SmolLmTests : SmolLmConformance
{
    protected override IEngine Open(ModelSpec spec) => new CpuEngine(spec, new EngineOptions(2, 1024));
}
