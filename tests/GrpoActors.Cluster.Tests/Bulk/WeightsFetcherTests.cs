using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Security;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class WeightsFetcherTests : IAsyncLifetime
{
    private static readonly ModelSpec Spec = TinyWeights.Spec();

    private readonly ContentStore shelf = new(new ContentStoreOptions(), TimeProvider.System);
    private readonly WeightStore store = new();
    private readonly BulkClient client = new(
        new BulkClientOptions { Retries = new BulkClientOptions().Retries with { AttemptsMax = 2 } },
        NodeSecurity.None, own: null, new PassingTime(TimeSpan.FromSeconds(10)));
    private NodeServer server = null!;

    public async Task InitializeAsync() => server = await NodeServer.StartAsync(new NodeServerOptions(), shelf, NodeSecurity.None, NullLoggerFactory.Instance);

    public async Task DisposeAsync()
    {
        client.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task However_many_ask_one_download_brings_every_bit_and_the_workers_see_it()
    {
        PolicyWeights weights = TinyWeights.Of(Spec, 3);
        WeightsRef offered = shelf.Offer(weights);
        using var fetcher = new WeightsFetcher(client, store, Spec);
        Task<PolicyWeights?> worker = store.Hold(new PolicyVersion(3), default);
        PolicyWeights[] all = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => fetcher.GetAsync(offered, default)));
        PolicyWeights brought = (await worker)!;
        Assert.All(all, got => Assert.Same(brought, got));
        Assert.Equal((weights.Version, weights.Policy), (brought.Version, brought.Policy));
        Assert.Equal(weights.Tensors.Select(tensor => tensor.Name), brought.Tensors.Select(tensor => tensor.Name));
        Assert.All(weights.Tensors.Zip(brought.Tensors), pair => Assert.Equal(pair.Item1.Values.ToArray(), pair.Item2.Values.ToArray()));
        Assert.Same(brought, await fetcher.GetAsync(offered, default));
        await server.StopAsync();
        Assert.Equal(offered.Served!.Content.LengthBytes, server.BytesServed);
    }

    [Fact]
    public async Task A_version_whose_trainer_lives_here_is_not_brought()
    {
        PolicyWeights weights = TinyWeights.Of(Spec, 1);
        store.Publish(weights);
        using var fetcher = new WeightsFetcher(client, store, Spec);
        Assert.Same(weights, await fetcher.GetAsync(new WeightsRef(weights.Version, new ServedWeights(weights.Policy, new ContentRef(new Uri("http://127.0.0.1:1/weights/1"), default, 1))), default));
    }

    [Fact]
    public async Task Weights_of_another_model_are_refused_by_their_length_and_by_their_names()
    {
        using var fetcher = new WeightsFetcher(client, store, Spec);
        BulkException longer = await Assert.ThrowsAsync<BulkException>(() => fetcher.GetAsync(shelf.Offer(TinyWeights.Of(TinyWeights.Spec(hidden: 16), 1)), default));
        Assert.EndsWith("they are those of another model.", longer.Message, StringComparison.Ordinal);
        PolicyWeights weights = TinyWeights.Of(Spec, 2);
        // The same length, another name.
        NamedTensor first = weights.Tensors[0];
        PolicyWeights renamed = weights with { Tensors = [first with { Name = first.Name[..^1] + "X" }, .. weights.Tensors.Skip(1)] };
        BulkException other = await Assert.ThrowsAsync<BulkException>(() => fetcher.GetAsync(shelf.Offer(renamed), default));
        Assert.Equal("The weights name other tensors or shapes than the model has: they are those of another model.", other.Message);
        Assert.False(store.Has(new PolicyVersion(2)));
    }

    [Fact]
    public async Task When_the_first_address_fails_and_another_node_has_the_version_it_comes_from_there()
    {
        WeightsRef offered = shelf.Offer(TinyWeights.Of(Spec, 4));
        // Accepts and says nothing until the second address is known.
        await using var silent = new HoldingServer();
        using var fetcher = new WeightsFetcher(client, store, Spec);
        Task<PolicyWeights> first = fetcher.GetAsync(At(offered, silent.Address), default);
        await silent.Asked;
        Task<PolicyWeights> second = fetcher.GetAsync(offered, default);
        silent.LetGo();
        Assert.Same(await first, await second);
    }

    [Fact]
    public async Task A_retired_version_is_not_brought_and_what_is_under_way_ends()
    {
        WeightsRef offered = shelf.Offer(TinyWeights.Of(Spec, 5));
        await using var silent = new HoldingServer();
        using var fetcher = new WeightsFetcher(client, store, Spec);
        Task<PolicyWeights> underWay = fetcher.GetAsync(At(offered, silent.Address), default);
        await silent.Asked;
        fetcher.RetireBelow(new PolicyVersion(6));
        Assert.Equal("The weights of version 5 are retired: nothing needs them any more.", (await Assert.ThrowsAsync<BulkException>(() => underWay)).Message);
        await Assert.ThrowsAsync<BulkException>(() => fetcher.GetAsync(offered, default));
        Assert.Null(await store.Hold(new PolicyVersion(5), default));
    }

    [Fact]
    public async Task Who_stops_waiting_does_not_stop_the_download()
    {
        WeightsRef offered = shelf.Offer(TinyWeights.Of(Spec, 8));
        await using var silent = new HoldingServer();
        using var fetcher = new WeightsFetcher(client, store, Spec);
        using var patience = new CancellationTokenSource();
        Task<PolicyWeights> impatient = fetcher.GetAsync(At(offered, silent.Address), patience.Token);
        await silent.Asked;
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        Task<PolicyWeights> patient = fetcher.GetAsync(offered, default);
        silent.LetGo();
        Assert.Equal(new PolicyVersion(8), (await patient).Version);
    }

    private static WeightsRef At(WeightsRef offered, Uri address) => offered with { Served = offered.Served! with { Content = offered.Served.Content with { At = address } } };
}
