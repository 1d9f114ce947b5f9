namespace GrpoActors.Cluster.Security;

/// <summary>Lets through the first refusal of each remote address, so that whoever knocks for ever does not fill the log.</summary>
internal sealed class OncePerAddress
{
    // Whoever has this many addresses gets no more lines.
    private const int AddressesMax = 1024;

    private readonly HashSet<string> seen = new(StringComparer.Ordinal);
    private long refused;

    /// <summary>All that were refused, logged or not.</summary>
    public long Refused => Interlocked.Read(ref refused);

    /// <returns>Whether this one is to be logged.</returns>
    public bool First(string address)
    {
        Interlocked.Increment(ref refused);
        lock (seen)
        {
            return seen.Count < AddressesMax && seen.Add(address);
        }
    }
}
