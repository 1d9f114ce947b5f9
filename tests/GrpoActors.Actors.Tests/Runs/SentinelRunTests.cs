using System.Globalization;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>Sentinels from the run file to the weights.</summary>
public sealed class SentinelRunTests : IDisposable
{
    private readonly TinyRun plain = new();
    private readonly TinyRun undisturbed = new();
    private readonly TinyRun tiny = new();

    public void Dispose()
    {
        plain.Dispose();
        undisturbed.Dispose();
        tiny.Dispose();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 2)]
    public async Task A_run_that_rolled_back_was_stopped_and_resumed_ends_with_the_same_hashes(int lag, int rollbackSteps)
    {
        await Watch("rollback", ("lag", $"{lag}"), ("sentinels.rollback_steps", $"{rollbackSteps}"), ("phases.grpo.steps", "9"));
        Outcome expected = await undisturbed.Train();
        RunEvent.RolledBack rollback = undisturbed.Events().OfType<RunEvent.RolledBack>().First();
        Assert.Equal(0.5, rollback.LearningRateScale);
        Assert.StartsWith("the mean length of completions", rollback.Reason, StringComparison.Ordinal);
        Assert.All(undisturbed.Events().OfType<RunEvent.StepCommitted>().Where(e => e.Inputs.Step > rollback.Step), e => Assert.True(e.Inputs.Adaptive.LearningRateScale <= 0.5));
        foreach (int until in (int[])[3, 4, 5, 7, 9])
        {
            await tiny.StopAfter(until);
        }

        Assert.Equal(expected.Hashes, (await tiny.Train()).Hashes);
        Assert.Equal(undisturbed.Events().OfType<RunEvent.RolledBack>(), tiny.Events().OfType<RunEvent.RolledBack>());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_run_that_a_sentinel_ends_names_the_weights_of_where_it_ended(int lag)
    {
        await Watch("stop", ("lag", $"{lag}"), ("save_steps", "100"), ("phases.grpo.steps", "9"));
        Outcome outcome = await undisturbed.Train();
        Assert.Equal(RunEnd.SentinelTripped, outcome.Result.End);
        Assert.StartsWith("the mean length of completions", outcome.Result.Reason, StringComparison.Ordinal);
        RunEvent.RunEnded ended = Assert.Single(undisturbed.Events().OfType<RunEvent.RunEnded>());
        RunEvent.CheckpointWritten last = undisturbed.Events().OfType<RunEvent.CheckpointWritten>().Last();
        Assert.Equal((ended.Step, ended.Step), (last.Step, outcome.Steps[^1].RunStep));
        Assert.Equal(last.WeightsSha256, outcome.Result.WeightsSha256);

        // The same weights as a run without sentinels had at that step.
        plain.Overrides.Add(("save_steps", "1"));
        await plain.Train();
        Assert.Equal(plain.Events().OfType<RunEvent.CheckpointWritten>().First(e => e.Step == ended.Step).WeightsSha256, outcome.Result.WeightsSha256);
        Assert.Equal(ResultText.Json(outcome.Result with { Seconds = 0 }), ResultText.Json((await undisturbed.Train()).Result with { Seconds = 0 }));
    }

    [Fact]
    public async Task A_gradient_that_is_not_finite_rolls_back_where_the_run_file_says_so()
    {
        tiny.Overrides.Add(("sentinels.not_finite", "rollback"));
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeUpdate = k => { if (k == 5) { throw new GrpoActors.Engine.NotFiniteException("The norm of the gradient is NaN."); } } };
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.Completed, outcome.Result.End);
        RunEvent.RolledBack rollback = Assert.Single(tiny.Events().OfType<RunEvent.RolledBack>());
        Assert.Equal((4L, 2L), (rollback.Step, rollback.To));
    }

    /// <summary>Sets a bound on the mean length that one grpo step of the unwatched run exceeds.</summary>
    private async Task Watch(string policy, params (string Key, string Value)[] overrides)
    {
        plain.Overrides.AddRange(overrides.Where(o => o.Key is not "save_steps" && !o.Key.StartsWith("sentinels", StringComparison.Ordinal)));
        double[] lengths = [.. (await plain.Train()).Steps.Select(step => step.MeanLength).OfType<double>()];
        double[] longest = [.. lengths.Skip(1).Distinct().OrderDescending()];
        string threshold = ((longest[0] + longest[1]) / 2 / lengths[0]).ToString("R", CultureInfo.InvariantCulture);
        foreach (TinyRun run in (TinyRun[])[undisturbed, tiny])
        {
            run.Overrides.AddRange(overrides);
            run.Overrides.AddRange([("sentinels.length_blow_up.threshold", threshold), ("sentinels.length_blow_up.policy", policy), ("sentinels.rollbacks_max", "20")]);
        }

        Directory.Delete(plain.Folder, recursive: true);
    }
}
