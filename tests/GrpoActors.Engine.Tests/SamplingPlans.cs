using GrpoActors.Core.Plans;

namespace GrpoActors.Engine.Tests;

internal static class SamplingPlans
{
    /// <summary>Temperature 1, nothing filtered, ends on id 2.</summary>
    public static SamplingPlan Plain { get; } = new(1, 0, 1, 0, 1, [], [2]);
}
