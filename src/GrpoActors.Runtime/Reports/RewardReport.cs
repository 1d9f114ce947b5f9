using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Reports;

/// <summary>How often one reward scored, abstained and failed, in a step or in a run.</summary>
public sealed record RewardReport(string Name, RewardTally Tally)
{
    /// <param name="tallies">In the plan's order; empty: none was called.</param>
    internal static ImmutableArray<RewardReport> Of(RunIdentity plan, ImmutableArray<RewardTally> tallies) =>
        [.. tallies.Select((tally, reward) => new RewardReport(plan.Rewards[reward].Name, tally))];
}
