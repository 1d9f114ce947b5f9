using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>What a lost, late or untrue message may cost: a deadline, never the run.</summary>
public sealed class LostMessageTests
{
    private static readonly WorkerId G0 = new("g0");

    private Pipeline pipeline = Pipeline.Over(RunState.Begin(Plans.Identity(sftSteps: 1)), Digest.Of("identity"), Plans.Operation);

    private readonly List<Effect> effects = [];

    [Fact]
    public void A_publication_that_nobody_confirms_is_asked_for_again()
    {
        UntilTheFirstGroups();
        Effect.SetDeadline deadline = effects.OfType<Effect.SetDeadline>().Single(set => set.Deadline.For == Waits.Publication);
        Assert.Contains(Tell(new Command.DeadlinePassed(deadline.Deadline)), effect => effect is Effect.PublishVersion { Version.Steps: 1 });
        Tell(new Command.VersionPublished(new PolicyVersion(1)));
        Effect.SetDeadline second = effects.OfType<Effect.SetDeadline>().Last(set => set.Deadline.For == Waits.Publication);
        Assert.Empty(Tell(new Command.DeadlinePassed(second.Deadline)));
    }

    [Fact]
    public void An_evaluation_deadline_does_not_disarm_the_checkpoint_s()
    {
        UntilTheFirstGroups();
        DeadlineId evaluation = effects.OfType<Effect.SetDeadline>().Last(set => set.Deadline.For == Waits.Evaluation).Deadline;
        DeadlineId checkpoint = effects.OfType<Effect.SetDeadline>().Last(set => set.Deadline.For == Waits.Checkpoint).Deadline;
        Assert.Contains(Tell(new Command.DeadlinePassed(evaluation)), effect => effect is Effect.Evaluate);
        Assert.Contains(Tell(new Command.DeadlinePassed(checkpoint)), effect => effect is Effect.WriteCheckpoint { Step: 1 });
    }

    [Fact]
    public void A_step_that_was_trained_by_a_trainer_that_died_since_is_trained_again_not_committed()
    {
        UntilTheFirstGroups();
        Effect.TrainBatch batch = SampleAndScoreAll();
        Tell(Trained(batch)); // the evaluation of v1 is still awaited: nothing is committed yet
        Assert.Equal(1, pipeline.Run.Version.Steps);
        Assert.Contains(Tell(new Command.TrainerRestarted()), effect => effect is Effect.TrainBatch { Batch.Inputs.Step: 1 });
        Tell(new Command.EvaluationDone(new PolicyVersion(1), new Evaluation(1, 1, 1, default)));
        Assert.Equal(1, pipeline.Run.Version.Steps);
        Tell(Trained(batch));
        Assert.Equal(2, pipeline.Run.Version.Steps);
    }

    [Fact]
    public void A_step_trained_from_another_policy_or_another_batch_is_not_committed()
    {
        UntilTheFirstGroups();
        Tell(new Command.EvaluationDone(new PolicyVersion(1), new Evaluation(1, 1, 1, default)));
        Effect.TrainBatch batch = SampleAndScoreAll();
        Command.BatchTrained honest = Trained(batch);
        Tell(honest with { Outputs = honest.Outputs with { Policy = Digest.Of("elsewhere") } });
        Tell(honest with { Outputs = honest.Outputs with { Batch = Digest.Of("another") } });
        Assert.Equal(1, pipeline.Run.Version.Steps);
        Tell(honest);
        Assert.Equal(2, pipeline.Run.Version.Steps);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_reward_that_is_no_number_is_a_fault_whoever_let_it_through(float lie)
    {
        UntilTheFirstGroups();
        Sample();
        ScoreCall call = effects.OfType<Effect.RunScorer>().First().Call;
        Answer(call, lie);
        ScoreCall again = effects.OfType<Effect.RunScorer>().Last().Call;
        Assert.Equal((1, 1), (again.Attempt, again.Completions.Length));
        Answer(again, lie);
        foreach (Effect.RunScorer other in effects.OfType<Effect.RunScorer>().Where(run => run.Call.Group == call.Group && run.Call.Reward != call.Reward).ToArray())
        {
            Answer(other.Call, 1);
        }

        ScoredCompletion recorded = pipeline.Run.Groups[call.Group].Completions[0];
        Assert.IsType<ScoreOutcome.Faulted>(recorded.Outcomes[call.Reward]);
    }

    [Fact]
    public void Scores_of_other_completions_than_those_asked_about_change_nothing()
    {
        UntilTheFirstGroups();
        Sample();
        ScoreCall call = effects.OfType<Effect.RunScorer>().First().Call;
        ScoreCall fewer = call with { Completions = call.Completions[..1] };
        ScoreCall others = call with { Completions = [.. call.Completions.Select(completion => completion with { Tokens = completion.Tokens.Add(9) })] };
        Assert.Empty(Answer(fewer, 1));
        Assert.Empty(Answer(others, 1));
        Assert.True(pipeline.Scoring.InFlight[call.Group].Calls.ContainsKey(call.Reward));
    }

    [Fact]
    public void Completions_of_another_row_or_with_a_log_prob_that_is_no_number_are_no_answer()
    {
        UntilTheFirstGroups();
        Tell(new Command.VersionPublished(new PolicyVersion(1)));
        Tell(new Command.WorkAsked(G0, 1));
        Ticket ticket = effects.OfType<Effect.SendTickets>().Single().Tickets[0];
        Command.CompletionsArrived honest = Sampled(ticket);
        Tell(honest with { Ticket = ticket with { Row = ticket.Row + 1 } });
        Tell(honest with { Completions = honest.Completions.SetItem(0, honest.Completions[0] with { LogProbs = [float.NaN] }) });
        Assert.True(pipeline.Scoring.InFlight.IsEmpty);
        Tell(honest);
        Assert.False(pipeline.Scoring.InFlight.IsEmpty);
    }

    [Fact]
    public void Groups_that_no_generator_asks_for_are_a_wait_with_a_name_and_a_deadline()
    {
        UntilTheFirstGroups();
        Tell(new Command.VersionPublished(new PolicyVersion(1)));
        OpenWait wait = OpenWait.Of(pipeline).Single(wait => wait.Deadline.For == Waits.Work);
        Assert.Equal("for groups 1.p.0, 1.p.1, 1.p.2", Assert.Single(wait.Holds));
        Assert.Contains(effects, effect => effect is Effect.SetDeadline set && set.Deadline == wait.Deadline);
        Assert.Contains(Tell(new Command.DeadlinePassed(wait.Deadline)), effect => effect is Effect.SetDeadline { Deadline.For: Waits.Work });
    }

    [Fact]
    public void Generators_are_served_in_the_order_in_which_they_ask()
    {
        UntilTheFirstGroups();
        string[] names = ["c", "a", "d", "b"];
        foreach (string name in names)
        {
            Tell(new Command.WorkAsked(new WorkerId(name), 1));
        }

        Effect[] sent = Tell(new Command.VersionPublished(new PolicyVersion(1)));
        Assert.Equal(["c", "a", "d"], sent.OfType<Effect.SendTickets>().Select(tickets => tickets.Generator.Name));
    }

    [Fact]
    public void No_checkpoint_is_taken_between_a_phase_s_last_step_and_the_start_of_the_next()
    {
        RunIdentity twice = Plans.Identity(steps: 2);
        twice = twice with { Phases = twice.Phases.Add(twice.Phases[1] with { Name = "again" }) };
        var host = new ShuffledHost(twice, 1);
        host.ToTheEnd();
        RunState run = RunState.Begin(twice);
        foreach (RunEvent e in host.Journal)
        {
            run = run.Apply(e);
            Assert.False(run.PhaseIsOver && run.Phase < 2 && Milestones.CheckpointDue(run, 1));
        }
    }

    private void UntilTheFirstGroups()
    {
        Carry(pipeline.Resume());
        Effect.TrainBatch first = effects.OfType<Effect.TrainBatch>().Single();
        Tell(Trained(first));
        Assert.Equal(1, pipeline.Run.Phase);
    }

    private void Sample()
    {
        Tell(new Command.VersionPublished(new PolicyVersion(1)));
        Tell(new Command.WorkAsked(G0, 3));
        foreach (Ticket ticket in effects.OfType<Effect.SendTickets>().Single().Tickets)
        {
            Tell(Sampled(ticket));
        }
    }

    private Effect.TrainBatch SampleAndScoreAll()
    {
        Sample();
        foreach (Effect.RunScorer run in effects.OfType<Effect.RunScorer>().ToArray())
        {
            Answer(run.Call, run.Call.Completions.Length);
        }

        return effects.OfType<Effect.TrainBatch>().Last();
    }

    private Effect[] Answer(ScoreCall call, float first) => Tell(new Command.ScoreArrived(
        call, [.. call.Completions.Select((_, i) => (ScoreOutcome)new ScoreOutcome.Scored(i == 0 ? first : i))]));

    private Command.CompletionsArrived Sampled(Ticket ticket) => new(
        G0, ticket, pipeline.Run.Policies[ticket.Version.Steps], [.. ticket.Indices.Select(index => new Completion(index, [index + 5], [-1f], FinishReason.Eos))], TimeSpan.Zero);

    private static Command.BatchTrained Trained(Effect.TrainBatch batch)
    {
        Digest update = Digest.Of("update");
        var outputs = new StepOutputs(false, batch.Batch.Digest, update, batch.Policy.Then(update), [], batch.Batch.Inputs.Adaptive);
        return new Command.BatchTrained(batch.Batch.Inputs.Step, outputs, new StepTimings(TimeSpan.Zero, TimeSpan.Zero));
    }

    private Effect[] Tell(Command command) => Carry(pipeline.Handle(command));

    private Effect[] Carry(PipelineStep step)
    {
        pipeline = step.Next;
        effects.AddRange(step.Effects);
        return [.. step.Effects];
    }
}
