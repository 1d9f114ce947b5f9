using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class GoldenTests
{
    [Fact]
    public void Every_case_of_verl_is_met_to_1e_12()
    {
        var report = ObjectiveReplay.Replay(Fixture.Text("verl.json"));
        Assert.Equal(28 + 11 + 2, report.Cases.Count);
        AllWithin(report, 1e-12);
    }

    [Fact]
    public void Every_case_of_TRL_is_met_to_1e_6()
    {
        var report = ObjectiveReplay.Replay(Fixture.Text("trl.json"));
        Assert.Equal(24, report.Cases.Count);
        AllWithin(report, 1e-6);
    }

    [Fact]
    public void Every_preference_loss_of_TRL_is_met_to_1e_6_and_the_group_robust_ones_to_1e_12()
    {
        var report = ObjectiveReplay.Replay(Fixture.Text("preference.json"));
        Assert.Equal(21 + 12, report.Cases.Count);
        // Discopop divides by a temperature of 0.05, which magnifies TRL's float32 rounding of the summed log-probs twentyfold: 1.8e-8 absolute, 1.8e-6 of its largest entry.
        AllWithin(report, 1e-6, caseButLoose: "discopop");
        AllWithin(report, report.DefaultTolerance);
        AllWithin(report with { Cases = [.. report.Cases.Where(c => c.Case.StartsWith("group robust", StringComparison.Ordinal))] }, 1e-12);
    }

    private static void AllWithin(ReplayReport report, double tolerance, string? caseButLoose = null)
    {
        var beyond = report.Cases.Where(c => !(c.Largest <= tolerance) && (caseButLoose is null || !c.Case.Contains(caseButLoose)));
        Assert.Equal([], beyond);
    }
}
