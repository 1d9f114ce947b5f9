using System.Collections.Immutable;
using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cluster.Bulk;

/// <summary>Contents between nodes: offered in this node's store, fetched over HTTP from others'.</summary>
/// <param name="weights">The versions on this node, brought here or trained here.</param>
internal sealed class NodeContents(ContentStore store, BulkClient client, WeightsFetcher fetcher, WeightStore weights) : IContents
{
    /// <remarks>The store sends them from where they lie, also after they are withdrawn, so their memory is never written over: the trainer learns in a copy.</remarks>
    public WeightsRef? Offer(PolicyVersion version) => weights.Keep(version) is { } policy ? store.Offer(policy) : null;

    public Task Bring(WeightsRef reference) => weights.Has(reference.Version) ? Task.CompletedTask : Task.Run(() => fetcher.GetAsync(reference, CancellationToken.None));

    public void RetireBelow(long version)
    {
        fetcher.RetireBelow(new PolicyVersion(version));
        store.Withdraw(new PolicyVersion(version));
    }

    public CompletionsRef Offer(ImmutableArray<Completion> completions) => new CompletionsRef.Served(store.Put(CompletionsContent.Encode(completions)));

    public async ValueTask<ImmutableArray<Completion>> Get(CompletionsRef completions) => completions switch
    {
        CompletionsRef.InProcess here => here.Completions,
        CompletionsRef.Served elsewhere => CompletionsContent.Decode(await client.GetAsync(elsewhere.Content, CancellationToken.None)),
        _ => throw new InvalidOperationException($"Completions cannot be had from {completions}."),
    };

    public void Release(CompletionsRef completions)
    {
        if (completions is CompletionsRef.Served offered)
        {
            store.Remove(offered.Content.Sha256);
        }
    }
}
