using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Actors.Protocol;

/// <summary>How weights and completions come from one worker to another: by reference inside a process, over HTTP between nodes. Thread-safe.</summary>
internal interface IContents
{
    /// <summary>Offers a published version to whoever samples with it.</summary>
    /// <returns>Null: it is retired.</returns>
    WeightsRef? Offer(PolicyVersion version);

    /// <summary>Done once the version lies in this process's weight store, or is retired.</summary>
    Task Bring(WeightsRef weights);

    /// <summary>Versions before this one are needed by no group.</summary>
    void RetireBelow(long version);

    CompletionsRef Offer(ImmutableArray<Completion> completions);

    ValueTask<ImmutableArray<Completion>> Get(CompletionsRef completions);

    /// <summary>What <see cref="Offer(ImmutableArray{Completion})"/> gave is asked for no more.</summary>
    void Release(CompletionsRef completions);
}

/// <summary>All workers in this process: nothing is copied.</summary>
internal sealed class InProcessContents(WeightStore store) : IContents
{
    public WeightsRef? Offer(PolicyVersion version) => new WeightsRef(version);

    public Task Bring(WeightsRef weights) => Task.CompletedTask;

    public void RetireBelow(long version) => store.RetireBelow(version);

    public CompletionsRef Offer(ImmutableArray<Completion> completions) => new CompletionsRef.InProcess(completions);

    public ValueTask<ImmutableArray<Completion>> Get(CompletionsRef completions) => completions is CompletionsRef.InProcess here
        ? ValueTask.FromResult(here.Completions)
        : throw new InvalidOperationException("A run on this machine was sent completions that another node serves.");

    public void Release(CompletionsRef completions)
    {
        // the collector's
    }
}
