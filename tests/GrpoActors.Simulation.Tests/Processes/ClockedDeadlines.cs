using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>Deadlines by a clock that may run fast or slow and may jump.</summary>
internal sealed class ClockedDeadlines(SimulatedRun simulation, Action<DeadlineId> passed)
{
    private const double FeltSeconds = 0.5;

    private readonly Dictionary<DeadlineId, int> armed = [];
    private readonly PriorityQueue<(DeadlineId Deadline, TimeSpan SetAt), double> waiting = new();
    private readonly List<(TimeSpan At, Action Felt)> jumps = [];
    private Action feltDrift = () => { };
    private TimeSpan driftsSince;
    private double rate = 1;
    private double offsetSeconds;
    private TimeSpan since;
    private int alarm;

    public bool IsArmed(DeadlineId deadline) => armed.ContainsKey(deadline);

    public void Set(DeadlineId deadline, TimeSpan after)
    {
        armed[deadline] = armed.GetValueOrDefault(deadline) + 1;
        waiting.Enqueue((deadline, simulation.Now), LocalSeconds + after.TotalSeconds);
        Wake();
    }

    /// <param name="felt">Called when a deadline that was set before it passes: too early or too late.</param>
    public void Jump(double seconds, Action felt)
    {
        GoOnWith(rate);
        offsetSeconds += seconds;
        jumps.Add((simulation.Now, felt));
        Wake();
    }

    /// <param name="felt">Called when a deadline passes too early or too late by it.</param>
    public void Drift(double newRate, Action felt)
    {
        GoOnWith(newRate);
        (feltDrift, driftsSince) = (felt, simulation.Now);
        Wake();
    }

    /// <summary>Forgets all, as a process that dies does. The clock goes on.</summary>
    public void Clear()
    {
        armed.Clear();
        waiting.Clear();
        alarm++;
    }

    private void GoOnWith(double newRate)
    {
        offsetSeconds = LocalSeconds;
        since = simulation.Now;
        rate = newRate;
    }

    private double LocalSeconds => offsetSeconds + ((simulation.Now - since).TotalSeconds * rate);

    /// <summary>A deadline passes: which faults of the clock have moved it.</summary>
    private void Feel(TimeSpan setAt)
    {
        foreach ((TimeSpan at, Action felt) in jumps)
        {
            if (setAt <= at)
            {
                felt();
            }
        }

        TimeSpan drifted = simulation.Now - (setAt > driftsSince ? setAt : driftsSince);
        if (drifted.TotalSeconds * Math.Abs(rate - 1) > FeltSeconds)
        {
            feltDrift();
        }
    }

    private void Wake()
    {
        int mine = ++alarm;
        if (waiting.TryPeek(out _, out double due))
        {
            double pause = Math.Max(0, (due - LocalSeconds) / rate);
            simulation.After(TimeSpan.FromSeconds(pause) + TimeSpan.FromMilliseconds(1), () =>
            {
                if (mine == alarm)
                {
                    Ring();
                }
            });
        }
    }

    private void Ring()
    {
        while (waiting.TryPeek(out var first, out double due) && due <= LocalSeconds)
        {
            waiting.Dequeue();
            (DeadlineId deadline, TimeSpan setAt) = first;
            Feel(setAt);
            int left = armed[deadline] - 1;
            if (left == 0)
            {
                armed.Remove(deadline);
            }
            else
            {
                armed[deadline] = left;
            }

            passed(deadline);
        }

        Wake();
    }
}
