using GrpoActors.Audit;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Plans;
using GrpoActors.Runtime.Recorded;
using Xunit;

namespace GrpoActors.Runtime.Tests.Audit;

public sealed class AuditAdvantagesTests
{
    public static TheoryData<AdvantageEstimator, AdvantageScale, bool, SingletonRule> Plans()
    {
        var plans = new TheoryData<AdvantageEstimator, AdvantageScale, bool, SingletonRule>();
        foreach (AdvantageEstimator estimator in new[] { AdvantageEstimator.Grpo, AdvantageEstimator.LeaveOneOut, AdvantageEstimator.Gpg, AdvantageEstimator.PassAtK })
        {
            foreach (AdvantageScale scale in Enum.GetValues<AdvantageScale>())
            {
                plans.Add(estimator, scale, false, SingletonRule.Zero);
                plans.Add(estimator, scale, true, SingletonRule.Score);
            }
        }

        return plans;
    }

    [Theory]
    [MemberData(nameof(Plans))]
    public void Each_estimator_that_the_journal_determines_is_audited_to_the_bit(AdvantageEstimator estimator, AdvantageScale scale, bool population, SingletonRule singleton)
    {
        var rule = new AdvantagePlan { Estimator = estimator, Scale = scale, PopulationDeviation = population, Singleton = singleton, ClipAt = population ? 1.25 : null };
        RunIdentity plan = RecordedRun.Plan();
        GroupPlan groups = plan.Phases[1].Groups;
        plan = plan with
        {
            Phases = plan.Phases.SetItem(1, plan.Phases[1] with { Group = groups with { Objective = groups.Objective with { Advantages = rule } } }),
        };
        for (int seed = 1; seed <= 5; seed++)
        {
            AuditReport report = JournalAudit.Run(DamagedStream.Stored(RecordedRun.Events(plan, seed)), plan, RecordedRun.Identity);
            Assert.Empty(report.Findings);
            Assert.Empty(report.Unseen);
        }
    }
}
