namespace GrpoActors.Hub.Tests;

/// <summary>
/// A clock that stands still until it is set going; then a second passes at each of its ticks. No tick comes before the thread pool has begun everything that was queued ahead of it, so no
/// time runs out for want of a thread.
/// </summary>
public sealed class SteppedTime : TimeProvider
{
    private const int TickMilliseconds = 1;

    private readonly PriorityQueue<Timer, TimeSpan> armed = new();
    private TimeSpan now;
    private bool goes;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (armed)
        {
            return now.Ticks;
        }
    }

    public void Go()
    {
        lock (armed)
        {
            if (!goes)
            {
                goes = true;
                new Thread(Run) { IsBackground = true, Name = "clock" }.Start();
            }
        }
    }

    public void Stop()
    {
        lock (armed)
        {
            goes = false;
        }
    }

    /// <summary>At once, on this thread, whether the clock goes or not.</summary>
    public void Pass(TimeSpan length)
    {
        var due = new List<Timer>();
        lock (armed)
        {
            now += length;
            while (armed.TryPeek(out Timer? timer, out TimeSpan at) && at <= now)
            {
                armed.Dequeue();
                if (timer.Due == at) // it was not set to another time since
                {
                    timer.Again();
                    due.Add(timer);
                }
            }
        }

        due.ForEach(timer => timer.Fire());
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private void Run()
    {
        using var begun = new AutoResetEvent(false);
        while (true)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static begun => begun.Set(), begun, preferLocal: false);
            begun.WaitOne();
            lock (armed)
            {
                Monitor.Wait(armed, TickMilliseconds);
                if (!goes)
                {
                    return;
                }
            }

            Pass(TimeSpan.FromSeconds(1));
        }
    }

    private sealed class Timer(SteppedTime time, Action fire) : ITimer
    {
        private TimeSpan period = Timeout.InfiniteTimeSpan;

        public TimeSpan? Due { get; private set; }

        public void Fire() => fire();

        /// <summary>It was due: the next time, if there is one, is a period from now.</summary>
        public void Again() => Change(period, period);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.armed)
            {
                this.period = period;
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : time.now + dueTime;
                if (Due is { } due)
                {
                    time.armed.Enqueue(this, due);
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
