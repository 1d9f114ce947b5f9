using System.Diagnostics;
using System.Globalization;
using GrpoActors.Simulation.Tests.Faults;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Simulation.Tests;

public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int SeedsByDefault = 300;
    private const int LeastFaults = 3;
    private const int LeastHandled = 1000;

    public static TheoryData<int> Shapes => [.. Enumerable.Range(0, Scenario.Shapes)];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void An_undisturbed_run_ends(int shape)
    {
        Trial trial = Trial.Of(Scenario.Quiet(shape));
        output.WriteLine($"{trial.Steps} steps, {trial.Handled} commands and events, {trial.Rollbacks} rollbacks, {Scenario.Quiet(shape).Expected.Events} simulator events");
        Assert.Null(trial.Failure);
    }

    /// <summary>GRPO_SEEDS: how many; GRPO_FIRST_SEED: from which on.</summary>
    [Fact]
    public void No_fault_breaks_a_promise()
    {
        int count = Number("GRPO_SEEDS") ?? SeedsByDefault, first = Number("GRPO_FIRST_SEED") ?? 1;
        var trials = new Trial[count];
        long started = Stopwatch.GetTimestamp();
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i => trials[i] = Trial.Of(Scenario.Of((ulong)(first + i))));
        Trial[] failed = [.. trials.Where(trial => trial.Failure is not null)];
        output.WriteLine($"{count} seeds in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, {failed.Length} violations");
        output.WriteLine($"least of any seed: {trials.Min(trial => trial.Steps)} steps, {trials.Min(trial => trial.Handled)} commands and events, {trials.Min(trial => trial.Struck.Count)} faults");
        output.WriteLine($"in all: {trials.Sum(trial => (long)trial.Steps)} steps, {trials.Sum(trial => (long)trial.Handled)} commands and events, {trials.Sum(trial => trial.Struck.Count)} faults, {trials.Sum(trial => trial.Rollbacks)} rollbacks");
        output.WriteLine($"and {trials.Sum(trial => trial.Stops)} stops, {trials.Sum(trial => trial.OutlivedCheckpoints)} checkpoints newer than the journal");
        ILookup<FaultKind, Fault> byKind = trials.SelectMany(trial => trial.Struck).ToLookup(fault => fault.Kind);
        foreach (FaultKind kind in Enum.GetValues<FaultKind>())
        {
            output.WriteLine($"{kind,-24}{byKind[kind].Count(),8}");
        }

        Assert.True(failed.Length == 0, $"{failed.Length} of {count} seeds failed.\n{string.Join("\n\n", failed.Take(3).Select(trial => trial.Report()))}");
        Assert.All(trials, trial => Assert.True(trial.Handled >= LeastHandled && trial.Struck.Count >= LeastFaults, $"Seed {trial.Scenario.Seed} was too quiet: {trial.Handled} commands and events, {trial.Struck.Count} faults."));
        Assert.All(Enum.GetValues<FaultKind>(), kind => Assert.True(byKind[kind].Count() * 20 >= count, $"{kind} struck {byKind[kind].Count()} times in {count} seeds."));
    }

    /// <summary>A sentinel's verdict, the last checkpoint and the hashes are the same whatever else happens.</summary>
    [Fact]
    public void A_run_that_a_sentinel_ends_ends_alike_in_spite_of_faults()
    {
        for (ulong seed = 1; seed <= 60; seed++)
        {
            if (seed % 10 == 0)
            {
                continue; // a scorer that is out of time is an outcome, and changes the course
            }

            Trial trial = Trial.Of(Scenario.Of(seed, Scenario.Shapes + (int)(seed % Scenario.StoppedShapes)));
            Assert.True(trial.Failure is null, $"Seed {seed}: {trial.Failure}");
        }
    }

    /// <summary>GRPO_SEED and GRPO_FAULTS (indices, comma-separated; absent: all), as a failure prints them.</summary>
    [Fact]
    public void One_seed()
    {
        Scenario scenario = Scenario.Of((ulong)(Number("GRPO_SEED") ?? 1));
        if (Environment.GetEnvironmentVariable("GRPO_FAULTS") is { } kept)
        {
            scenario = scenario with { Faults = [.. kept.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(index => scenario.Faults[int.Parse(index)])] };
        }

        Trial trial = Trial.Of(scenario);
        Assert.True(trial.Failure is null, trial.Failure);
    }

    [Fact]
    public void A_seed_takes_the_same_course_each_time()
    {
        Trial first = Trial.Of(Scenario.Of(42)), second = Trial.Of(Scenario.Of(42));
        Assert.Equal(first.Handled, second.Handled);
        Assert.Equal(first.Struck, second.Struck);
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
