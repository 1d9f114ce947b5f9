using System.Collections.Immutable;
using GrpoActors.Audit;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;
using Xunit;

namespace GrpoActors.Runtime.Tests.Audit;

/// <summary>Vetoes and a balancer's weights, computed a second time by the audit and folded again from a compaction record.</summary>
public sealed class ObjectiveAuditTests
{
    public static TheoryData<OrderKind, int, VetoAction, bool> Runs => new()
    {
        { OrderKind.Canonical, 0, VetoAction.GroupLeast, true },
        { OrderKind.Canonical, 2, VetoAction.Drop, true },
        { OrderKind.Canonical, 1, VetoAction.GroupLeast, false },
        { OrderKind.Arrival, 1, VetoAction.Drop, true },
        { OrderKind.Arrival, 2, VetoAction.GroupLeast, true },
    };

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_run_with_objectives_has_no_findings_whatever_came_first(OrderKind order, int lag, VetoAction veto, bool balanced)
    {
        RunIdentity plan = Plan(order, lag, veto, balanced);
        var chains = new HashSet<string>(StringComparer.Ordinal);
        for (int seed = 1; seed <= 6; seed++)
        {
            List<RunEvent> run = RecordedRun.Events(plan, seed);
            AuditReport report = JournalAudit.Run(DamagedStream.Stored(run), plan, RecordedRun.Identity);
            Assert.Empty(report.Findings);
            RunState folded = run.Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
            Assert.Equal(folded.Chain, report.LedgerSha256);
            Assert.Equal(balanced, !folded.Balance.IsEmpty && folded.Balance.Any(factor => factor != 1));
            chains.Add($"{folded.Chain} {string.Join(' ', folded.Balance)}");
        }

        Assert.True(order == OrderKind.Arrival || chains.Count == 1, "The weights follow from when a group arrived.");
    }

    [Fact]
    public void A_run_whose_weights_were_not_moved_as_the_plan_says_is_found_out()
    {
        RunIdentity plan = Plan(OrderKind.Canonical, 0, VetoAction.GroupLeast, balanced: true);
        List<RunEvent> run = RecordedRun.Events(plan);
        RunIdentity other = plan with { Balancer = plan.Balancer! with { Rate = 0.31 } };
        Assert.Contains(JournalAudit.Run(DamagedStream.Stored(run), other, RecordedRun.Identity).Findings, finding => finding.Kind == "batch-mismatch");
    }

    [Fact]
    public void A_run_that_goes_on_from_a_compaction_record_has_the_same_weights_and_ends_alike()
    {
        RunIdentity plan = Plan(OrderKind.Canonical, 1, VetoAction.Drop, balanced: true);
        List<RunEvent> run = RecordedRun.Events(plan);
        int cut = run.FindLastIndex(e => e is RunEvent.StepCommitted);
        RunState before = run.Take(cut).Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
        Assert.False(before.Balance.IsEmpty);
        RunEvent compacted = EventRecord.Decode(EventRecord.Encode(new RunEvent.Compacted(0, before)));
        RunState resumed = run.Skip(cut).Prepend(compacted).Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
        RunState whole = run.Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
        Assert.Equal(whole.Chain, resumed.Chain);
        Assert.Equal(whole.Balance.ToArray(), resumed.Balance.ToArray());
    }

    private static RunIdentity Plan(OrderKind order, int lag, VetoAction veto, bool balanced)
    {
        RunIdentity plan = RecordedRun.Plan(order, lag);
        ImmutableSortedDictionary<string, double> targets = ImmutableSortedDictionary<string, double>.Empty.Add("right", 0.9).Add("safety", 0.2);
        return plan with
        {
            Rewards = plan.Rewards.SetItem(1, plan.Rewards[1] with { Objective = "safety", Veto = new VetoPlan(0.25, veto) }),
            Balancer = balanced ? new BalancerPlan(targets, 0.3, 0.1, 10) : null,
        };
    }
}
