using System.Text.Json.Nodes;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class FailingRewardTests : IDisposable
{
    private readonly TinyRun tiny = new();

    public void Dispose() => tiny.Dispose();

    [Fact]
    public async Task A_reward_that_times_out_is_recorded_and_counted_and_the_run_goes_on()
    {
        tiny.Overrides.Add(("rewards.even.timeout", "1"));
        tiny.Even = async (x, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop);
            return 1;
        };
        tiny.Overrides.AddRange([("phases.grpo.keep_unscorable", "true"), ("reward_failures_max", "0")]);
        Outcome outcome = await tiny.Train();
        Assert.Equal(5 * 3 * 4, outcome.Result.OutcomesByTiming);
        Assert.All(Outcomes(0), x => Assert.IsType<ScoreOutcome.TimedOut>(x));
    }

    [Fact]
    public async Task A_reward_that_throws_or_returns_NaN_is_a_fault_and_never_a_number()
    {
        int call = 0;
        tiny.Even = (x, _) => Interlocked.Increment(ref call) % 2 == 0 ? throw new InvalidOperationException("no such column") : ValueTask.FromResult<float?>(float.NaN);
        tiny.Overrides.AddRange([("phases.grpo.keep_unscorable", "true"), ("rewards.even.retries", "0"), ("reward_failures_max", "0")]);
        Outcome outcome = await tiny.Train();
        Assert.Equal(0, outcome.Result.OutcomesByTiming);
        string[] reasons = [.. Outcomes(0).Cast<ScoreOutcome.Faulted>().Select(fault => fault.Reason)];
        Assert.Contains("even threw InvalidOperationException: no such column", reasons);
        Assert.Contains("even returned NaN, which is no finite number.", reasons);
        Assert.All(tiny.Events().OfType<RunEvent.CompletionsScored>().SelectMany(e => e.Completions), scored => Assert.Null(scored.Reward([1, 1])));
    }

    [Fact]
    public async Task A_retry_that_succeeds_leaves_no_trace_in_the_result()
    {
        using var undisturbed = new TinyRun();
        string expected = (await undisturbed.Train()).Hashes;
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        var usual = tiny.Even;
        tiny.Overrides.Add(("rewards.even.retries", "20"));
        undisturbed.Overrides.Add(("rewards.even.retries", "20"));
        tiny.Even = (x, stop) => seen.TryAdd($"{x.Prompt}{x.Completion}", true) ? throw new IOException("connection reset") : usual(x, stop); // each, at its first call
        Outcome outcome = await tiny.Train();
        Assert.NotEmpty(seen);
        Assert.Equal(expected.Split(' ')[0], outcome.Hashes.Split(' ')[0]);
        Assert.Equal(0, outcome.Result.OutcomesByTiming);
    }

    [Fact]
    public async Task Where_the_plan_says_so_a_failing_reward_stops_the_run_by_name_and_the_run_can_go_on_later()
    {
        var usual = tiny.Even;
        tiny.Overrides.Add(("on_reward_failure", "stop"));
        int call = 0;
        tiny.Even = (x, stop) => Interlocked.Increment(ref call) > 30 ? throw new IOException("the judge is down") : usual(x, stop);
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.Matches(@"^Reward even failed on completion 1\.p\.\S+: even threw IOException: the judge is down$", failure.Message);
        tiny.Even = usual;
        Assert.Equal(7, (await tiny.Train()).Steps[^1].RunStep);
        Assert.Equal(0, tiny.Events().OfType<RunEvent.CompletionsScored>().SelectMany(e => e.Completions).SelectMany(c => c.Outcomes).Count(o => o is ScoreOutcome.Faulted));
    }

    [Fact]
    public async Task A_stuck_completion_is_recorded_once_and_leaves_the_others_their_scores()
    {
        var time = new SteppedTime();
        tiny.Time = time;
        tiny.Overrides.AddRange([("rewards.even.timeout", "60"), ("rewards.even.retries", "1"), ("phases.grpo.keep_unscorable", "true")]);
        var usual = tiny.Even;
        tiny.Even = async (x, stop) =>
        {
            if (x.Completion.StartsWith('1'))
            {
                await Task.Delay(Timeout.Infinite, stop);
            }

            return await usual(x, stop);
        };
        time.Go();
        Outcome outcome = await tiny.Train();
        time.Stop();
        ScoreOutcome[] all = [.. Outcomes(0)];
        Assert.Equal(5 * 3 * 4, all.Length);
        Assert.InRange(outcome.Result.OutcomesByTiming, 1, all.Length - 1);
        Assert.Equal(outcome.Result.OutcomesByTiming, all.Count(x => x == new ScoreOutcome.TimedOut(TimeSpan.FromSeconds(60))));
        Assert.All(all, x => Assert.True(x is ScoreOutcome.Scored or ScoreOutcome.TimedOut));
    }

    [Fact]
    public async Task A_reward_that_never_scores_is_told_at_once_and_stops_the_run_which_goes_on_once_it_is_mended()
    {
        var usual = tiny.Even;
        tiny.Overrides.AddRange([("phases.grpo.keep_unscorable", "true"), ("reward_failures_max", "2"), ("rewards.even.retries", "0")]);
        tiny.Even = (_, _) => throw new IOException("no such table");
        var lines = new List<string>();
        var pace = new RecentPace();
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train(step =>
        {
            lines.Add(StepLine.Of(step, pace));
            if (step.Phase == "grpo")
            {
                Assert.Equal(12, step["rewards/even/failed"]);
                Assert.Equal(0, step["rewards/even/abstained"]);
                Assert.Equal(1, step[StepOutputs.NoAdvantage]);
            }
        }));
        Assert.Matches(
            @"^Reward ""even"" has not scored one completion in 2 steps in a row \(reward_failures_max\): it failed on 12 of the last step's 12 completions, on data row \d+: even threw IOException: no such table\. Mend it",
            failure.Message);
        Assert.Single(tiny.Log.Lines, line => line.StartsWith("Warning: Reward \"even\" failed on data row ", StringComparison.Ordinal));
        Assert.Contains("even failed 12/12", lines[^1]);

        tiny.Even = usual;
        Outcome mended = await tiny.Train();
        Assert.Equal(7, mended.Steps[^1].RunStep);
        RewardTally tally = Assert.Single(mended.Result.Rewards, reward => reward.Name == "even").Tally;
        Assert.Equal((3 * 12, 0, 2 * 12), (tally.Scored, tally.Abstained, tally.Failed));
        Assert.Contains(ResultText.Lines(mended.Result), line => line.StartsWith("failed     even: 24 of 60, first on data row ", StringComparison.Ordinal));
        JsonNode json = JsonNode.Parse(ResultText.Json(mended.Result))!["rewards"]!["even"]!;
        Assert.Equal(24, json["failed"]!.GetValue<long>());
        Assert.Equal("even threw IOException: no such table", json["firstFailure"]!["reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task Rewards_that_all_abstain_stop_the_run()
    {
        tiny.Overrides.AddRange([("phases.grpo.keep_unscorable", "true"), ("reward_failures_max", "2")]);
        tiny.Even = (_, _) => ValueTask.FromResult<float?>(null);
        tiny.OnlyEven();
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.Contains("it abstained on all 12 completions of the last step: no row has what it needs", failure.Message);
        Assert.Single(tiny.Log.Lines, line => line.Contains("abstained on all 12 completions of step", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reward_that_applies_to_no_row_so_far_stops_nothing_while_another_scores()
    {
        tiny.Overrides.Add(("reward_failures_max", "1"));
        tiny.Even = (_, _) => ValueTask.FromResult<float?>(null);
        Outcome outcome = await tiny.Train();
        Assert.Equal(7, outcome.Steps[^1].RunStep);
        Assert.Contains(ResultText.Lines(outcome.Result), line => line.StartsWith("abstained  even: always", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Steps_whose_advantages_are_all_0_count_as_empty()
    {
        tiny.Overrides.AddRange([("empty_steps_max", "1"), ("phases.grpo.drop_zero_spread", "false")]);
        tiny.Even = (_, _) => ValueTask.FromResult<float?>(1);
        tiny.OnlyEven();
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.TooManyEmptySteps, outcome.Result.End);
        Assert.Equal(2, outcome.Steps.Count(step => step.Phase == "grpo"));
    }

    private IEnumerable<ScoreOutcome> Outcomes(int reward) =>
        tiny.Events().OfType<RunEvent.CompletionsScored>().SelectMany(e => e.Completions).Select(scored => scored.Outcomes[reward]);
}
