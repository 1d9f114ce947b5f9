using GrpoActors.Core.Runs;

namespace GrpoActors.Audit;

/// <summary>Which step numbers are missing or stand again, found before anything else: what surrounds a missing step must not be blamed for it.</summary>
internal sealed class StepNumbers
{
    private readonly Queue<StepNumber> inOrder = [];
    private long next;

    /// <summary>The step that comes next in the stream, or the run's end; null behind the last, and where an old step stands again.</summary>
    public long? Ahead => inOrder.TryPeek(out StepNumber step) && !step.IsAgain ? step.Step : null;

    public static StepNumbers Of(IEnumerable<RunEvent> events)
    {
        var numbers = new StepNumbers();
        foreach (RunEvent e in events)
        {
            switch (e)
            {
                case RunEvent.Compacted x when numbers.next == 0:
                    numbers.next = x.Folded.Version.Steps;
                    break;
                case RunEvent.StepCommitted x:
                    numbers.Add(x.Inputs.Step);
                    break;
                case RunEvent.RolledBack x:
                    numbers.Add(x.Step);
                    break;
                case RunEvent.RunEnded x:
                    numbers.inOrder.Enqueue(new StepNumber(Math.Max(x.Step, numbers.next), numbers.next));
                    break;
            }
        }

        return numbers;
    }

    /// <summary>The number of the step that the stream has now come to, or of the run's end.</summary>
    public StepNumber Take() => inOrder.Dequeue();

    private void Add(long step)
    {
        inOrder.Enqueue(new StepNumber(step, next));
        next = Math.Max(next, step + 1);
    }
}

/// <param name="Expected">The number that follows the steps before it.</param>
internal readonly record struct StepNumber(long Step, long Expected)
{
    public bool IsAgain => Step < Expected;
}
