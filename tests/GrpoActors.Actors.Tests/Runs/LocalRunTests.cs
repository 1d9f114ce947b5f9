using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class LocalRunTests : IDisposable
{
    private readonly TinyRun undisturbed = new();
    private readonly TinyRun tiny = new();

    public void Dispose()
    {
        undisturbed.Dispose();
        tiny.Dispose();
    }

    [Fact]
    public async Task A_run_reports_each_step_once_and_ends_with_a_result()
    {
        Outcome outcome = await tiny.Train();
        Assert.Equal([1, 2, 3, 4, 5, 6, 7], outcome.Steps.Select(step => step.RunStep));
        Assert.Equal(RunEnd.Completed, outcome.Result.End);
        Assert.Equal(5, outcome.Result.Steps);
        Assert.Equal(0, outcome.Result.OutcomesByTiming);
        Assert.True(outcome.Result.Exact);
        Assert.NotNull(outcome.Result.AccuracyBefore);
        Assert.NotNull(outcome.Result.AccuracyAfter);
        Assert.DoesNotContain(tiny.Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_generator_that_crashes_is_started_again_and_the_result_is_the_same()
    {
        string expected = (await undisturbed.Train()).Hashes;
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeSample = k => Crash(k is 2 or 5 or 6, "the sampler broke") };
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.Equal(3, tiny.Log.Lines.Count(line => line.Contains("the sampler broke", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_trainer_that_crashes_is_built_again_and_the_result_is_the_same()
    {
        string expected = (await undisturbed.Train()).Hashes;
        tiny.Overrides.Add(("save_steps", "100")); // so that it trains again from the journal
        int crashes = 0;
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeUpdate = k => Crash(k is 1 or 6 or 10 && ++crashes <= 3, "the trainer broke") };
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.Equal(3, tiny.Log.Lines.Count(line => line.Contains("the trainer broke", StringComparison.Ordinal)));
        Assert.Contains(tiny.Log.Lines, line => line.Contains("again from the journal", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_trainer_that_crashes_while_the_next_steps_are_sampled_ends_with_the_same_result(int lag)
    {
        (string, string)[] overrides = [("lag", $"{lag}"), ("phases.grpo.num_iterations", "2"), ("phases.grpo.drop_zero_spread", "true"), ("phases.grpo.refill", "2"), ("phases.grpo.beta", "0.1")];
        undisturbed.Overrides.AddRange(overrides);
        tiny.Overrides.AddRange(overrides);
        string expected = (await undisturbed.Train()).Hashes;
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeUpdate = k => Crash(k is 4 or 9, "the trainer broke") };
        Assert.Equal(expected, (await tiny.Train()).Hashes);
    }

    [Fact]
    public async Task A_worker_that_fails_again_and_again_stops_the_run_in_one_sentence_and_the_state_is_intact()
    {
        string expected = (await undisturbed.Train()).Hashes;
        FaultyEngine? engine = null;
        tiny.Engine = real => engine = new FaultyEngine(real) { BeforeUpdate = k => Crash(k > 4, "no room on the device") };
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.Equal("trainer failed 4 times, the last time with: no room on the device", failure.Message);
        Assert.Equal(0, engine!.Open);
        tiny.Engine = real => real;
        Outcome resumed = await tiny.Train();
        Assert.Equal(expected, resumed.Hashes);
        Assert.True(resumed.Steps[0].RunStep > 1);
    }

    [Fact]
    public async Task A_run_that_is_cancelled_resumes_to_the_same_hashes_and_leaves_no_worker_behind()
    {
        Outcome whole = await undisturbed.Train();
        FaultyEngine? engine = null;
        tiny.Engine = real => engine = new FaultyEngine(real);
        int reported = 0;
        foreach (int until in new[] { 1, 3, 4, 6 })
        {
            reported += await tiny.StopAfter(until);
            Assert.Equal(0, engine!.Open);
        }

        Outcome last = await tiny.Train();
        Assert.Equal(whole.Hashes, last.Hashes);
        Assert.True(reported + last.Steps.Count <= 7); // a step committed while the run was stopping is in metrics.jsonl, and is reported once at most
        string Metrics(TinyRun run) => string.Join('\n', File.ReadLines(Path.Combine(run.Folder, "metrics.jsonl")).Select(line => System.Text.RegularExpressions.Regex.Replace(line, "\"step_time\":[^,}]*", "")));
        Assert.Equal(Metrics(undisturbed), Metrics(tiny));
    }

    [Fact]
    public async Task A_trainer_that_comes_back_after_another_process_went_on_ends_the_run_and_trains_nothing()
    {
        int last = 0;
        tiny.Engine = engine => new FaultyEngine(engine)
        {
            BeforeUpdate = k =>
            {
                last = k;
                if (k == 4)
                {
                    tiny.Journal.Append(tiny.Events()[^1]);
                    Crash(true, "the trainer broke");
                }
            },
        };
        var overtaken = await Assert.ThrowsAsync<StaleWriterException>(() => tiny.Train());
        Assert.StartsWith("Another process has gone on with the journal", overtaken.Message, StringComparison.Ordinal);
        Assert.Equal(4, last);
    }

    [Fact]
    public async Task A_caller_that_leaves_the_stream_early_leaves_nothing_running()
    {
        string expected = (await undisturbed.Train()).Hashes;
        FaultyEngine? engine = null;
        tiny.Engine = real => engine = new FaultyEngine(real);
        using (var setup = tiny.Setup())
        using (RunFolder folder = RunFolder.Open(tiny.Folder))
        {
            await foreach (StepReport _ in tiny.Run(setup, folder).TrainAsync(CancellationToken.None))
            {
                break;
            }

            Assert.Equal(0, engine!.Open);
        }

        Assert.Equal(expected, (await tiny.Train()).Hashes);
    }

    [Fact]
    public async Task A_finished_run_opened_again_yields_its_result_and_no_step()
    {
        Outcome first = await tiny.Train();
        tiny.Engine = real => new FaultyEngine(real) { BeforeSample = _ => throw new InvalidOperationException("sampled again"), BeforeUpdate = _ => throw new InvalidOperationException("trained again") };
        Outcome second = await tiny.Train();
        Assert.Empty(second.Steps);
        Assert.Equal(ResultText.Json(first.Result with { Seconds = 0 }), ResultText.Json(second.Result with { Seconds = 0 }));
    }

    [Fact]
    public async Task Arrival_order_runs_to_its_end()
    {
        tiny.Overrides.AddRange([("order", "arrival"), ("lag", "1"), ("phases.grpo.drop_zero_spread", "true")]);
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.Completed, outcome.Result.End);
        Assert.Equal(7, outcome.Steps.Count);
        Assert.All(outcome.Steps, step => Assert.True((step.Lag ?? 0) <= 1));
    }

    [Fact]
    public async Task An_evaluation_is_journalled_before_the_step_after_it_is_committed()
    {
        Outcome outcome = await tiny.Train();
        List<RunEvent> events = tiny.Events();
        foreach (RunEvent.Evaluated evaluated in events.OfType<RunEvent.Evaluated>())
        {
            int at = events.IndexOf(evaluated);
            Assert.DoesNotContain(events.Take(at), e => e is RunEvent.StepCommitted x && x.Inputs.Step >= evaluated.Version.Steps);
        }

        Assert.Equal([2, 4, 6, 7], events.OfType<RunEvent.Evaluated>().Select(e => e.Version.Steps)); // phase start, every 2 steps, phase end
        Assert.Equal([3, 5, 7], outcome.Steps.Where(step => step.Evaluation is not null).Select(step => step.RunStep));
    }

    [Fact]
    public async Task A_second_grpo_phase_resumes_from_the_checkpoint_at_its_start()
    {
        (string, string)[] overrides = [("save_steps", "100")];
        foreach (TinyRun run in new[] { undisturbed, tiny })
        {
            run.Overrides.AddRange(overrides);
            run.AddPhase("""{ "name": "more", "kind": "grpo", "data": "prompts.jsonl", "steps": 3, "groups_per_step": 2, "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2, "beta": 0.5, "reset_optimizer": true }""");
        }

        string expected = (await undisturbed.Train()).Hashes;
        await tiny.StopAfter(8);
        Assert.Equal(expected, (await tiny.Train()).Hashes);
    }

    [Fact]
    public async Task A_run_that_ends_early_names_the_weights_it_ended_with()
    {
        tiny.Overrides.AddRange([("phases.grpo.drop_zero_spread", "true"), ("empty_steps_max", "0"), ("save_steps", "100")]);
        tiny.Even = (x, _) => ValueTask.FromResult<float?>(0);
        tiny.Overrides.Add(("rewards.answer.weight", "0"));
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.TooManyEmptySteps, outcome.Result.End);
        var last = tiny.Events().OfType<RunEvent.CheckpointWritten>().Last();
        Assert.Equal(outcome.Steps[^1].RunStep, last.Step);
        Assert.Equal(last.WeightsSha256, outcome.Result.WeightsSha256);
    }

    [Fact]
    public async Task A_number_that_is_not_finite_ends_the_run_by_name_and_nothing_is_learned_from_the_step()
    {
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeUpdate = k => { if (k == 5) { throw new GrpoActors.Engine.NotFiniteException("The norm of the gradient is NaN."); } } };
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.SentinelTripped, outcome.Result.End);
        Assert.Equal(4, outcome.Steps[^1].RunStep);
        Assert.Contains(tiny.Log.Lines, line => line.StartsWith("Warning: Step 5 cannot be trained: The norm of the gradient is NaN. It came from groups 1.p.", StringComparison.Ordinal));
    }

    private static void Crash(bool now, string why)
    {
        if (now)
        {
            throw new InvalidOperationException(why);
        }
    }
}
