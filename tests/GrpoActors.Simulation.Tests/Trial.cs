using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests;

/// <summary>One simulation and what came of it.</summary>
/// <param name="Failure">Null where every promise was kept.</param>
/// <param name="Handled">Commands and events.</param>
/// <param name="Stops">How often the run stopped because nothing came of anything, and was started again.</param>
/// <param name="OutlivedCheckpoints">How many checkpoints were newer than a journal which lost its tail.</param>
internal sealed record Trial(
    Scenario Scenario, string? Failure, int Steps, int Handled, int Rollbacks, int Stops, int OutlivedCheckpoints, IReadOnlyList<Fault> Struck)
{
    private const int LeastSteps = 10;

    public static Trial Of(Scenario scenario, RigMaker? rig = null)
    {
        var simulation = new SimulatedRun(scenario, rig?.Invoke() ?? Rig.Sound);
        string? failure = null;
        try
        {
            failure = Judge(scenario, simulation.ToTheEnd());
        }
        catch (Violation violation)
        {
            failure = violation.Message;
        }
        catch (Exception anything) // a stage, the recovery or the store refused what it met
        {
            failure = anything.ToString();
        }

        World.Audit audit = simulation.Audit;
        int handled = simulation.CommandsHandled + (int)audit.Position;
        return new(scenario, failure, audit.Steps, handled, audit.Rollbacks, simulation.Stops, simulation.OutlivedCheckpoints, simulation.Struck);
    }

    /// <summary>The fewest faults that still fail, found by leaving out one after the other.</summary>
    public Trial Shrink(RigMaker? rig = null)
    {
        Trial smallest = this;
        for (int i = Scenario.Faults.Length - 1; i >= 0; i--)
        {
            Trial without = Of(smallest.Scenario with { Faults = smallest.Scenario.Faults.RemoveAt(i) }, rig);
            if (without.Failure is not null)
            {
                smallest = without;
            }
        }

        return smallest;
    }

    /// <summary>What failed, the command that shows it again, and the faults that it takes.</summary>
    public string Report()
    {
        Trial smallest = Shrink();
        ImmutableArray<Fault> all = Scenario.Of(Scenario.Seed).Faults;
        string kept = string.Join(',', smallest.Scenario.Faults.Select(fault => all.IndexOf(fault)));
        return $"""
            Seed {Scenario.Seed} ({Scenario.Plan.Identity.Order}, shape {Scenario.Shape}): {smallest.Failure}
            Show it again:  GRPO_SEED={Scenario.Seed} GRPO_FAULTS={kept} dotnet test -c Release tests/GrpoActors.Simulation.Tests --filter One_seed
            {smallest.Scenario.Faults.Length} of {all.Length} faults are enough:
              {string.Join("\n  ", smallest.Scenario.Faults)}
            """;
    }

    private static string? Judge(Scenario scenario, RunState run)
    {
        if (run.Ended?.Reason != scenario.End)
        {
            return $"the run ended as {run.Ended?.Reason}";
        }

        if (run.Version.Steps < LeastSteps && scenario.End == RunEnd.Completed)
        {
            return $"only {run.Version.Steps} steps were committed";
        }

        RunCounts counts = run.Counts;
        if (counts.GroupsIssued != counts.GroupsTrained + counts.GroupsDropped || counts.TokensSampled != counts.TokensTrained + counts.TokensDropped)
        {
            return $"the sums are wrong: {counts}";
        }

        return scenario.IsCanonical && scenario.Faults.Length > 0 && counts.OutcomesByTiming == 0 ? Difference(scenario.Expected, run) : null;
    }

    /// <summary>How much of what a rollback or a stop drops had been sampled by then depends on timing, and is in no ledger.</summary>
    private static RunCounts Comparable(RunState run) =>
        run.Rollbacks == 0 && run.Stopped is null ? run.Counts : run.Counts with { TokensSampled = 0, TokensDropped = 0, OutcomesFaulted = 0 };

    /// <summary>What differs from the end of the undisturbed run.</summary>
    private static string? Difference(Undisturbed expected, RunState run)
    {
        CheckpointRecord last = run.Checkpoints.MaxBy(checkpoint => checkpoint.Step)!;
        return last.Step != run.Version.Steps ? $"the last checkpoint is of step {last.Step}, and the run ended at {run.Version}"
            : run.Chain != expected.Run.Chain ? "the ledger is not that of the undisturbed run"
            : run.Policy != expected.Run.Policy ? "the policy is not that of the undisturbed run"
            : Comparable(run) != Comparable(expected.Run) ? $"the counts are {run.Counts}, not {expected.Run.Counts}"
            : run.Stopped != expected.Run.Stopped ? $"training was stopped because {run.Stopped?.Reason}, not because {expected.Run.Stopped?.Reason}"
            : last.WeightsSha256 != expected.Last.WeightsSha256 ? "the weights are not those of the undisturbed run"
            : last.OptimizerSha256 != expected.Last.OptimizerSha256 ? "the optimiser is not that of the undisturbed run"
            : null;
    }
}
