using Akka.Actor;

namespace GrpoActors.Actors.Supervision;

/// <summary>Messages that an actor sends itself later, by the clock that its process was given. Used by one actor alone.</summary>
internal sealed class MessageTimers(TimeProvider time, IActorRef to) : IDisposable
{
    private static readonly TimeSpan LongestNap = TimeSpan.FromDays(1); // timers take no more than 49 days

    private readonly Dictionary<object, Pending> pending = []; // locked: threads of the clock take out what is due

    /// <summary>In place of what was set under this key before. A message that has been sent already still comes: its receiver tells it from a later one.</summary>
    /// <param name="after">Infinite: never.</param>
    public void Set(object key, object message, TimeSpan after)
    {
        lock (pending)
        {
            Cancel(key);
            if (after != Timeout.InfiniteTimeSpan)
            {
                var set = new Pending(message) { Left = after };
                pending[key] = set;
                set.Timer = time.CreateTimer(_ => Fire(key, set), null, set.Nap(), Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <param name="period">Infinite: never.</param>
    public void Repeat(object key, object message, TimeSpan period)
    {
        lock (pending)
        {
            Cancel(key);
            if (period != Timeout.InfiniteTimeSpan)
            {
                pending[key] = new Pending(message) { Timer = time.CreateTimer(_ => to.Tell(message), null, period, period) };
            }
        }
    }

    public void Cancel(object key)
    {
        lock (pending)
        {
            if (pending.Remove(key, out Pending? cancelled))
            {
                cancelled.Timer?.Dispose();
            }
        }
    }

    public void CancelAllBut(object? spared)
    {
        lock (pending)
        {
            foreach (object key in pending.Keys.Where(key => !key.Equals(spared)).ToArray())
            {
                Cancel(key);
            }
        }
    }

    public void Dispose() => CancelAllBut(null);

    private void Fire(object key, Pending fired)
    {
        lock (pending)
        {
            if (!pending.TryGetValue(key, out Pending? present) || present != fired)
            {
                return; // cancelled, or another was set in its place
            }

            if (fired.Left > TimeSpan.Zero)
            {
                fired.Timer?.Change(fired.Nap(), Timeout.InfiniteTimeSpan);
                return;
            }

            Cancel(key);
        }

        to.Tell(fired.Message);
    }

    private sealed class Pending(object message)
    {
        public object Message => message;

        public ITimer? Timer { get; set; }

        /// <summary>Beyond the nap under way.</summary>
        public TimeSpan Left { get; set; }

        public TimeSpan Nap()
        {
            TimeSpan nap = Left < LongestNap ? Left : LongestNap;
            Left -= nap;
            return nap;
        }
    }
}
