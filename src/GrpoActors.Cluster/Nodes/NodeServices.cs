using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Nodes;

/// <summary>What the workers of a process share.</summary>
/// <param name="Name">Of the node, unique in the cluster.</param>
/// <param name="Weights">The versions that are on this node, brought here or trained here.</param>
/// <param name="Journal">Of the run, wherever the coordinator keeps it: a trainer folds it.</param>
/// <param name="Checkpoints">Of this node; null where it is no trainer.</param>
/// <param name="LeaseRenewal">How often a trainer asks for its lease.</param>
internal sealed record NodeServices(
    string Name, RunSetup Setup, NodeShelf Shelf, BulkClient Bulk, WeightStore Weights, WeightsFetcher Fetcher, RunJournal Journal, ICheckpointStore? Checkpoints,
    RunStanding Standing, TimeSpan AskAgainAfter, TimeSpan LeaseRenewal, bool AcceptLostTail, TimeProvider Time, ILoggerFactory Logs)
{
    public Introduction Introduce(string worker) => new($"{Name}/{worker}", Setup.Identity, Setup.Plan.Identity.NumericsRevision);
}
