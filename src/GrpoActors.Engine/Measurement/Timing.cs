using System.Diagnostics;

namespace GrpoActors.Engine.Measurement;

/// <param name="Seconds">Median of the runs.</param>
/// <param name="BytesAllocated">By the whole process, a run; the least of the runs, because other threads of the runtime allocate now and then.</param>
public readonly record struct Timing(double Seconds, long BytesAllocated)
{
    /// <summary>Runs once to warm up, then <paramref name="runs"/> times.</summary>
    public static Timing Of(int runs, Action action)
    {
        action();
        return OfMeasured(runs, () =>
        {
            long before = GC.GetTotalAllocatedBytes(precise: true), start = Stopwatch.GetTimestamp();
            action();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return new Timing(seconds, GC.GetTotalAllocatedBytes(precise: true) - before);
        });
    }

    /// <summary>As <see cref="Of"/>, of runs that measure a part of themselves.</summary>
    public static Timing OfMeasured(int runs, Func<Timing> run)
    {
        Timing[] all = [.. Enumerable.Range(0, runs).Select(_ => run()).OrderBy(timing => timing.Seconds)];
        return new Timing((all[(runs - 1) / 2].Seconds + all[runs / 2].Seconds) / 2, all.Min(timing => timing.BytesAllocated));
    }
}
