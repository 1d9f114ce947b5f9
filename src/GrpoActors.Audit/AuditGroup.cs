using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Audit;

/// <summary>What the audit knows of a group that no step has settled.</summary>
internal sealed class AuditGroup(RunEvent.GroupOpened opened, long position)
{
    public GroupId Id => opened.Group;

    public long Row => opened.Row;

    public long Version => opened.Version.Steps;

    public long Step => opened.Step;

    public int Round => opened.Round;

    public long OpenedAt => position;

    public ImmutableArray<ScoredCompletion> Completions { get; set; } = [];

    /// <summary>Null: open.</summary>
    public DropReason? Verdict { get; set; }

    /// <summary>A finding names it, so what follows from it is not told again.</summary>
    public bool IsDoubtful { get; set; }

    public bool IsKept => Verdict == DropReason.None;

    public bool IsDropped => Verdict is not (null or DropReason.None);

    public long Tokens => Completions.Sum(scored => (long)scored.Completion.Tokens.Length);

    /// <summary>The weighted sum over the rewards that were given; null where one failed or none was given.</summary>
    public double?[] Rewards(RunIdentity plan) => [.. Completions.Select(scored => Reward(plan, scored))];

    /// <summary>What the plan's rule says of it.</summary>
    public DropReason Rule(RunIdentity plan, GroupPlan phase)
    {
        double[] judged = [.. Rewards(plan).Where(reward => reward is not null).Select(reward => reward!.Value)];
        if (judged.Length < 2 && !phase.KeepUnscorable)
        {
            return DropReason.Unscorable;
        }

        return judged.Length >= 2 && phase.DropZeroSpread && judged.Distinct().Count() == 1 ? DropReason.NoSpread : DropReason.None;
    }

    private static double? Reward(RunIdentity plan, ScoredCompletion scored)
    {
        double? sum = null;
        for (int k = 0; k < scored.Outcomes.Length; k++)
        {
            if (scored.Outcomes[k] is ScoreOutcome.Scored given)
            {
                sum = (sum ?? 0) + (plan.Rewards[k].Weight * given.Reward);
            }
            else if (scored.Outcomes[k] is not ScoreOutcome.Abstained)
            {
                return null;
            }
        }

        return sum;
    }
}
