namespace GrpoActors.Host.Tests.Embedded;

/// <summary>A clock that stands still, or flows: then every timer is due as soon as it is set, in the order of the times they are set for.</summary>
internal sealed class SteppedTime : TimeProvider
{
    private readonly PriorityQueue<Timer, TimeSpan> armed = new();
    private TimeSpan now;
    private bool flows;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (armed)
        {
            return now.Ticks;
        }
    }

    public void Flow()
    {
        lock (armed)
        {
            flows = true;
            Monitor.PulseAll(armed);
        }
    }

    public void Stand()
    {
        lock (armed)
        {
            flows = false;
        }
    }

    public SteppedTime() => new Thread(Run) { IsBackground = true, Name = "clock" }.Start();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>One timer after the other, on this thread: what a callback sets is in its place before the next one fires.</summary>
    private void Run()
    {
        while (true)
        {
            Timer next;
            lock (armed)
            {
                TimeSpan due;
                while (!flows || !armed.TryDequeue(out next!, out due))
                {
                    Monitor.Wait(armed);
                }

                if (next.Due != due)
                {
                    continue; // set to another time since, or disposed
                }

                next.Due = null;
                now = due > now ? due : now;
            }

            next.Fire();
        }
    }

    private sealed class Timer(SteppedTime time, Action fire) : ITimer
    {
        public TimeSpan? Due { get; set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.armed)
            {
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : time.now + dueTime;
                if (Due is { } due)
                {
                    time.armed.Enqueue(this, due);
                    Monitor.PulseAll(time.armed);
                }
            }

            return true;
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
