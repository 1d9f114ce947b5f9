namespace GrpoActors.Rewards.Mathematics;

/// <summary>A union of intervals of real numbers, sorted and apart from each other.</summary>
internal sealed class RealSet
{
    /// <summary>One end of an interval.</summary>
    /// <param name="At">Null: without end.</param>
    private readonly record struct Bound(Quantity? At, bool Closed);

    private readonly record struct Interval(Bound Low, Bound High);

    private readonly IReadOnlyList<Interval> _intervals;

    private RealSet(IReadOnlyList<Interval> intervals) => _intervals = intervals;

    public static RealSet All { get; } = new([new(new(null, false), new(null, false))]);

    public static RealSet Empty { get; } = new([]);

    /// <param name="low">Null: no bound.</param>
    /// <returns>Null if a bound is not real or the bounds' order cannot be told; empty if they are the wrong way round.</returns>
    public static RealSet? Between(Quantity? low, bool lowClosed, Quantity? high, bool highClosed)
    {
        if (low is { IsReal: false } || high is { IsReal: false })
        {
            return null;
        }

        if (low is { } a && high is { } b)
        {
            int? order = Quantity.Compare(a, b);
            if (order is null or > 0 || (order == 0 && !(lowClosed && highClosed)))
            {
                return order is null ? null : Empty;
            }
        }

        return new([new(new(low, low is not null && lowClosed), new(high, high is not null && highClosed))]);
    }

    public static RealSet? Point(Quantity at) => Between(at, true, at, true);

    public bool IsEmpty => _intervals.Count == 0;

    /// <summary>Below 0 if a lower end begins before another's.</summary>
    private static int CompareLow(Bound a, Bound b) => (a.At, b.At) switch
    {
        (null, null) => 0,
        (null, _) => -1,
        (_, null) => 1,
        ({ } x, { } y) => Quantity.Compare(x, y) is { } order and not 0 ? order : b.Closed.CompareTo(a.Closed),
    };

    /// <summary>Below 0 if an upper end ends before another's.</summary>
    private static int CompareHigh(Bound a, Bound b) => (a.At, b.At) switch
    {
        (null, null) => 0,
        (null, _) => 1,
        (_, null) => -1,
        ({ } x, { } y) => Quantity.Compare(x, y) is { } order and not 0 ? order : a.Closed.CompareTo(b.Closed),
    };

    /// <summary>Whether nothing is left out between an upper end and the next lower one.</summary>
    private static bool Touch(Bound high, Bound low) => high.At is not { } x || low.At is not { } y
        || Quantity.Compare(x, y) is > 0 || (Quantity.Compare(x, y) == 0 && (high.Closed || low.Closed));

    public RealSet Union(RealSet other)
    {
        var all = _intervals.Concat(other._intervals).ToList();
        all.Sort(static (a, b) => CompareLow(a.Low, b.Low));
        var joined = new List<Interval>();
        foreach (Interval next in all)
        {
            if (joined.Count > 0 && Touch(joined[^1].High, next.Low))
            {
                joined[^1] = joined[^1] with { High = CompareHigh(joined[^1].High, next.High) >= 0 ? joined[^1].High : next.High };
            }
            else
            {
                joined.Add(next);
            }
        }

        return new(joined);
    }

    public RealSet Intersection(RealSet other)
    {
        RealSet result = Empty;
        foreach (Interval a in _intervals)
        {
            foreach (Interval b in other._intervals)
            {
                Bound low = CompareLow(a.Low, b.Low) >= 0 ? a.Low : b.Low, high = CompareHigh(a.High, b.High) <= 0 ? a.High : b.High;
                result = Between(low.At, low.Closed, high.At, high.Closed) is { } part ? result.Union(part) : result;
            }
        }

        return result;
    }

    public RealSet Without(Quantity point) =>
        Intersection(new RealSet([new(new(null, false), new(point, false)), new(new(point, false), new(null, false))]));

    public bool Same(RealSet other) => _intervals.Count == other._intervals.Count
        && _intervals.Zip(other._intervals).All(static pair => CompareLow(pair.First.Low, pair.Second.Low) == 0
            && CompareHigh(pair.First.High, pair.Second.High) == 0);
}
