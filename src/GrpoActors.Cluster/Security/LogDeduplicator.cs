namespace GrpoActors.Cluster.Security;

/// <summary>Of what happens again and again, says what is worth a line: each key once in ten minutes. Thread-safe.</summary>
internal sealed class LogDeduplicator(TimeProvider time)
{
    public static readonly TimeSpan Quiet = TimeSpan.FromMinutes(10);

    /// <summary>What has this many keys gets no more lines for further ones.</summary>
    private const int KeysMax = 1024;

    private readonly Dictionary<string, long> loggedAt = new(StringComparer.Ordinal);
    private long total;

    /// <summary>All that happened, logged or not.</summary>
    public long Total => Interlocked.Read(ref total);

    /// <returns>Whether this one is to be logged.</returns>
    public bool IsFirst(string key)
    {
        Interlocked.Increment(ref total);
        lock (loggedAt)
        {
            if (loggedAt.TryGetValue(key, out long logged) ? time.GetElapsedTime(logged) < Quiet : loggedAt.Count >= KeysMax && !Forget())
            {
                return false;
            }

            loggedAt[key] = time.GetTimestamp();
            return true;
        }
    }

    /// <returns>Whether there is room again.</returns>
    private bool Forget()
    {
        foreach ((string key, long logged) in loggedAt)
        {
            if (time.GetElapsedTime(logged) >= Quiet)
            {
                loggedAt.Remove(key);
            }
        }

        return loggedAt.Count < KeysMax;
    }
}
