using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>The adaptive coefficients that a phase begins with.</summary>
public static class StartingCoefficients
{
    public static AdaptiveState Of(PhasePlan phase) => phase.Group is { } group
        ? new AdaptiveState(group.Objective.KlCoefficient, group.Objective.Entropy.Coefficient, 1, group.Objective.AdaptiveEntropy is null ? null : double.PositiveInfinity)
        : AdaptiveState.Neutral;
}
