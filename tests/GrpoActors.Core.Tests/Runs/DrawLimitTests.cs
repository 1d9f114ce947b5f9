using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>A step may draw so many groups and no more: a run whose groups never have spread ends by itself.</summary>
public sealed class DrawLimitTests
{
    private const int GroupsPerStep = 3, GenBatches = 2;

    [Theory]
    [InlineData(OrderKind.Arrival)]
    [InlineData(OrderKind.Canonical)]
    public void A_run_whose_groups_never_have_spread_stops_where_the_plan_says_so(OrderKind order)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            RunState run = Flat(Limited(order, RefillExhausted.Stop), seed).Run;
            Assert.Equal(RunEnd.RefillExhausted, run.Ended!.Reason);
            Assert.Equal(0, run.Counts.GroupsTrained);
            Assert.InRange(run.Counts.GroupsIssued, GroupsPerStep + 1, (GenBatches + 2) * GroupsPerStep); // arrival order holds two steps' worth open at lag 1
        }
    }

    [Theory]
    [InlineData(OrderKind.Arrival)]
    [InlineData(OrderKind.Canonical)]
    public void Otherwise_its_steps_are_empty_and_too_many_of_them_end_it(OrderKind order)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            RunState run = Flat(Limited(order, RefillExhausted.TrainWhatThereIs), seed).Run;
            Assert.Equal(RunEnd.TooManyEmptySteps, run.Ended!.Reason);
            Assert.InRange(run.Counts.GroupsIssued, 1, (run.Version.Steps + 1) * (GenBatches + 2) * GroupsPerStep);
        }
    }

    [Theory]
    [InlineData(OrderKind.Arrival)]
    [InlineData(OrderKind.Canonical)]
    public void A_step_that_is_short_of_groups_trains_the_same_ones_after_every_kill(OrderKind order)
    {
        int partial = 0;
        for (int seed = 0; seed < 40; seed++)
        {
            var host = new ShuffledHost(Limited(order, RefillExhausted.TrainWhatThereIs), seed) { Rewards = MostlyFlat };
            RunState run = host.ToTheEnd(killEvery: seed % 2 == 0 ? 0 : 20).Run;
            Assert.Equal(run.Counts.GroupsIssued, run.Counts.GroupsTrained + run.Counts.GroupsDropped);
            partial += host.Journal.OfType<RunEvent.StepCommitted>().Count(e => e.Inputs.Groups.Length is > 0 and < GroupsPerStep);
        }

        Assert.True(partial > 20, $"Only {partial} steps were short of groups.");
    }

    [Fact]
    public void Refill_draws_no_more_for_a_step_than_the_limit_allows()
    {
        var host = new ShuffledHost(Limited(OrderKind.Canonical, RefillExhausted.TrainWhatThereIs), 1) { Rewards = MostlyFlat };
        host.ToTheEnd();
        int[] drawn = [.. host.Journal.OfType<RunEvent.GroupOpened>().GroupBy(e => e.Step).Select(step => step.Count())];
        Assert.Equal(GenBatches * GroupsPerStep, drawn.Max());
    }

    private static ShuffledHost Flat(RunIdentity plan, int seed) => new ShuffledHost(plan, seed) { Rewards = (_, _) => new ScoreOutcome.Scored(1) }.ToTheEnd();

    /// <summary>Two groups of three are flat.</summary>
    private static ScoreOutcome? MostlyFlat(ScoreCall call, Completion completion) => new ScoreOutcome.Scored(call.Group.Ordinal % 3 == 0 ? completion.Index : 1);

    private static RunIdentity Limited(OrderKind order, RefillExhausted exhausted)
    {
        RunIdentity plan = Plans.Identity(
            order, lag: order == OrderKind.Arrival ? 1 : 0, steps: 8, groups: GroupsPerStep, refillRounds: order == OrderKind.Canonical ? 1000 : 0, dropZeroSpread: true, exhausted: exhausted, evaluate: false);
        PhasePlan phase = plan.Phases[1];
        return plan with { Phases = plan.Phases.SetItem(1, phase with { Group = phase.Groups with { MaxGenBatches = GenBatches } }) };
    }
}
