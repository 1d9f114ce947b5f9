using System.Collections.Immutable;

namespace GrpoActors.Runtime.Chaos;

/// <summary>How many faults of which kind.</summary>
/// <param name="Kills">SIGKILLs: nine in ten at named points, equally many at each, one in ten at a random moment.</param>
public sealed record ChaosNumbers(int Kills, int Freezes = 0, int Quotas = 0, int ReadOnly = 0, int Torn = 0);

/// <summary>What is known of an undisturbed run.</summary>
/// <param name="Reached">How often it reaches each point.</param>
/// <param name="Steps">A process is let live for one to three of them before a point kills it.</param>
/// <param name="LargestFileBytes">In its run folder.</param>
public sealed record UndisturbedRun(IReadOnlyDictionary<string, ReachCount> Reached, long Steps, long LargestFileBytes);

/// <summary>Which faults a trial has. A function of its inputs.</summary>
public static class ChaosPlan
{
    private const int RandomShare = 10;

    private static readonly TimeSpan FreezeMax = TimeSpan.FromSeconds(2);

    public static ImmutableArray<ChaosFault> Of(UndisturbedRun run, ChaosNumbers numbers, int seed)
    {
        var random = new Random(seed);
        string[] points = [.. run.Reached.Keys.Order(StringComparer.Ordinal)];
        random.Shuffle(points);
        int atRandom = points.Length == 0 ? numbers.Kills : numbers.Kills / RandomShare;
        ChaosFault[] faults =
        [
            .. Enumerable.Range(0, numbers.Kills - atRandom).Select(i => AtPoint(points[i % points.Length])),
            .. Many(atRandom, () => new ChaosFault.Kill(random.NextDouble())),
            .. Many(numbers.Freezes, () => new ChaosFault.Freeze(random.NextDouble(), random.NextDouble() * FreezeMax)),
            .. Many(numbers.Quotas, () => new ChaosFault.Quota(random.Next(1, (int)Math.Max(2, run.LargestFileBytes / 1024)))),
            .. Many(numbers.ReadOnly, () => new ChaosFault.ReadOnly()),
            .. Enumerable.Range(0, numbers.Torn).Select(i => new ChaosFault.Torn((TornFile)(i % 2), random.NextDouble())),
        ];
        random.Shuffle(faults);
        return [.. faults];

        ChaosFault.AtPoint AtPoint(string point)
        {
            long passes = Math.Max(1, run.Reached[point].AfterProgress), threeSteps = Math.Clamp(3 * passes / Math.Max(1, run.Steps), 1, int.MaxValue); // a rare one: the next time
            return new ChaosFault.AtPoint(point, random.NextInt64(1, 1 + Math.Min(threeSteps, passes)));
        }
    }

    private static IEnumerable<ChaosFault> Many(int count, Func<ChaosFault> one) => Enumerable.Range(0, count).Select(_ => one());
}
