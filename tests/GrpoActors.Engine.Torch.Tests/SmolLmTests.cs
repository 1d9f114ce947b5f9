namespace GrpoActors.Engine.Tests;

public sealed class SmolLmTests : SmolLmConformance
{
    protected override IEngine Open(ModelSpec spec) => TorchModel.Engine(spec, threads: 2);
}
