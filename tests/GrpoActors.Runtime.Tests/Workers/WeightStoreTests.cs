using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Runtime.Tests.Workers;

public sealed class WeightStoreTests
{
    private readonly WeightStore store = new();
    private readonly GivenBack memory = new();

    [Fact]
    public async Task A_retired_version_is_given_back_when_its_last_reader_has_let_go()
    {
        PolicyWeights weights = Publish();
        PolicyWeights held = (await store.Hold(weights.Version, default))!;
        Assert.Same(weights, await store.Hold(weights.Version, default));
        store.RetireBelow(4);
        store.Release(held);
        Assert.Equal(0, memory.Times);
        store.Release(held);
        Assert.Equal(1, memory.Times);
        Assert.Null(await store.Hold(weights.Version, default));
    }

    [Fact]
    public async Task A_kept_version_is_never_given_back()
    {
        PolicyWeights weights = Publish();
        Assert.Same(weights, store.Keep(weights.Version));
        store.Release((await store.Hold(weights.Version, default))!);
        store.RetireBelow(4);
        Assert.Equal(0, memory.Times);
        Assert.Null(store.Keep(weights.Version));
    }

    [Fact]
    public void A_version_that_is_published_twice_or_too_late_is_given_back_at_once()
    {
        Publish();
        Publish();
        Assert.Equal(1, memory.Times);
        store.RetireBelow(4);
        Publish();
        Assert.Equal(3, memory.Times);
    }

    private PolicyWeights Publish()
    {
        var weights = new PolicyWeights(new PolicyVersion(3), default, [], memory);
        store.Publish(weights);
        return weights;
    }

    private sealed class GivenBack : IDisposable
    {
        public int Times { get; private set; }

        public void Dispose() => Times++;
    }
}
