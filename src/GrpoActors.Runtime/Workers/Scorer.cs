using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Workers;

/// <summary>Runs reward calls from a mailbox that all scorers share, the completions of each <see cref="DeadlineScheduler"/>.</summary>
internal sealed class Scorer(RunSetup setup, ScoreCalls calls, TimeProvider time, Action<Command> post)
{
    private static readonly int AtOnce = Math.Max(2, Environment.ProcessorCount);

    private ScoreCall? inHand;

    public void Work(CancellationToken stop)
    {
        while (true)
        {
            ScoreCall call = inHand ??= calls.Take(stop); // after a crash: the one that it broke off
            PromptRow row = setup.Phases[call.Group.Phase].Rows[(int)call.Row];
            ScoreOutcome[] outcomes = DeadlineScheduler.Run(
                [.. call.Completions.Select(completion => (Func<Task<ScoreOutcome>>)(() => setup.Rewards.Score(call.Reward, row, completion, time, stop)))],
                AtOnce, setup.Plan.Identity.Rewards[call.Reward].Deadline, time, stop).GetAwaiter().GetResult();
            calls.Answered(call);
            post(new Command.ScoreArrived(call, [.. outcomes]));
            inHand = null;
        }
    }
}
