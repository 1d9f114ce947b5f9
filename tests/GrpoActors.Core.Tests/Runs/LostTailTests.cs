using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

public sealed class LostTailTests
{
    private static readonly LedgerValue Fourth = new(4, Digest.Of("4")), Eighth = new(8, Digest.Of("8")), Twelfth = new(12, Digest.Of("12"));

    [Theory]
    [InlineData(OrderKind.Canonical)]
    [InlineData(OrderKind.Arrival)]
    public void Checkpoints_that_are_not_newer_than_the_journal_are_no_loss(OrderKind order)
    {
        Assert.IsType<LostTail.Nothing>(LostTail.Of(At(8, order), [Eighth, Fourth], accept: false));
        Assert.IsType<LostTail.Nothing>(LostTail.Of(At(8, order), [], accept: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void In_canonical_order_the_lost_steps_are_computed_again_and_must_meet_every_newer_checkpoint(bool accept)
    {
        var again = Assert.IsType<LostTail.ComputeAgain>(LostTail.Of(At(5, OrderKind.Canonical), [Twelfth, Eighth, Fourth], accept));
        Assert.Equal([KeyValuePair.Create(8L, Eighth.Chain), KeyValuePair.Create(12L, Twelfth.Chain)], again.Expected);
        Assert.Equal(
            "The journal ends at step 5, but a checkpoint of step 12 exists: the journal has lost its tail. The lost steps are computed again",
            again.Warning);
    }

    [Fact]
    public void In_canonical_order_too_a_user_who_accepts_the_loss_goes_on_where_a_reward_ran_out_of_time()
    {
        RunState run = At(5, OrderKind.Canonical);
        run = run with { Counts = run.Counts with { OutcomesByTiming = 1 } };
        Assert.IsType<LostTail.ComputeAgain>(LostTail.Of(run, [Eighth], accept: false));
        Assert.Equal(5, Assert.IsType<LostTail.GoOn>(LostTail.Of(run, [Eighth], accept: true)).Step);
    }

    [Fact]
    public void In_arrival_order_the_run_stops_and_names_the_option_that_lets_it_go_on()
    {
        var refused = Assert.IsType<LostTail.Refuse>(LostTail.Of(At(5, OrderKind.Arrival), [Eighth], accept: false));
        Assert.Equal(
            "The journal ends at step 5, but a checkpoint of step 8 exists: the journal has lost its tail. "
            + "In arrival order the lost steps cannot be computed again; start with --accept-lost-tail to go on from step 5.",
            refused.Reason);
    }

    [Fact]
    public void In_arrival_order_a_user_who_accepts_the_loss_goes_on_without_the_newer_checkpoints()
    {
        var on = Assert.IsType<LostTail.GoOn>(LostTail.Of(At(5, OrderKind.Arrival), [Eighth], accept: true));
        Assert.Equal(5, on.Step);
        Assert.EndsWith("The run goes on from there, and the checkpoints of what is lost are deleted", on.Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_node_reports_later_joins_what_is_expected_and_is_told_once()
    {
        Decider decider = Over(At(5, OrderKind.Canonical)) with { Expected = Over(At(5, OrderKind.Canonical)).Expected.Add(Eighth.Step, Eighth.Chain) };
        decider = decider.Compare([Fourth, Eighth, Twelfth], acceptLostTail: false, "trainer-2", out LostTail lost);
        string warning = Assert.IsType<LostTail.ComputeAgain>(lost).Warning;
        Assert.StartsWith("The journal ends at step 5, but trainer-2 has a checkpoint of step 12:", warning, StringComparison.Ordinal);
        Assert.Equal([8L, 12L], decider.Expected.Keys);
        Assert.Same(decider, decider.Compare([Fourth, Eighth, Twelfth], acceptLostTail: false, "trainer-2", out lost));
        Assert.IsType<LostTail.Nothing>(lost);
    }

    [Fact]
    public void What_a_node_reports_later_in_arrival_order_stops_the_run_or_is_forgotten()
    {
        Decider decider = Over(At(5, OrderKind.Arrival));
        Assert.Same(decider, decider.Compare([Eighth], acceptLostTail: false, "trainer-2", out LostTail lost));
        Assert.IsType<LostTail.Refuse>(lost);
        Assert.Same(decider, decider.Compare([Eighth], acceptLostTail: true, "trainer-2", out lost));
        Assert.IsType<LostTail.GoOn>(lost);
    }

    private static RunState At(long step, OrderKind order) => RunState.Begin(Plans.Identity(order)) with { Version = new PolicyVersion(step) };

    private static Decider Over(RunState run) => new(Pipeline.Over(run, Digest.Of("identity"), Plans.Operation), 3);
}
