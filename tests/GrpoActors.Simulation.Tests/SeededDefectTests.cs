using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Simulation.Tests.World;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Simulation.Tests;

/// <summary>The simulator is worth what it catches: each test puts one defect around sound parts and expects a seed that fails.</summary>
public sealed class SeededDefectTests(ITestOutputHelper output)
{
    private const int SeedsMax = 300, OtherReasonsMax = 40;

    [Fact]
    public void Effects_that_run_before_their_events_are_durable() => IsCaught(() => new ActsBeforeDurable(), "and its step is not durable");

    [Fact]
    public void Memories_that_outlive_the_process() => IsCaught(() => new RemembersAcrossCrashes(), "no deadline is set");

    [Fact]
    public void A_ticket_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Ticket), "no deadline is set");

    [Fact]
    public void A_reward_call_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Score), "no deadline is set");

    [Fact]
    public void A_training_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Training), "no deadline is set");

    [Fact]
    public void A_checkpoint_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Checkpoint), "no deadline is set");

    [Fact]
    public void An_evaluation_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Evaluation), "no deadline is set");

    [Fact]
    public void A_publication_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Publication), "no deadline is set");

    [Fact]
    public void Unclaimed_groups_without_a_deadline() => IsCaught(() => LosesDeadlines(Waits.Work), "no deadline is set");

    [Fact]
    public void A_passed_deadline_that_nobody_hears() =>
        IsCaught(() => new Mishears((_, command) => command is Command.DeadlinePassed { Deadline.For: Waits.Training or Waits.Ticket } ? new Command.Progress(new WorkerId("nobody")) : command), "no deadline is set");

    [Fact]
    public void A_restarted_trainer_that_is_not_asked_again() =>
        IsCaught(() => new Mishears((_, command) => command is Command.TrainerRestarted or Command.DeadlinePassed { Deadline.For: Waits.Publication } ? new Command.Progress(new WorkerId("nobody")) : command), "no deadline is set: Learner waits for publication");

    [Fact]
    public void A_group_sampled_by_the_version_before_the_right_one() =>
        IsCaught(() => new DecidesOtherwise((run, e) => [e is RunEvent.GroupOpened x && x.Version.Steps > run.WindowStep ? x with { Version = new PolicyVersion(x.Version.Steps - 1) } : e]), "breaks the lag limit");

    [Fact]
    public void A_group_opened_a_step_too_early() =>
        IsCaught(() => new DecidesOtherwise((run, e) => [e is RunEvent.GroupOpened { Group.Stream: GroupStream.Primary } x && run.Plan.Order.Lag > 0 ? x with { Step = run.Version.Steps } : e]), "belongs to step");

    [Fact]
    public void A_step_that_leaves_out_a_group() =>
        IsCaught(() => new DecidesOtherwise((_, e) => [e is RunEvent.StepCommitted { Inputs.Groups.Length: > 1 } x ? x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups[..^1] } } : e]), "is neither trained nor dropped");

    [Fact]
    public void A_step_that_trains_a_group_twice() =>
        IsCaught(() => new DecidesOtherwise((_, e) => [e is RunEvent.StepCommitted { Inputs.Groups.Length: > 1 } x ? x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups.SetItem(0, x.Inputs.Groups[1]) } } : e]), "is not in the state that this event needs");

    [Fact]
    public void A_step_whose_groups_lie_in_the_order_of_arrival() =>
        IsCaught(() => new DecidesOtherwise((run, e) =>
            [e is RunEvent.StepCommitted x ? x with { Inputs = x.Inputs with { Groups = [.. x.Inputs.Groups.OrderBy(id => run.Groups[id].ClosedAt)] } } : e]), "reports the digest of another batch");

    [Fact]
    public void An_evaluation_that_nobody_made() =>
        IsCaught(() => new DecidesOtherwise((_, e) => [e is RunEvent.Evaluated x ? x with { Evaluation = x.Evaluation with { Correct = 20 } } : e]), "is not that of its weights");

    [Fact]
    public void A_rollback_to_another_policy() =>
        IsCaught(() => new DecidesOtherwise((_, e) => [e is RunEvent.RolledBack x ? x with { Policy = Digest.Of("another") } : e]), "rolls back to another policy");

    [Fact]
    public void A_compaction_record_of_another_state() =>
        IsCaught(() => new DecidesOtherwise((_, e) => [e is RunEvent.Compacted x ? x with { Folded = x.Folded with { PrimaryNext = x.Folded.PrimaryNext + 1 } } : e]), "holds another state than the one folded up to it");

    [Fact]
    public void A_compaction_that_leaves_one_checkpoint_less() =>
        IsCaught(() => new DecidesOtherwise((run, e) => [e is RunEvent.Compacted { Before: > 0 } x ? x with { Before = run.Position } : e]), "are retired, where no compaction record stands");

    [Fact]
    public void A_deletion_of_more_than_was_retired() => IsCaught(() => new DefectiveJournal((_, journal) => new DeletesTooMuch(journal)), "begins neither with RunStarted nor with a compaction record");

    [Fact]
    public void A_deletion_by_a_writer_that_was_replaced() => IsCaught(() => new DefectiveJournal((behind, journal) => new DeletesUnfenced(behind, journal)), "a writer that had been replaced deleted");

    [Fact]
    public void Scores_taken_twice() => IsCaught(() => new TakesScoresAgain(), "is scored twice");

    [Fact]
    public void Scoring_forgotten_whenever_completions_arrive() =>
        IsCaught(() => new Misremembers((pipeline, command) => command is Command.CompletionsArrived
            ? pipeline with { Generation = pipeline.Generation with { Delivered = [] }, Scoring = ScorerMemory.Empty }
            : pipeline), "and nothing came of anything");

    [Fact]
    public void Completions_of_other_weights_taken_for_those_of_the_version() =>
        IsCaught(() => new Mishears((pipeline, command) => command is Command.CompletionsArrived x && pipeline.Run.Groups.TryGetValue(x.Ticket.Group, out GroupState? group)
            ? x with { Weights = pipeline.Run.Policies[group.Version.Steps] }
            : command), "is not what v");

    [Fact]
    public void A_short_answer_filled_up() =>
        IsCaught(() => new Mishears((_, command) => command is Command.CompletionsArrived { Completions.Length: 1 } x
            ? x with { Completions = [x.Completions[0], x.Completions[0] with { Index = 1 }] }
            : command), "is not what v");

    [Fact]
    public void A_reward_that_ran_out_of_time_and_counts_as_0() =>
        IsCaught(() => new Mishears((_, command) => command is Command.ScoreArrived x
            ? x with { Outcomes = [.. x.Outcomes.Select(outcome => outcome is ScoreOutcome.TimedOut ? new ScoreOutcome.Scored(0) : outcome)] }
            : command), "is recorded");

    [Fact]
    public void A_time_out_that_nobody_had() =>
        IsCaught(() => new Mishears((_, command) => command is Command.ScoreArrived { Call.Group.Ordinal: var ordinal } x && ordinal % 5 == 0
            ? x with { Outcomes = [.. x.Outcomes[..^1], new ScoreOutcome.TimedOut(TimeSpan.FromSeconds(1))] }
            : command), "is recorded");

    [Fact]
    public void A_NaN_that_counts_as_0() =>
        IsCaught(() => new Mishears((_, command) => command is Command.ScoreArrived x
            ? x with { Outcomes = [.. x.Outcomes.Select(outcome => outcome is ScoreOutcome.Scored { Reward: var r } && !float.IsFinite(r) ? new ScoreOutcome.Scored(0) : outcome)] }
            : command), "is recorded");

    [Fact]
    public void Scores_in_reverse_order() =>
        IsCaught(() => new Mishears((_, command) => command is Command.ScoreArrived x ? x with { Outcomes = [.. x.Outcomes.Reverse()] } : command), "is recorded");

    [Fact]
    public void Tokens_that_depend_on_who_samples_them() =>
        IsCaught(() => new SamplesOtherwise((generator, _, completions) => generator.Name == "g0"
            ? completions
            : completions.SetItem(0, completions[0] with { Tokens = completions[0].Tokens.SetItem(0, 1) })), "is not what v");

    [Fact]
    public void Weights_published_under_the_name_of_another_version() => IsCaught(() => new PublishesTheFirstVersion(), "is published with other weights than its step gave");

    [Fact]
    public void A_trainer_that_restores_weights_without_moments() => IsCaught(() => new DefectiveTrainer(trainer => new RestoresWeightsOnly(trainer)), "trained again gives other bits");

    [Fact]
    public void A_trainer_whose_updates_depend_on_its_age() => IsCaught(() => new DefectiveTrainer(trainer => new DependsOnItsAge(trainer)), "trained again gives other bits");

    [Fact]
    public void A_file_that_is_not_flushed() => IsCaught(() => new DefectiveDisk(disk => new SkipsFlushes(disk)), "No checkpoint of step");

    [Fact]
    public void A_folder_that_is_not_flushed() => IsCaught(() => new DefectiveDisk(disk => new SkipsFolderFlushes(disk)), "No checkpoint of step");

    [Fact]
    public void A_checkpoint_without_the_moments() => IsCaught(() => new DefectiveCheckpoints(checkpoints => new ForgetsTheMoments(checkpoints)), "trained again gives other bits");

    [Fact]
    public void A_checkpoint_with_the_weights_of_the_one_before() => IsCaught(() => new DefectiveCheckpoints(checkpoints => new MarksTheWrongStep(checkpoints)), "is published with other weights than its step gave");

    [Fact]
    public void Checkpoints_deleted_that_a_replay_needs() => IsCaught(() => new DefectiveCheckpoints(checkpoints => new RetiresTooMuch(checkpoints)), "No checkpoint of step");

    [Fact]
    public void A_transaction_that_is_torn() => IsCaught(() => new DefectiveJournal((_, journal) => new TearsTransactions(journal)), "the decider has folded");

    [Fact]
    public void An_append_that_did_not_happen() => IsCaught(() => new DefectiveJournal((_, journal) => new DropsAppends(journal, 25)), "the decider has folded");

    [Fact]
    public void A_fence_that_holds_nobody_back() => IsCaught(() => new DefectiveJournal((behind, journal) => new IgnoresTheFence(behind, journal)), "a writer that had been replaced appended");

    [Fact]
    public void A_record_read_twice() => IsCaught(() => new DefectiveJournal((_, journal) => journal, reader => new MisreadsOnce(reader, 2)), "cannot follow the one before it");

    [Fact]
    public void A_record_that_is_not_read() => IsCaught(() => new DefectiveJournal((_, journal) => journal, reader => new MisreadsOnce(reader, 0)), "cannot follow the one before it");

    [Fact]
    public void A_commit_delayed_although_effects_wait_for_it() => IsCaught(() => new DelaysEffects(), "no deadline is set");

    [Fact]
    public void A_batch_without_the_records_that_were_delayed_for_it() => IsCaught(() => new DropsDelayedRecords(), "records; this writer has seen");

    [Fact]
    public void Waits_counted_as_unanswered_although_records_came_between() => IsCaught(() => new CountsThroughRecords(), "the run stops: Asked");

    [Fact]
    public void A_checkpoint_of_another_course_than_the_steps_computed_again() =>
        IsCaught(() => new MixesCourses(compares: true), "computed again after the journal lost its tail, differs");

    [Fact]
    public void Steps_computed_again_that_no_checkpoint_is_compared_with() =>
        IsCaught(() => new MixesCourses(compares: false), "differs from the checkpoint that outlived its record");

    private static LosesEffects LosesDeadlines(Waits of) => new(effect => effect is Effect.SetDeadline { Deadline.For: var waits } && waits == of);

    /// <summary>A defect shows itself in more than one way; one seed must fail for the reason that the promise it breaks has in the audit.</summary>
    /// <param name="reason">Part of the failure's sentence.</param>
    private void IsCaught(RigMaker defect, string reason)
    {
        var others = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (ulong seed = 1; seed <= SeedsMax && others.Values.Sum() < OtherReasonsMax; seed++)
        {
            if (Trial.Of(Scenario.Of(seed), defect).Failure is not { } failure)
            {
                continue;
            }

            string sentence = failure.Split('\n')[0];
            if (sentence.Contains(reason, StringComparison.Ordinal))
            {
                output.WriteLine($"Seed {seed}: {sentence}");
                return;
            }

            string shape = string.Concat(sentence.Take(120).Select(c => char.IsAsciiDigit(c) ? '#' : c));
            others[shape] = others.GetValueOrDefault(shape) + 1;
        }

        Assert.Fail($"No seed fails because '{reason}':\n{string.Join('\n', others.Select(other => $"{other.Value} times: {other.Key}"))}");
    }
}
