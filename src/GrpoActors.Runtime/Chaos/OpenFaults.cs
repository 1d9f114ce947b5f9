using System.Collections.Immutable;

namespace GrpoActors.Runtime.Chaos;

/// <summary>The planned faults that have not happened yet. Shared by all jobs of a trial; thread-safe.</summary>
internal sealed class OpenFaults
{
    private const int RarestArmed = 4, OthersArmed = 4;

    private readonly IReadOnlyDictionary<string, ReachCount> _reached;
    private readonly Random _random;
    private readonly Dictionary<string, Queue<ChaosFault.AtPoint>> _points;
    private readonly List<ChaosFault> _others;
    private readonly Lock _lock = new();

    public OpenFaults(IEnumerable<ChaosFault> plan, IReadOnlyDictionary<string, ReachCount> reached, int seed)
    {
        _reached = reached;
        _random = new Random(seed);
        ChaosFault[] all = [.. plan];
        _points = all.OfType<ChaosFault.AtPoint>().GroupBy(at => at.Point, StringComparer.Ordinal).ToDictionary(group => group.Key, group => new Queue<ChaosFault.AtPoint>(group), StringComparer.Ordinal);
        _others = [.. all.Where(fault => fault is not ChaosFault.AtPoint)];
    }

    public bool Any()
    {
        lock (_lock)
        {
            return _points.Count > 0 || _others.Count > 0;
        }
    }

    /// <summary>
    /// What the next process is exposed to: one fault from outside, which leaves this list, or several points, which stay until <see cref="Happened"/>. A run's first process is for
    /// the points that lie before the first append; a later one is killed at those only without having made progress.
    /// </summary>
    /// <param name="first">No process has worked on the run yet.</param>
    public (ChaosFault? Other, ImmutableArray<ChaosFault.AtPoint> Points) Next(bool first)
    {
        lock (_lock)
        {
            string[] early = [.. _points.Keys.Where(point => _reached[point].AfterProgress == 0)];
            if (first && early.Length > 0)
            {
                return (null, [_points[early[_random.Next(early.Length)]].Peek()]);
            }

            ChaosFault[] possible = [.. _others.Where(fault => !first || fault is not (ChaosFault.ReadOnly or ChaosFault.Torn))];
            string[] points = [.. _points.Keys.Except(early).OrderBy(point => _reached[point].AfterProgress).ThenBy(point => point, StringComparer.Ordinal)];
            int kills = points.Sum(point => _points[point].Count);
            if (possible.Length > 0 && _random.Next(possible.Length + kills) < possible.Length)
            {
                ChaosFault taken = possible[_random.Next(possible.Length)];
                _others.Remove(taken);
                return (taken, []);
            }

            if (points.Length == 0)
            {
                return (null, _others.Count > 0 ? Midway() : []);
            }

            _random.Shuffle(points.AsSpan(Math.Min(RarestArmed, points.Length)));
            return (null, [.. points.Take(RarestArmed + OthersArmed).Select(point => _points[point].Peek())]);
        }
    }

    /// <summary>What is left befalls none but a run that was killed before: here is that kill, planned or not.</summary>
    private ImmutableArray<ChaosFault.AtPoint> Midway()
    {
        (string? point, ReachCount reached) = _reached.Where(pair => pair.Value.AfterProgress > 0).OrderByDescending(pair => pair.Value.AfterProgress).ThenBy(pair => pair.Key, StringComparer.Ordinal).FirstOrDefault();
        return point is null ? [] : [new ChaosFault.AtPoint(point, Math.Max(1, reached.All / 2))];
    }

    /// <summary>A process was killed at this point.</summary>
    public void Happened(string point)
    {
        lock (_lock)
        {
            if (_points.TryGetValue(point, out Queue<ChaosFault.AtPoint>? open) && open.TryDequeue(out _) && open.Count == 0)
            {
                _points.Remove(point);
            }
        }
    }

    /// <summary>A fault that was taken and did not happen comes again, in another form.</summary>
    public void Again(ChaosFault fault)
    {
        lock (_lock)
        {
            _others.Add(fault);
        }
    }
}
