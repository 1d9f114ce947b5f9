using System.Collections.Immutable;
using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Core.Completions;

namespace GrpoActors.Actors.Tests;

/// <summary>Contents as nodes serve them: each is offered under an address, and comes when the test says so.</summary>
internal sealed class StoredContents : IContents
{
    private readonly Dictionary<CompletionsRef, ImmutableArray<Completion>> offered = [];
    private int offers;

    /// <summary>What <see cref="Bring"/> gives; at once unless the test changes it.</summary>
    public Func<WeightsRef, Task> Bringing { get; set; } = _ => Task.CompletedTask;

    /// <summary>What getting completions gives; at once, and none, unless the test changes it.</summary>
    public Func<CompletionsRef, Task<ImmutableArray<Completion>>> Getting { get; set; } = _ => Task.FromResult<ImmutableArray<Completion>>([]);

    /// <summary>Offered and not released.</summary>
    public int Held
    {
        get
        {
            lock (offered)
            {
                return offered.Count;
            }
        }
    }

    public WeightsRef? Offer(PolicyVersion version) => new(version);

    public Task Bring(WeightsRef weights) => Bringing(weights);

    public void RetireBelow(long version)
    {
    }

    public CompletionsRef Offer(ImmutableArray<Completion> completions)
    {
        lock (offered)
        {
            CompletionsRef at = Address($"content {++offers}");
            offered[at] = completions;
            return at;
        }
    }

    public ValueTask<ImmutableArray<Completion>> Get(CompletionsRef completions) => new(Getting(completions));

    public void Release(CompletionsRef completions)
    {
        lock (offered)
        {
            offered.Remove(completions);
        }
    }

    public static CompletionsRef Address(string name) => new CompletionsRef.Served(new ContentRef(new Uri("http://127.0.0.1:1/"), Digest.Of(name), 10));
}
