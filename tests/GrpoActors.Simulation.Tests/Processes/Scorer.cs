using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>Runs reward calls one after the other.</summary>
internal sealed class Scorer(SimulatedRun simulation, string name) : Process(simulation, name)
{
    private readonly Queue<ScoreCall> mailbox = new();
    private bool busy;

    public void Receive(ScoreCall call)
    {
        mailbox.Enqueue(call);
        if (!busy)
        {
            Next();
        }
    }

    protected override void Begin()
    {
    }

    protected override void End()
    {
        mailbox.Clear();
        busy = false;
    }

    private void Next()
    {
        if (!mailbox.TryDequeue(out ScoreCall? call))
        {
            busy = false;
            return;
        }

        busy = true;
        TimeSpan budget = Simulation.Plan.Identity.Rewards[call.Reward].Deadline;
        bool mayFail = call.Attempt < Simulation.Plan.Identity.Rewards[call.Reward].Retries; // a call that fails in all its attempts is an outcome
        ScoreOutcome[] outcomes = [.. call.Completions.Select(completion => Truth.Score(call.Reward, call.Row, completion))];
        double seconds = 0.02 * outcomes.Length;
        if (Simulation.Strikes(FaultKind.HangingScorer, out Fault hang))
        {
            TimeSpan length = TimeSpan.FromSeconds(20 + (hang.Choice % 60));
            Simulation.QuietUntil(Simulation.Now + length);
            After(length, Next);
            return;
        }

        if (mayFail && Simulation.Strikes(FaultKind.SlowScorer, out Fault slow))
        {
            outcomes[slow.Choice % outcomes.Length] = new ScoreOutcome.TimedOut(budget);
            seconds += budget.TotalSeconds;
        }

        if (Simulation.IsExhausted(call))
        {
            outcomes[0] = new ScoreOutcome.TimedOut(budget);
            seconds += budget.TotalSeconds;
        }

        ScoreCall answered = call;
        if (mayFail && Simulation.Strikes(FaultKind.LyingScorer, out Fault lie))
        {
            Lie(lie.Choice, ref answered, ref outcomes);
        }

        After(TimeSpan.FromSeconds(seconds), () =>
        {
            if (Simulation.Strikes(FaultKind.KillScorer, out _))
            {
                Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
                return;
            }

            Simulation.Post(this, new Command.ScoreArrived(answered, [.. outcomes]));
            Next();
        });
    }

    private static void Lie(int choice, ref ScoreCall call, ref ScoreOutcome[] outcomes)
    {
        switch (choice % 6)
        {
            case 0:
                outcomes[0] = new ScoreOutcome.Scored(float.NaN);
                break;
            case 1:
                outcomes[^1] = new ScoreOutcome.Scored(float.PositiveInfinity);
                break;
            case 2:
                outcomes[0] = new ScoreOutcome.Scored(float.NegativeInfinity);
                break;
            case 3:
                outcomes = [.. outcomes, new ScoreOutcome.Scored(1)];
                break;
            case 4:
                call = call with { Reward = call.Reward + 10 };
                break;
            default:
                call = call with { Completions = call.Completions[..^1] };
                outcomes = outcomes[..^1];
                break;
        }
    }
}
