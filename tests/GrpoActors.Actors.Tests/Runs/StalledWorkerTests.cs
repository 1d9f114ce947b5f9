using System.Globalization;
using System.Text.RegularExpressions;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Workers;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>
/// Promise 5: a worker that stops where it stands is reported by its deadline, with what is waited for and the ids it holds; the run goes on without it where another of its kind is
/// there, or when it wakes; and ends with the same hashes. GRPO_STALLS=200 makes so many trials.
/// </summary>
public sealed class StalledWorkerTests(ITestOutputHelper output)
{
    /// <param name="Point">Where it stands still: its answer is ready and not yet sent.</param>
    /// <param name="Times">How often an undisturbed run gets there, at least.</param>
    /// <param name="Diagnosis">What the log must say.</param>
    /// <param name="Replaced">The run comes to its last step without it.</param>
    private sealed record Stall(string Worker, string Point, int Times, string Diagnosis, int Generators = 1, bool Replaced = false);

    private static readonly Stall[] Kinds =
    [
        new("the only generator", "post CompletionsArrived", 15, @"^Warning: No word within its deadline of Ticket generator-1 \(attempt \d+\), which holds (1\.p\.\d+(, )?)+; asked again"),
        new("one of two generators", "post CompletionsArrived", 15, @"^Warning: No word within its deadline of Ticket generator-[12] \(attempt \d+\), which holds (1\.p\.\d+(, )?)+; asked again", Generators: 2, Replaced: true),
        new("one of two scorers", "post ScoreArrived", 30, @"^Warning: No word within its deadline of Score 1\.p\.\d+ (even|answer) try \d+ \(attempt \d+\); asked again", Replaced: true),
        new("the trainer", "post BatchTrained", 7, @"^Warning: No word within its deadline of Training (step )?\d+ \(attempt \d+\); asked again"),

        // On the training thread. It may stand at an answer that it gives twice: then the checkpoint is in hand, and the next step is what is waited for.
        new("the writer of checkpoints", "post CheckpointDone", 4, @"^Warning: No word within its deadline of (Checkpoint|Training) (step )?\d+ \(attempt \d+\); asked again"),
        new("the evaluator", "post EvaluationDone", 4, @"^Warning: No word within its deadline of Evaluation v?\d+ \(attempt \d+\); asked again"),
    ];

    /// <summary>A reward in hand runs out of time too while the clock goes, and is tried again. A checkpoint has longer: it waits for the real disk, and whoever is asked again writes it again. Nobody gives up: who is slow on a busy machine is not silent.</summary>
    private static readonly (string, string)[] Settings =
    [
        ("rewards.even.timeout", "5m"), ("rewards.answer.timeout", "5m"), ("rewards.even.retries", "20"), ("rewards.answer.retries", "20"),
        ("deadlines.training", "2m"), ("deadlines.checkpoint", "20m"), ("deadlines.evaluation", "2m"), ("deadlines.asked_max", "1000"),
    ];

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task A_stalled_worker_is_named_with_what_it_holds_and_the_run_goes_on()
    {
        int trials = int.TryParse(Environment.GetEnvironmentVariable("GRPO_STALLS"), NumberStyles.None, CultureInfo.InvariantCulture, out int asked) ? asked : Kinds.Length;
        using var undisturbed = new TinyRun();
        undisturbed.Overrides.AddRange(Settings);
        string expected = (await undisturbed.Train()).Hashes;
        var random = new Random(20260);
        for (int trial = 0; trial < trials; trial++)
        {
            Stall stall = Kinds[trial % Kinds.Length];
            string point = $"{stall.Point}#{random.Next(1, stall.Times + 1)}";
            try
            {
                Assert.Equal(expected, await Hashes(stall, point));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Trial {trial}, {stall.Worker} at {point}: {e.Message}", e);
            }
        }

        output.WriteLine($"{trials} trials: {string.Join(", ", Kinds.Select((kind, i) => $"{kind.Worker} {(trials - i + Kinds.Length - 1) / Kinds.Length}"))}; same hashes, no hang");
    }

    /// <summary>Kinds of which there is one, so that nobody takes its place.</summary>
    [Theory]
    [InlineData("post CompletionsArrived#3", "GeneratorPool waits for a generator that asks for work (holds ")]
    [InlineData("post BatchTrained#3", "GroupAggregator waits for training (holds step ")]
    [InlineData("post CheckpointDone#3", "Learner waits for a checkpoint (holds step ")]
    [InlineData("post EvaluationDone#2", "Learner waits for an evaluation (holds v")]
    public async Task A_worker_that_never_wakes_stops_the_run_which_says_what_it_waits_for_and_resumes_without_it(string point, string waits)
    {
        using var undisturbed = new TinyRun();
        undisturbed.Overrides.AddRange(Settings);
        string expected = (await undisturbed.Train()).Hashes;
        var time = new SteppedTime();
        using var wake = new ManualResetEventSlim();
        using var tiny = new TinyRun
        {
            Overrides = { ("generators", "1") },
            Time = time,
            CrashPoints = Standing(point, time, wake),
        };
        tiny.Overrides.AddRange([.. Settings, ("deadlines.asked_max", "3"), ("deadlines.checkpoint", point.Contains("Checkpoint", StringComparison.Ordinal) ? "2m" : "20m")]);
        var stopped = await Assert.ThrowsAnyAsync<RunFailedException>(() => tiny.Train());
        time.Stop();
        Assert.StartsWith("Asked 3 times for ", stopped.Message, StringComparison.Ordinal);
        Assert.Contains(waits, stopped.Message, StringComparison.Ordinal);
        Assert.Contains(tiny.Log.Lines, line => line.EndsWith("left behind", StringComparison.Ordinal));
        tiny.CrashPoints = CrashPoints.None;
        tiny.Time = new HurriedTime();
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        wake.Set();
    }

    [Theory]
    [InlineData("post CompletionsArrived#3", "generator-")]
    [InlineData("post ScoreArrived#5", "scorer-")]
    public async Task A_run_ends_although_one_of_two_never_wakes(string point, string leftBehind)
    {
        using var undisturbed = new TinyRun();
        undisturbed.Overrides.AddRange(Settings);
        string expected = (await undisturbed.Train()).Hashes;
        var time = new SteppedTime();
        using var wake = new ManualResetEventSlim();
        using var tiny = new TinyRun
        {
            Time = time,
            CrashPoints = Standing(point, time, wake),
        };
        tiny.Overrides.AddRange(Settings);
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        time.Stop();
        Assert.Contains(tiny.Log.Lines, line => line.Contains($"No word from {leftBehind}", StringComparison.Ordinal) && line.EndsWith("left behind", StringComparison.Ordinal));
        wake.Set();
    }

    /// <summary>Who comes to this point stands still until it is woken, and the clock begins to go.</summary>
    private static CrashPoints Standing(string point, SteppedTime time, ManualResetEventSlim wake) => CrashPoints.Parse(point, _ =>
    {
        time.Go();
        wake.Wait();
    });

    private static async Task<string> Hashes(Stall stall, string point)
    {
        var time = new SteppedTime();
        using var wake = new ManualResetEventSlim();
        var diagnosed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var tiny = new TinyRun
        {
            Overrides = { ("generators", $"{stall.Generators}") },
            Time = time,
            CrashPoints = Standing(point, time, wake),
        };
        tiny.Overrides.AddRange(Settings);
        tiny.Log.Heard = line =>
        {
            if (Regex.IsMatch(line, stall.Diagnosis, RegexOptions.CultureInvariant, Regex.InfiniteMatchTimeout))
            {
                diagnosed.TrySetResult();
            }
        };
        Task<Outcome> run = Task.Run(() => tiny.Train(step =>
        {
            if (stall.Replaced && step.RunStep == 7)
            {
                wake.Set();
            }
        }));
        try
        {
            await Task.WhenAny(run, diagnosed.Task).WaitAsync(Patience);
            if (!diagnosed.Task.IsCompleted)
            {
                await run.WaitAsync(Patience);
                Assert.Fail($"the run ended without a word, but with:\n{string.Join('\n', tiny.Log.Lines)}");
            }

            if (!stall.Replaced)
            {
                wake.Set();
            }

            return (await run.WaitAsync(Patience)).Hashes;
        }
        finally
        {
            time.Stop(); // whatever became of it: nothing of this run goes on beside the next test
            wake.Set();
        }
    }
}
