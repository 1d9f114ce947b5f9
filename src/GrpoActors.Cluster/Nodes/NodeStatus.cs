using GrpoActors.Actors.Runs;
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

    /// <summary>The same for <c>/metrics</c>.</summary>
    public static IReadOnlyList<(string Name, string Help, double Value)> Numbers(RunStatus known)
    {
        if (known.Run is not { } state)
        {
            return [];
        }

        var numbers = new List<(string, string, double)>
        {
            ("grpo.step", "Committed steps.", state.Version.Steps),
            ("grpo.policy_version", "Version of the newest policy.", state.Version.Steps),
            ("grpo.groups_open", "Groups opened and not yet scored.", state.Groups.Values.Count(group => group.Fate == GroupFate.Open)),
            ("grpo.tokens_sampled_total", "Completion tokens sampled since the run began.", state.Counts.TokensSampled),
            ("grpo.generators", "Generators that are known to the coordinator.", known.Generators),
            ("grpo.scorers", "Scorer nodes that are known to the coordinator.", known.Scorers),
            ("grpo.trainers", "The trainer and those that stand by.", known.Trainers),
            ("grpo.appends_total", "Appends to the journal by this process.", known.Appends),
            ("grpo.append_seconds_total", "Time that appends took, in seconds.", known.AppendTime.TotalSeconds),
            ("grpo.restarts_total", "How often the run began again from its journal.", known.Restarts),
        };
        if (!state.Progress.LastRewards.IsEmpty)
        {
            numbers.Add(("grpo.reward_mean", "Mean reward of the last ten steps.", state.Progress.LastRewards.Average()));
        }

        return numbers;
    }
}
