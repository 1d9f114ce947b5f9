using System.Collections.Concurrent;

namespace GrpoActors.Actors.Tests;

/// <summary>Pauses of a few seconds are over at once; whatever waits longer than ten never comes due.</summary>
internal sealed class HurriedTime : TimeProvider
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentQueue<TimeSpan> pauses = new();

    /// <summary>Those that were over at once.</summary>
    public IEnumerable<TimeSpan> Pauses => pauses;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(() => callback(state), dueTime, pauses);

    private sealed class Timer : ITimer
    {
        private readonly Action callback;
        private readonly ConcurrentQueue<TimeSpan> pauses;

        public Timer(Action callback, TimeSpan dueTime, ConcurrentQueue<TimeSpan> pauses)
        {
            (this.callback, this.pauses) = (callback, pauses);
            Change(dueTime, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime >= TimeSpan.Zero && dueTime < Patience)
            {
                pauses.Enqueue(dueTime);
                ThreadPool.QueueUserWorkItem(_ => callback());
            }

            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
