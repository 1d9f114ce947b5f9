using GrpoActors.Actors.Telemetry;
using GrpoActors.Core.Runs;

namespace GrpoActors.Cluster.Nodes;

/// <summary>What <c>/status</c> says, as JSON.</summary>
/// <param name="Run">Null on a node that is not the coordinator.</param>
internal sealed record NodeStatus(string Name, IReadOnlyList<string> Roles, string Standing, NodeStatus.RunPart? Run)
{
    internal sealed record RunPart(long Step, long Steps, string? Phase, int GroupsOpen, long TokensSampled, long TokensTrained, int Generators, int Scorers, int Trainers, string? Ended);

    public static NodeStatus Of(NodeOptions options, string standing, RunStatus known) => new(
        options.Name, options.Roles, standing,
        known.Run is { } run
            ? new RunPart(
                run.Version.Steps, run.Plan.Phases.Sum(phase => (long)phase.Steps), run.PhasePlan?.Name, run.Groups.Values.Count(group => group.Fate == GroupFate.Open),
                run.Counts.TokensSampled, run.Counts.TokensTrained, known.Generators, known.Scorers, known.Trainers, run.Ended?.Reason.ToString())
            : null);
}
