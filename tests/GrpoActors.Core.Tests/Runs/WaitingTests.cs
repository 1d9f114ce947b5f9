using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>Promise 5: every wait has a deadline, and what is stuck is asked for, or reported, again and again.</summary>
public sealed class WaitingTests
{
    private static readonly WorkerId First = new("g1");
    private static readonly WorkerId Second = new("g2");

    [Fact]
    public void A_generator_that_stays_silent_is_reported_at_every_deadline_while_nobody_else_asks()
    {
        PipelineStep step = Sampling(First);
        for (int deadline = 0; deadline < 5; deadline++)
        {
            Effect.SetDeadline watched = step.Effects.OfType<Effect.SetDeadline>().Single(x => x.Deadline.For is Waits.Ticket or Waits.Work);
            step = step.Next.Handle(new Command.DeadlinePassed(watched.Deadline));
            Assert.Single(step.Effects);
        }

        step = step.Next.Handle(new Command.WorkAsked(Second, 3));
        Assert.Equal(Second, step.Effects.OfType<Effect.SendTickets>().Single().Generator);
    }

    [Fact]
    public void What_a_silent_generator_holds_goes_to_one_that_is_idle()
    {
        PipelineStep step = Sampling(First);
        DeadlineId watched = step.Effects.OfType<Effect.SetDeadline>().Single(x => x.Deadline.For == Waits.Ticket).Deadline;
        ImmutableArray<Ticket> held = step.Effects.OfType<Effect.SendTickets>().Single().Tickets;
        step = step.Next.Handle(new Command.WorkAsked(Second, 3)).Next.Handle(new Command.DeadlinePassed(watched));
        Effect.SendTickets again = step.Effects.OfType<Effect.SendTickets>().Single();
        Assert.Equal(Second, again.Generator);
        Assert.Equal(held.Select(ticket => ticket.Group), again.Tickets.Select(ticket => ticket.Group));
    }

    [Fact]
    public void A_generator_that_has_spoken_since_is_not_reported()
    {
        PipelineStep step = Sampling(First);
        DeadlineId watched = step.Effects.OfType<Effect.SetDeadline>().Single(x => x.Deadline.For == Waits.Ticket).Deadline;
        step = step.Next.Handle(new Command.Progress(First)).Next.Handle(new Command.DeadlinePassed(watched));
        Assert.Empty(step.Effects);
    }

    [Fact]
    public void A_lost_evaluation_is_asked_for_again_whatever_became_of_the_checkpoint()
    {
        PipelineStep step = Pipeline.Over(RunState.Begin(Plans.Identity(sftSteps: 0)), Digest.Of("identity"), Plans.Operation).Resume();
        DeadlineId[] waits = [.. step.Effects.OfType<Effect.SetDeadline>().Select(x => x.Deadline)];
        DeadlineId checkpoint = waits.Single(x => x.For == Waits.Checkpoint), evaluation = waits.Single(x => x.For == Waits.Evaluation);
        step = step.Next.Handle(new Command.DeadlinePassed(checkpoint));
        Assert.Single(step.Effects.OfType<Effect.WriteCheckpoint>());
        step = step.Next.Handle(new Command.DeadlinePassed(evaluation));
        Assert.Single(step.Effects.OfType<Effect.Evaluate>());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_checkpoint_at_a_boundary_is_taken_after_the_next_phase_has_begun(bool evaluate)
    {
        // Recovery from it does not begin the phase again: its optimiser's reset and its reference lie inside.
        RunIdentity plan = Plans.Identity(evaluate: evaluate);
        plan = plan with { Phases = plan.Phases.Add(plan.Phases[1] with { Name = "more" }) };
        for (int seed = 0; seed < 20; seed++)
        {
            List<RunEvent> journal = new ShuffledHost(plan, seed).ToTheEnd(killEvery: seed % 2 == 0 ? 0 : 9).Journal;
            RunEvent.PhaseStarted[] phases = [.. journal.OfType<RunEvent.PhaseStarted>()];
            Assert.Equal(3, phases.Length);
            Assert.All(phases, phase => Assert.All(
                journal.OfType<RunEvent.CheckpointWritten>().Where(x => x.Step == phase.Version.Steps), x => Assert.True(journal.IndexOf(x) > journal.IndexOf(phase))));
        }
    }

    [Fact]
    public void A_run_that_ends_early_has_a_checkpoint_of_its_last_step()
    {
        RunIdentity plan = Plans.Identity(dropZeroSpread: true);
        plan = plan with { Order = plan.Order with { EmptyStepsMax = 1 } };
        ShuffledHost host = new ShuffledHost(plan, 1) { Rewards = (_, _) => new Core.Completions.ScoreOutcome.Scored(1) }.ToTheEnd();
        Assert.Equal(RunEnd.TooManyEmptySteps, host.Run.Ended!.Reason);
        Assert.Equal(host.Run.Version.Steps, host.Run.Checkpoints.Max(checkpoint => checkpoint.Step));
    }

    /// <summary>The run has reached its grpo phase and the generator has just been handed all its groups.</summary>
    private static PipelineStep Sampling(WorkerId generator)
    {
        PipelineStep step = Pipeline.Over(RunState.Begin(Plans.Identity(sftSteps: 0, evaluate: false)), Digest.Of("identity"), Plans.Operation).Resume();
        return step.Next.Handle(new Command.VersionPublished(new PolicyVersion(0))).Next.Handle(new Command.WorkAsked(generator, 3));
    }
}
