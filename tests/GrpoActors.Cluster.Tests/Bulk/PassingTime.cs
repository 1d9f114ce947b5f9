namespace GrpoActors.Cluster.Tests.Bulk;

/// <summary>A clock that stands. Timers of up to <paramref name="passes"/> fire at once and are written down, longer ones never.</summary>
internal sealed class PassingTime(TimeSpan passes) : TimeProvider
{
    private readonly List<TimeSpan> passed = [];
    private TimeSpan elapsed;

    public DateTimeOffset Now { get; set; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public IReadOnlyList<TimeSpan> Passed
    {
        get
        {
            lock (passed)
            {
                return [.. passed];
            }
        }
    }

    public override DateTimeOffset GetUtcNow() => Now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (passed)
        {
            return elapsed.Ticks;
        }
    }

    public void Advance(TimeSpan by)
    {
        lock (passed)
        {
            elapsed += by;
            Now += by;
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime >= TimeSpan.Zero && dueTime <= passes)
        {
            lock (passed)
            {
                passed.Add(dueTime);
                elapsed += dueTime;
            }

            ThreadPool.QueueUserWorkItem(_ => callback(state));
        }

        return new Inert();
    }

    private sealed class Inert : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
