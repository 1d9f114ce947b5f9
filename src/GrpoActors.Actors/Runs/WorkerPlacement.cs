using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Learning;
using GrpoActors.Actors.Scoring;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Plans;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Actors.Runs;

/// <summary>Where a run's workers are: children of its stages, or on other nodes, from where they say so themselves.</summary>
internal sealed class WorkerPlacement
{
    private readonly WorkerServices? services;

    private WorkerPlacement(WorkerServices? services, Func<int, int> groupsPerGenerator) => (this.services, GroupsPerGenerator) = (services, groupsPerGenerator);

    /// <summary>Messages to workers cross the wire: what is large is left where it lies.</summary>
    public bool AreElsewhere => services is null;

    /// <summary>How many groups a generator takes at once, by how many generators there are.</summary>
    public Func<int, int> GroupsPerGenerator { get; }

    public static WorkerPlacement Here(WorkerServices services)
    {
        int share = RunComposition.GroupsPerGenerator(services.Setup.Plan);
        return new(services, _ => share);
    }

    public static WorkerPlacement Elsewhere(RunPlan plan) => new(null, generators => RunComposition.GroupsPerGenerator(plan, Math.Max(1, generators)));

    /// <param name="stop">Ends their blocking work.</param>
    public ImmutableArray<LocalWorker> Generators(CancellationToken stop) => services is null ? [] :
    [
        .. Enumerable.Range(1, services.Setup.Plan.Operation.Generators).Select(i => new LocalWorker($"generator-{i}", run => new GeneratorActor(services with { Stopping = stop }, $"generator-{i}", run))),
    ];

    /// <param name="stop">Ends their blocking work.</param>
    public ImmutableArray<LocalWorker> Scorers(CancellationToken stop) => services is null ? [] : [new LocalWorker("scorer", run => new ScorerActor(services with { Stopping = stop }, "scorer", run))];

    /// <param name="fence">Of the run's writer.</param>
    /// <param name="stop">Ends its blocking work.</param>
    public ImmutableArray<LocalWorker> Trainer(long fence, CancellationToken stop) =>
        services is null ? [] : [new LocalWorker("trainer", run => new TrainerActor(services with { Fence = fence, Stopping = stop }, "trainer", run))];
}
