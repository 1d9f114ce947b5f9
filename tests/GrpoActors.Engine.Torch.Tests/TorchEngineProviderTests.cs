using GrpoActors.Core.Plans;
using GrpoActors.Engine.Torch;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class TorchEngineProviderTests
{
    [Fact]
    public void The_revision_names_what_the_bits_depend_on()
    {
        string one = Revision(TorchModel.Cpu, 1), two = Revision(TorchModel.Cpu, 2), half = Revision(TorchModel.Cpu with { Dtype = "bfloat16" }, 1);
        Assert.Matches(@"\Atorch-1, libtorch 2\.10 \(\d+\), cpu 1 threads, float32\z", one);
        Assert.Equal(3, new[] { one, two, half }.Distinct().Count());
        using IEngine engine = TorchModel.Engine(MicroModel.Spec());
        Assert.Equal((true, one, one), (engine.Traits.Exact, engine.Traits.NumericsRevision, engine.Traits.ExactOn));
    }

    [Theory]
    [InlineData("cuda", "device", "is cuda, but this libtorch sees no CUDA device.")]
    [InlineData("cuda:3", "device", "is cuda:3, but this libtorch sees no CUDA device.")]
    [InlineData("tpu", "device", "is \"tpu\".")]
    public void A_device_that_is_not_there_is_named(string device, string key, string problem)
    {
        ConfigError error = Assert.Single(new TorchEngineProvider().RevisionOn(new EngineOptions(1, 64, Device: TorchModel.Cpu with { Device = device })).Errors);
        Assert.Equal((key, problem), (error.Key, error.Problem));
        Assert.NotEmpty(error.Fix);
    }

    [Fact]
    public void The_cpu_engine_refuses_what_only_torch_knows()
    {
        IEngineProvider cpu = EngineProviders.Find(RunIdentity.DefaultEngine).Value!;
        ConfigError device = Assert.Single(cpu.RevisionOn(new EngineOptions(1, 64, Device: TorchModel.Cpu with { Device = "cuda" })).Errors);
        Assert.Equal(("device", "is \"cuda\", which the cpu engine does not know."), (device.Key, device.Problem));
        ConfigError dtype = Assert.Single(cpu.RevisionOn(new EngineOptions(1, 64, Device: TorchModel.Cpu with { Dtype = "bfloat16" })).Errors);
        Assert.Equal("dtype", dtype.Key);
    }

    private static string Revision(DevicePlan device, int threads) => new TorchEngineProvider().RevisionOn(new EngineOptions(threads, 64, Device: device)).Value!;
}
