using System.Collections.Immutable;

namespace GrpoActors.Host.Chaos;

/// <summary>What is done to a process of the run.</summary>
public abstract record ChaosFault
{
    private ChaosFault()
    {
    }

    /// <summary>It kills itself with SIGKILL when it reaches the point for the <paramref name="Count"/>-th time.</summary>
    public sealed record AtPoint(string Point, long Count) : ChaosFault
    {
        public override string ToString() => $"{Point}#{Count}";
    }

    /// <summary>It is killed with SIGKILL so long after its start.</summary>
    public sealed record Kill(TimeSpan After) : ChaosFault
    {
        public override string ToString() => $"SIGKILL after {After.TotalSeconds:0.000} s";
    }

    /// <summary>It is stopped with SIGSTOP so long after its start, and goes on with SIGCONT after <paramref name="For"/>.</summary>
    public sealed record Freeze(TimeSpan After, TimeSpan For) : ChaosFault
    {
        public override string ToString() => $"SIGSTOP after {After.TotalSeconds:0.000} s for {For.TotalSeconds:0.000} s";
    }
}

/// <summary>Which faults a trial has: equally many at every point that an undisturbed run reaches, and a share at random moments. A function of its inputs.</summary>
public static class ChaosPlan
{
    /// <summary>One in so many kills comes at a random moment instead of a point.</summary>
    private const int RandomShare = 10;

    private static readonly TimeSpan FreezeMax = TimeSpan.FromSeconds(2);

    /// <param name="reached">How often an undisturbed run reaches each point.</param>
    /// <param name="steps">Steps of that run; a process is let live for one to three of them before a point kills it.</param>
    /// <param name="duration">Of that run.</param>
    public static ImmutableArray<ChaosFault> Of(IReadOnlyDictionary<string, long> reached, long steps, TimeSpan duration, int kills, int freezes, int seed)
    {
        var random = new Random(seed);
        int atRandom = kills / RandomShare;
        string[] points = [.. reached.Keys.Order(StringComparer.Ordinal)];
        random.Shuffle(points);
        var faults = new List<ChaosFault>();
        for (int i = 0; i < kills - atRandom && points.Length > 0; i++)
        {
            string point = points[i % points.Length];
            long threeSteps = Math.Clamp(3 * reached[point] / Math.Max(1, steps), 2, int.MaxValue);
            faults.Add(new ChaosFault.AtPoint(point, random.NextInt64(1, 1 + Math.Min(threeSteps, reached[point]))));
        }

        faults.AddRange(Enumerable.Range(0, atRandom).Select(_ => new ChaosFault.Kill(Moment())));
        faults.AddRange(Enumerable.Range(0, freezes).Select(_ => new ChaosFault.Freeze(Moment(), random.NextDouble() * FreezeMax)));
        ChaosFault[] shuffled = [.. faults];
        random.Shuffle(shuffled);
        return [.. shuffled];

        TimeSpan Moment() => random.NextDouble() * duration;
    }
}
