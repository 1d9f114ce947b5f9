using Akka.Actor;

namespace GrpoActors.Actors.Runs;

/// <summary>Messages that an actor sends itself later, by the clock that its process was given. Used by one actor alone.</summary>
internal sealed class MessageTimers(TimeProvider time, IActorRef to) : IDisposable
{
    private static readonly TimeSpan LongestNap = TimeSpan.FromDays(1); // timers take no more than 49 days

    private readonly Dictionary<object, ITimer> timers = [];

    /// <summary>In place of what was set under this key before. A message that has been sent already still comes: its receiver tells it from a later one.</summary>
    public void Set(object key, object message, TimeSpan after)
    {
        Cancel(key);
        timers[key] = time.CreateTimer(static state => ((Due)state!).Send(), new Due(to, message), after < LongestNap ? after : LongestNap, Timeout.InfiniteTimeSpan);
    }

    /// <param name="period">Infinite: never.</param>
    public void Repeat(object key, object message, TimeSpan period)
    {
        Cancel(key);
        if (period != Timeout.InfiniteTimeSpan)
        {
            timers[key] = time.CreateTimer(static state => ((Due)state!).Send(), new Due(to, message), period, period);
        }
    }

    public void Cancel(object key)
    {
        if (timers.Remove(key, out ITimer? timer))
        {
            timer.Dispose();
        }
    }

    public void Dispose() => CancelAll();

    public void CancelAll()
    {
        foreach (ITimer timer in timers.Values)
        {
            timer.Dispose();
        }

        timers.Clear();
    }

    private sealed record Due(IActorRef To, object Message)
    {
        public void Send() => To.Tell(Message);
    }
}
