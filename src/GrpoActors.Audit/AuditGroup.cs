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

    /// <summary>The weighted sum over the rewards that were given, but for what a reward forbids; null where one failed, none was given, or a veto drops it.</summary>
    /// <param name="factors">Of the weights, by reward; empty: 1 each.</param>
    public double?[] Rewards(RunIdentity plan, IReadOnlyList<double> factors)
    {
        double?[] sums = [.. Completions.Select(scored => Reward(plan, factors, scored))];
        double? lowest = sums.Where(sum => sum is not null).DefaultIfEmpty(null).Min();
        for (int i = 0; i < sums.Length; i++)
        {
            VetoPlan[] vetoes = [.. plan.Rewards.Where((reward, k) => reward.Veto is not null && Completions[i].Outcomes[k] is ScoreOutcome.Scored given && given.Reward < reward.Veto.Below).Select(reward => reward.Veto!)];
            sums[i] = Array.Exists(vetoes, veto => veto.Action == VetoAction.Drop) ? null : vetoes.Length > 0 && sums[i] is not null ? lowest : sums[i];
        }

        return sums;
    }

    /// <summary>What the plan's rule says of it.</summary>
    public DropReason Rule(RunIdentity plan, GroupPlan phase)
    {
        double[] judged = [.. Rewards(plan, []).Where(reward => reward is not null).Select(reward => reward!.Value)];
        if (judged.Length < 2 && !phase.KeepUnscorable)
        {
            return DropReason.Unscorable;
        }

        return judged.Length >= 2 && phase.DropZeroSpread && judged.Distinct().Count() == 1 ? DropReason.NoSpread : DropReason.None;
    }

    private static double? Reward(RunIdentity plan, IReadOnlyList<double> factors, ScoredCompletion scored)
    {
        double? sum = null;
        for (int k = 0; k < scored.Outcomes.Length; k++)
        {
            if (scored.Outcomes[k] is ScoreOutcome.Scored given)
            {
                sum = (sum ?? 0) + ((factors.Count == 0 ? plan.Rewards[k].Weight : plan.Rewards[k].Weight * factors[k]) * given.Reward);
            }
            else if (scored.Outcomes[k] is not ScoreOutcome.Abstained)
            {
                return null;
            }
        }

        return sum;
    }
}
