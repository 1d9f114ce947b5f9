using System.CommandLine;

namespace GrpoActors.Benchmarks;

/// <summary><c>roofline</c>: what every share is a share of.</summary>
internal static class RooflineCommand
{
    public static Command Build() => new Benchmark(
        "roofline",
        "Measures fp32 multiply-adds and reading of memory, on one thread and on all: the best of several loops.",
        (settings, report) =>
        {
            foreach (int threads in new[] { 1, settings.Threads }.Distinct())
            {
                Benchmark.MeasureLimits(threads, report);
            }
        });
}
