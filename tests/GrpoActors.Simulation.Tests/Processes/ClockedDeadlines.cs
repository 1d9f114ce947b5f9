using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>Deadlines by a clock that may run fast or slow and may jump.</summary>
internal sealed class ClockedDeadlines(SimulatedRun simulation, Action<DeadlineId> passed)
{
    private readonly Dictionary<DeadlineId, int> armed = [];
    private readonly PriorityQueue<DeadlineId, double> waiting = new();
    private double rate = 1;
    private double offsetSeconds;
    private TimeSpan since;
    private int alarm;

    public bool IsArmed(DeadlineId deadline) => armed.ContainsKey(deadline);

    public void Set(DeadlineId deadline, TimeSpan after)
    {
        armed[deadline] = armed.GetValueOrDefault(deadline) + 1;
        waiting.Enqueue(deadline, LocalSeconds + after.TotalSeconds);
        Wake();
    }

    public void Jump(double seconds)
    {
        Drift(rate);
        offsetSeconds += seconds;
        Wake();
    }

    public void Drift(double newRate)
    {
        offsetSeconds = LocalSeconds;
        since = simulation.Now;
        rate = newRate;
        Wake();
    }

    /// <summary>Forgets all, as a process that dies does. The clock goes on.</summary>
    public void Clear()
    {
        armed.Clear();
        waiting.Clear();
        alarm++;
    }

    private double LocalSeconds => offsetSeconds + ((simulation.Now - since).TotalSeconds * rate);

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
        while (waiting.TryPeek(out DeadlineId deadline, out double due) && due <= LocalSeconds)
        {
            waiting.Dequeue();
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
