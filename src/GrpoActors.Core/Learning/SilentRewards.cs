using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Learning;

/// <summary>
/// Watches for rewards that score nothing: a program that is not there, a column that no row has. A crash may forget it; then it counts anew, so a run that was
/// mended and started again is not stopped for what lies behind it.
/// </summary>
/// <param name="StepsMax">So many steps in a row without a score stop the run; 0: never.</param>
/// <param name="Steps">By reward, the steps in a row that it has been silent; empty: no step was seen.</param>
public sealed record SilentRewards(int StepsMax, ImmutableArray<int> Steps)
{
    /// <summary>A step counts where the reward failed and never scored, or abstained throughout while no other reward scored either: a reward may well apply to few rows.</summary>
    internal SilentRewards After(ImmutableArray<RewardTally> step)
    {
        if (step.All(tally => tally.Outcomes == 0))
        {
            return this;
        }

        bool nobodyScored = step.All(tally => tally.Scored == 0);
        return this with
        {
            Steps = [.. step.Select((tally, reward) => tally.Scored > 0 || (tally.Failed == 0 && !nobodyScored) ? 0 : Steps.ElementAtOrDefault(reward) + 1)],
        };
    }

    /// <returns>Why the run stops, its state intact; null while it goes on.</returns>
    internal string? Reason(RunState run, ImmutableArray<RewardTally> step)
    {
        int silent = StepsMax == 0 ? -1 : Steps.ToList().FindIndex(steps => steps >= StepsMax);
        if (silent < 0)
        {
            return null;
        }

        RewardTally tally = step[silent];
        string what = tally.First is { } first
            ? $"it failed on {tally.Failed} of the last step's {tally.Outcomes} completions, {first.ToString().TrimEnd('.')}"
            : $"it abstained on all {tally.Outcomes} completions of the last step: no row has what it needs";
        return $"Reward \"{run.Plan.Rewards[silent].Name}\" has not scored one completion in {StepsMax} steps in a row (reward_failures_max): {what}. Mend it and start the same command again.";
    }
}
