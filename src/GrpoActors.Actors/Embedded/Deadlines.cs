using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Embedded;

/// <summary>The run's clock: posts each deadline when it has passed. One timer, armed for the earliest.</summary>
internal sealed class Deadlines : IDisposable
{
    private static readonly TimeSpan LongestNap = TimeSpan.FromDays(1); // timers take no more than 49 days

    private readonly TimeProvider time;
    private readonly Action<DeadlineId> passed;
    private readonly PriorityQueue<DeadlineId, long> waiting = new();
    private readonly ITimer timer;

    public Deadlines(TimeProvider time, Action<DeadlineId> passed)
    {
        this.time = time;
        this.passed = passed;
        timer = time.CreateTimer(_ => Fire(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Set(DeadlineId deadline, TimeSpan after)
    {
        lock (waiting)
        {
            waiting.Enqueue(deadline, time.GetTimestamp() + (long)(after.TotalSeconds * time.TimestampFrequency));
            Arm();
        }
    }

    private void Fire()
    {
        lock (waiting)
        {
            while (waiting.TryPeek(out DeadlineId deadline, out long due) && due <= time.GetTimestamp())
            {
                waiting.Dequeue();
                passed(deadline);
            }

            Arm();
        }
    }

    private void Arm()
    {
        if (waiting.TryPeek(out _, out long due))
        {
            double seconds = (due - time.GetTimestamp()) / (double)time.TimestampFrequency;
            timer.Change(TimeSpan.FromSeconds(Math.Clamp(seconds, 0, LongestNap.TotalSeconds)) + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => timer.Dispose();
}
