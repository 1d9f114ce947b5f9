using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Simulation.Tests;

/// <summary>Runs alone: it measures the memory that the whole process holds.</summary>
[CollectionDefinition(nameof(LongRunTests), DisableParallelization = true)]
[Collection(nameof(LongRunTests))]
public sealed class LongRunTests(ITestOutputHelper output)
{
    /// <summary>GRPO_STEPS: how many. Between one and two times journal_steps of records stay, and what three checkpoint intervals add.</summary>
    [Fact]
    public void A_long_run_keeps_journal_and_memory_bounded()
    {
        const int JournalSteps = 100, RecordsOfAStepMax = 32;
        int steps = int.TryParse(Environment.GetEnvironmentVariable("GRPO_STEPS"), NumberStyles.None, CultureInfo.InvariantCulture, out int asked) ? asked : 1500;
        ImmutableArray<Fault> faults = [.. Enumerable.Range(1, 30).Select(i => new Fault(i % 3 == 0 ? FaultKind.KillDecider : i % 3 == 1 ? FaultKind.KillTrainer : FaultKind.PowerLoss, i * steps, i))];
        var simulation = new SimulatedRun(Scenario.Long(steps, JournalSteps, faults), Rig.Sound);
        var heldBytes = new List<long>();
        long started = Stopwatch.GetTimestamp();
        simulation.Committed = step =>
        {
            if (step % (steps / 5) == 0)
            {
                heldBytes.Add(GC.GetTotalMemory(forceFullCollection: true));
                output.WriteLine($"{step} steps: {simulation.Records.Now} records of {simulation.Audit.Position}, {heldBytes[^1] / 1e6:0.00} MB held");
            }
        };
        RunState run = simulation.ToTheEnd();
        output.WriteLine($"{run.Version.Steps} steps in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, {simulation.Audit.Position} records written, at most {simulation.Records.Most} kept, {simulation.Struck.Count} kills");
        Assert.Equal(steps, run.Progress.Steps);
        Assert.InRange(simulation.Records.Most, 1, ((2 * JournalSteps) + 9) * RecordsOfAStepMax);
        Assert.InRange(heldBytes[^1] - heldBytes[0], long.MinValue, 4_000_000);
    }
}
