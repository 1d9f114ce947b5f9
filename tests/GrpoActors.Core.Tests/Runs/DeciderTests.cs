using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>What is appended when, what is given up when, and what a run that is over still does.</summary>
public sealed class DeciderTests
{
    private const int AskedMax = 3;

    private static readonly WorkerId G0 = new("g0");

    private readonly List<Effect> effects = [];
    private Decider decider = Over(RunState.Begin(Plans.Identity(sftSteps: 1, evaluate: false)));

    [Fact]
    public void A_record_that_unblocks_no_stage_may_wait_and_the_one_that_completes_the_step_may_not()
    {
        UntilTheFirstGroups();
        ScoreCall[] calls = Sample();
        foreach (ScoreCall call in calls[..^1])
        {
            decider = decider.Handle(Scored(call));
            Assert.Equal(decider.Events.Length > 0, decider.CanDelayCommit);
        }

        Assert.True(decider.CanDelayCommit);
        decider = decider.Handle(Scored(calls[^1]));
        Assert.Contains(decider.Effects, effect => effect is Effect.TrainBatch);
        Assert.False(decider.CanDelayCommit);
    }

    [Fact]
    public void Nothing_pending_is_nothing_to_delay()
    {
        UntilTheFirstGroups();
        decider = decider.Handle(new Command.Progress(G0));
        Assert.False(decider.HasPending);
        Assert.False(decider.CanDelayCommit);
    }

    [Fact]
    public void A_full_batch_does_not_wait_for_more()
    {
        UntilTheFirstGroups();
        ScoreCall[] calls = Sample();
        Assert.True(calls.Length > 4);
        decider = (decider with { CommandsPerAppendMax = 3 }).Handle(Scored(calls[0])).Handle(Scored(calls[1])); // a call without a record does not count
        Assert.True(decider.CanDelayCommit);
        decider = decider.Handle(Scored(calls[2])).Handle(Scored(calls[3]));
        Assert.True(decider.IsFull);
        Assert.True(decider.Events.Length > 0 && decider.Effects.IsEmpty);
        Assert.False(decider.CanDelayCommit);
        Take();
        Assert.False(decider.IsFull);
    }

    [Fact]
    public void Batches_hold_each_event_and_effect_once_in_the_order_in_which_they_were_decided()
    {
        Pipeline alone = decider.Pipeline;
        PipelineStep first = alone.Resume();
        decider = decider.Resume();
        Effect.TrainBatch sft = decider.Effects.OfType<Effect.TrainBatch>().Single();
        PipelineStep second = first.Next.Handle(Trained(sft));
        decider = decider.Handle(Trained(sft));
        DecidedBatch batch = Take();
        Assert.Equal(0, batch.Position);
        Assert.Equal([.. first.Events.Select(e => e.Event), .. second.Events.Select(e => e.Event)], batch.Events.Select(e => e.Event));
        Assert.Equal([.. first.Effects, .. second.Effects], batch.Effects, (one, other) => one.GetType() == other.GetType());
        Assert.False(decider.HasPending);
        Assert.Equal(batch.Events.Length, Take().Position);
    }

    [Fact]
    public void A_batch_that_is_taken_while_another_is_under_way_goes_behind_it()
    {
        decider = decider.Resume();
        DecidedBatch first = Take();
        decider = decider.Handle(Trained(effects.OfType<Effect.TrainBatch>().Single()));
        Assert.Equal(first.Position + first.Events.Length, Take().Position);
    }

    [Fact]
    public void A_wait_that_is_asked_for_in_vain_is_named_and_at_last_stops_the_run()
    {
        UntilTheFirstGroups();
        for (int asked = 1; asked < AskedMax; asked++)
        {
            DeadlineId late = LastDeadline(Waits.Publication);
            decider = decider.Handle(new Command.DeadlinePassed(late));
            DecidedBatch batch = Take();
            Assert.Equal($"No word within its deadline of {late}; asked again", Assert.Single(batch.Missed).ToString());
            Assert.Contains(batch.Effects, effect => effect is Effect.PublishVersion);
        }

        decider = decider.Handle(new Command.DeadlinePassed(LastDeadline(Waits.Publication)));
        DecidedBatch last = Take();
        string reason = Assert.IsType<Effect.StopRun>(last.Effects[^1]).Reason;
        Assert.StartsWith("Asked 3 times for Publication v1 and nothing came of anything: Learner waits for publication (holds v1;", reason, StringComparison.Ordinal);
        Assert.EndsWith(". The state is intact; the same command goes on from there.", reason, StringComparison.Ordinal);
        Assert.Empty(last.Missed);
        Assert.True(decider.IsOver);
    }

    [Fact]
    public void A_record_between_two_missed_deadlines_starts_the_count_again()
    {
        UntilTheFirstGroups();
        ScoreCall[] calls = Sample();
        foreach (ScoreCall call in calls[..^1])
        {
            decider = decider.Handle(Scored(call));
            Take();
            decider = decider.Handle(new Command.DeadlinePassed(LastDeadline(Waits.Checkpoint)));
            Take();
        }

        Assert.True(effects.OfType<Effect.WriteCheckpoint>().Count() > AskedMax, "The deadlines were missed.");
        Assert.False(decider.IsOver);
    }

    [Fact]
    public void A_deadline_that_asks_for_nothing_again_is_no_missed_one()
    {
        UntilTheFirstGroups();
        DeadlineId publication = LastDeadline(Waits.Publication);
        Sample();
        for (int i = 0; i < 2 * AskedMax; i++)
        {
            decider = decider.Handle(new Command.DeadlinePassed(publication));
        }

        Assert.False(decider.HasPending);
    }

    [Fact]
    public void A_silent_generator_is_named_with_the_groups_that_it_holds()
    {
        UntilTheFirstGroups();
        decider = decider.Handle(new Command.VersionPublished(new PolicyVersion(1))).Handle(new Command.WorkAsked(G0, 2));
        Take();
        decider = decider.Handle(new Command.DeadlinePassed(LastDeadline(Waits.Ticket)));
        Assert.Equal("No word within its deadline of Ticket g0 (attempt 2), which holds 1.p.0, 1.p.1; asked again", Assert.Single(Take().Missed).ToString());
    }

    [Fact]
    public void A_reward_that_stops_the_run_is_the_last_that_is_decided()
    {
        decider = Over(RunState.Begin(Plans.Identity(sftSteps: 1, evaluate: false, retries: 0, onFailure: RewardFailure.Stop)));
        UntilTheFirstGroups();
        ScoreCall[] calls = Sample();
        decider = decider.Handle(new Command.ScoreArrived(calls[0], [.. calls[0].Completions.Select(_ => new ScoreOutcome.Faulted("down"))]));
        Assert.True(decider.IsOver);
        Assert.Same(decider, decider.Handle(Scored(calls[1])));
        Assert.Contains(Take().Effects, effect => effect is Effect.StopRun);
    }

    [Fact]
    public void A_command_after_the_end_of_the_run_changes_nothing()
    {
        Decider ended = Over(new ShuffledHost(Plans.Identity(), 1).ToTheEnd().Run);
        Assert.True(ended.IsOver);
        Assert.Same(ended, ended.Resume());
        Assert.Same(ended, ended.Handle(new Command.WorkAsked(G0, 1)));
    }

    [Fact]
    public void A_step_that_meets_the_checkpoint_which_outlived_its_record_is_appended()
    {
        Digest honest = FirstStep(decider).After.Chain;
        decider = decider with { Expected = decider.Expected.Add(1, honest).Add(9, default) };
        UntilTheFirstGroups();
        Assert.Equal([9], decider.Expected.Keys);
        Assert.False(decider.IsOver);
    }

    [Fact]
    public void Nothing_of_a_batch_is_appended_whose_step_differs_from_the_checkpoint_that_outlived_its_record()
    {
        decider = (decider with { Expected = decider.Expected.Add(1, Digest.Of("another course")) }).Resume();
        decider = decider.Handle(Trained(decider.Effects.OfType<Effect.TrainBatch>().Single()));
        DecidedBatch batch = Take();
        Assert.Empty(batch.Events);
        Assert.Equal(
            "Step 1, computed again after the journal lost its tail, differs from what the checkpoint of step 1 recorded.",
            Assert.IsType<Effect.StopRun>(Assert.Single(batch.Effects)).Reason);
        Assert.True(decider.IsOver);
        Assert.False(decider.HasPending);
    }

    [Fact]
    public void Where_a_reward_ran_out_of_time_the_sentence_names_the_way_out()
    {
        RunState run = decider.Run;
        decider = Over(run with { Counts = run.Counts with { OutcomesByTiming = 1 } });
        decider = (decider with { Expected = decider.Expected.Add(1, Digest.Of("another course")) }).Resume();
        decider = decider.Handle(Trained(decider.Effects.OfType<Effect.TrainBatch>().Single()));
        Assert.EndsWith(
            "of step 1 recorded: a reward ran out of time; start with --accept-lost-tail to go on from step 0 without the steps that were lost.",
            Assert.IsType<Effect.StopRun>(Assert.Single(Take().Effects)).Reason,
            StringComparison.Ordinal);
    }

    private static Decider Over(RunState run) => new(Pipeline.Over(run, Digest.Of("identity"), Plans.Operation), AskedMax);

    private static FoldedEvent FirstStep(Decider decider)
    {
        decider = decider.Resume();
        return decider.Handle(Trained(decider.Effects.OfType<Effect.TrainBatch>().Single())).Events.Single(e => e.Event is RunEvent.StepCommitted);
    }

    private DecidedBatch Take()
    {
        decider = decider.Take(out DecidedBatch batch);
        effects.AddRange(batch.Effects);
        return batch;
    }

    private void UntilTheFirstGroups()
    {
        decider = decider.Resume();
        Take();
        decider = decider.Handle(Trained(effects.OfType<Effect.TrainBatch>().Single()));
        Take();
        Assert.Equal(1, decider.Run.Phase);
    }

    /// <summary>All groups of the step, sampled; what is left to do is to score them.</summary>
    private ScoreCall[] Sample()
    {
        decider = decider.Handle(new Command.VersionPublished(new PolicyVersion(1))).Handle(new Command.WorkAsked(G0, 3));
        Take();
        foreach (Ticket ticket in effects.OfType<Effect.SendTickets>().Single().Tickets)
        {
            decider = decider.Handle(Sampled(ticket));
        }

        Take();
        return [.. effects.OfType<Effect.RunScorer>().Select(run => run.Call)];
    }

    private DeadlineId LastDeadline(Waits of) => effects.OfType<Effect.SetDeadline>().Last(set => set.Deadline.For == of).Deadline;

    private static Command.ScoreArrived Scored(ScoreCall call) => new(call, [.. call.Completions.Select((_, i) => new ScoreOutcome.Scored(i))]);

    private Command.CompletionsArrived Sampled(Ticket ticket) => new(
        G0,
        ticket,
        decider.Run.Policies[ticket.Version.Steps],
        [.. ticket.Indices.Select(index => new Completion(index, [index + 5], [-1f], FinishReason.Eos))],
        TimeSpan.Zero);

    private static Command.BatchTrained Trained(Effect.TrainBatch batch)
    {
        Digest update = Digest.Of("update");
        var outputs = new StepOutputs(false, batch.Batch.Digest, update, batch.Policy.Then(update), [], batch.Batch.Inputs.Adaptive);
        return new Command.BatchTrained(batch.Batch.Inputs.Step, outputs, new StepTimings(TimeSpan.Zero, TimeSpan.Zero));
    }
}
