using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Completions;

namespace GrpoActors.Rewards.Tests;

public sealed class RewardCallTests
{
    private static readonly RewardInput Input = new("2+2=", "4", "4", ImmutableSortedDictionary<string, JsonElement>.Empty, 2, false);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(3);

    [Fact]
    public async Task A_finite_score_is_scored() =>
        Assert.Equal(new ScoreOutcome.Scored(-0.5f), await Run(_ => -0.5f));

    [Fact]
    public async Task Nothing_is_an_abstention_not_zero() =>
        Assert.IsType<ScoreOutcome.Abstained>(await Run(_ => null));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public async Task What_is_no_finite_number_is_a_fault(float score)
    {
        var fault = Assert.IsType<ScoreOutcome.Faulted>(await Run(_ => score));
        Assert.Contains("no finite number", fault.Reason);
    }

    [Fact]
    public async Task An_exception_is_a_fault_that_says_what_was_thrown_in_one_line()
    {
        var fault = Assert.IsType<ScoreOutcome.Faulted>(await Run(_ => throw new InvalidOperationException("no\nsuch " + new string('x', 1000))));
        Assert.StartsWith("mine threw InvalidOperationException: no such xxx", fault.Reason);
        Assert.InRange(fault.Reason.Length, 1, 301);
        Assert.DoesNotContain('\n', fault.Reason);
    }

    [Fact]
    public async Task A_time_out_of_the_rewards_own_is_a_fault() =>
        Assert.IsType<ScoreOutcome.Faulted>(await Run(_ => throw new TimeoutException("upstream")));

    [Fact]
    public async Task A_cancellation_of_the_rewards_own_is_a_fault() =>
        Assert.IsType<ScoreOutcome.Faulted>(await Run(_ => throw new OperationCanceledException()));

    [Fact]
    public async Task A_reward_that_waits_is_cancelled_at_its_deadline()
    {
        var time = new ManualTime();
        var cancelled = new TaskCompletionSource();
        var waiting = new DelegateReward("mine", 1, async (_, cancellation) =>
        {
            cancellation.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, cancellation);
            return 1;
        });
        Task<ScoreOutcome> call = RewardCall.Run(waiting, Input, Deadline, time, CancellationToken.None);
        await time.Armed;
        time.PassAllDeadlines();
        Assert.Equal(new ScoreOutcome.TimedOut(Deadline), await call);
        await cancelled.Task;
    }

    [Fact]
    public async Task A_reward_that_never_yields_holds_nobody_up()
    {
        var time = new ManualTime();
        using var release = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        Task<ScoreOutcome> call = RewardCall.Run(
            new DelegateReward("mine", 1, _ =>
            {
                begun.Set();
                release.Wait();
                return 1;
            }),
            Input, Deadline, time, CancellationToken.None);
        begun.Wait();
        await time.Armed;
        time.PassAllDeadlines();
        Assert.Equal(new ScoreOutcome.TimedOut(Deadline), await call);
        release.Set();
    }

    [Fact]
    public async Task Giving_up_is_no_outcome()
    {
        using var cancellation = new CancellationTokenSource();
        Task<ScoreOutcome> call = RewardCall.Run(
            new DelegateReward("mine", 1, async (_, token) =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return 1;
            }),
            Input, Deadline, new ManualTime(), cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task A_pattern_that_backtracks_without_end_is_late_not_wrong()
    {
        // The look-ahead forces backtracking; the match itself ends only at the limit.
        IReward reward = RewardRegistry.BuiltIn.Make("regex_format", """{"pattern":"(?=x)(x+x+)+y"}""").Reward!;
        ScoreOutcome outcome = await RewardCall.Run(
            reward, Input with { Completion = new string('x', 5000) }, TimeSpan.FromMinutes(1), new ManualTime(), CancellationToken.None);
        Assert.Equal(new ScoreOutcome.TimedOut(RewardSettings.BacktrackingMax), outcome);
    }

    private static Task<ScoreOutcome> Run(Func<RewardInput, float?> score) =>
        RewardCall.Run(new DelegateReward("mine", 1, score), Input, Deadline, new ManualTime(), CancellationToken.None);
}
