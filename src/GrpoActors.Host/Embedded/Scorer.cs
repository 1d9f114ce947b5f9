using System.Collections.Immutable;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Host.Composition;

namespace GrpoActors.Host.Embedded;

/// <summary>Runs reward calls from a mailbox that all scorers share. Each completion has its deadline; a late or failing one does not touch the others.</summary>
internal sealed class Scorer(RunSetup setup, ScoreCalls calls, TimeProvider time, Action<Command> post)
{
    private ScoreCall? inHand;

    public void Work(CancellationToken stop)
    {
        while (true)
        {
            ScoreCall call = inHand ??= calls.Take(stop); // after a crash: the one that it broke off
            PromptRow row = setup.Phases[call.Group.Phase].Rows[(int)call.Row];
            var outcomes = ImmutableArray.CreateBuilder<ScoreOutcome>(call.Completions.Length);
            foreach (Completion completion in call.Completions)
            {
                outcomes.Add(setup.Rewards.Score(call.Reward, row, completion, time, stop).GetAwaiter().GetResult());
            }

            calls.Answered(call);
            post(new Command.ScoreArrived(call, outcomes.ToImmutable()));
            inHand = null;
        }
    }
}
