using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Runtime.Replay;

/// <summary>One sampled token, from the version that drew it to the update that used it.</summary>
/// <param name="Completion">The completion that it stands in.</param>
/// <param name="Position">From 0.</param>
/// <param name="LogProb">Of the behaviour policy, as journalled.</param>
/// <param name="Generator">Who sampled it.</param>
/// <param name="Weights">Digest of the weights that the generator used.</param>
/// <param name="Reward">Of its completion; null where that is unscorable, or the group was not trained.</param>
/// <param name="Advantage">Null where the group was not trained.</param>
/// <param name="TrainedIn">The step; null while or where it was not trained.</param>
/// <param name="Update">Digest of the weights after that step.</param>
public sealed record TokenTrace(
    CompletionId Completion, int Position, int Token, float LogProb, PolicyVersion Version, string Generator, Digest Weights, FinishReason Finish, double? Reward, double? Advantage,
    long? TrainedIn, Digest? Update, DropReason Dropped)
{
    /// <summary>The token at a place that counts through the group: completion 0's tokens, then completion 1's, and so on.</summary>
    /// <param name="token">From 0; negative counts from the end.</param>
    /// <returns>Null where the group has no completions in the journal, or fewer tokens.</returns>
    public static TokenTrace? Of(RecordedRun recorded, string group, long token)
    {
        TokenTrace? trace = null;
        foreach (FoldedEvent e in recorded.Events())
        {
            switch (e.Event)
            {
                case RunEvent.CompletionsScored x when x.Group.ToString() == group:
                    if (e.After.Groups.TryGetValue(x.Group, out GroupState? complete) && complete.Fate != GroupFate.Open && Find(complete, token) is { } found)
                    {
                        Completion at = complete.Completions[found.Completion].Completion;
                        trace = new TokenTrace(
                            new CompletionId(x.Group, at.Index), found.Position, at.Tokens[found.Position], at.LogProbs[found.Position], x.Version, x.By.Generator, x.Weights, at.Finish,
                            GroupRewards.Of(recorded.Plan.Identity, e.After.RewardWeights, complete.Completions)[found.Completion], null, null, null, DropReason.None);
                    }

                    break;
                case RunEvent.GroupClosed x when trace is not null && x.Group == trace.Completion.Group:
                    trace = trace with { Dropped = x.Reason };
                    break;
                case RunEvent.StepCommitted x when trace is not null && x.Inputs.Groups.Contains(trace.Completion.Group):
                    TrainingRow row = BatchOf.Step(e.Before, x.Inputs).Rows.First(candidate => candidate.Id == trace.Completion);
                    return trace with { Reward = row.Reward, Advantage = row.Advantage, TrainedIn = x.Inputs.Step, Update = x.Outputs.Update };
                default:
                    break;
            }
        }

        return trace;
    }

    private static (int Completion, int Position)? Find(GroupState group, long token)
    {
        long left = token < 0 ? group.Tokens + token : token;
        for (int i = 0; i < group.Completions.Length && left >= 0; i++)
        {
            int length = group.Completions[i].Completion.Tokens.Length;
            if (left < length)
            {
                return (i, (int)left);
            }

            left -= length;
        }

        return null;
    }
}
