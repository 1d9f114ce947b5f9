namespace GrpoActors.Runtime.Workers;

/// <summary>
/// Calls that have a deadline each and share a few places, so that honest ones do not slow one another down beyond it. One that has held its place for the deadline's n-th part, of n calls,
/// gives it up and goes on beside: stuck calls delay the last one's begin by less than deadline / places, and all are over within <see cref="Bound"/>.
/// </summary>
/// <remarks><code>
/// n = 4, places = 2, all stuck:   |--- deadline ---|
///                                 |----------------|
///                                     |--- deadline ---|
///                                     |----------------|      a quarter of a deadline late, where one after the other takes four
/// </code></remarks>
internal static class DeadlineScheduler
{
    /// <summary>From the first begin to the last end: deadline * (1 + (ceil(n / places) - 1) / n), so less than 1.5 deadlines for 2 places.</summary>
    public static TimeSpan Bound(int calls, int places, TimeSpan deadline) => deadline + (deadline / calls * ((calls - 1) / places));

    /// <param name="calls">Begin one each, and end within the deadline.</param>
    /// <returns>In the order of <paramref name="calls"/>.</returns>
    public static async Task<T[]> Run<T>(IReadOnlyList<Func<Task<T>>> calls, int places, TimeSpan deadline, TimeProvider time, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var running = new Task<T>[calls.Count];
        var held = new List<Task>(places);
        try
        {
            for (int i = 0; i < running.Length; i++)
            {
                if (held.Count == places)
                {
                    held.Remove(await Task.WhenAny(held));
                }

                running[i] = calls[i]();
                held.Add(Task.WhenAny(running[i], Task.Delay(deadline / running.Length, time, over.Token)));
            }

            return await Task.WhenAll(running);
        }
        finally
        {
            await over.CancelAsync(); // nobody waits for places any more
        }
    }
}
