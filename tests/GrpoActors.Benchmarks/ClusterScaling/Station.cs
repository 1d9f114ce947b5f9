namespace GrpoActors.Benchmarks.ClusterScaling;

/// <summary>So many servers for one queue, on virtual time: first come, first served.</summary>
internal sealed class Station(int servers)
{
    private readonly TimeSpan[] _freeAt = new TimeSpan[servers];
    private readonly List<(TimeSpan From, TimeSpan To)> _busy = [];

    /// <returns>When the work that comes now is done.</returns>
    public TimeSpan Serve(TimeSpan now, TimeSpan work)
    {
        int first = Array.IndexOf(_freeAt, _freeAt.Min());
        TimeSpan from = _freeAt[first] > now ? _freeAt[first] : now;
        _freeAt[first] = from + work;
        _busy.Add((from, from + work));
        return from + work;
    }

    /// <summary>In [0, 1]: the part of the servers' time between two moments that was work.</summary>
    public double Utilisation(TimeSpan from, TimeSpan to) =>
        _busy.Sum(work => Math.Max(0, (Least(work.To, to) - Most(work.From, from)).TotalSeconds)) / ((to - from).TotalSeconds * servers);

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Most(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
