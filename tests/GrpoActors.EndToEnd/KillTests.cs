using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>
/// Promise 1: killed at any instant, the same command ends with the same bits. Each kill is a SIGKILL that the process sends itself at the k-th time
/// a named point is reached. GRPO_KILLS=30 runs the long form, which ends there: ChaosTests kills more often, in a smaller run.
/// </summary>
public sealed class KillTests
{
    private const int Seed = 20260;

    private static readonly string[] Plain = ["--set", "phases.sft.steps=12", "--set", "phases.grpo.steps=12", "--set", "empty_steps_max=12", "--set", "checkpoint_steps=4", "--set", "evaluation.every=5"];

    /// <summary>All that an objective carries from step to step: two coefficients and a reference.</summary>
    private static readonly string[] Moving =
    [
        "--set", "phases.grpo.target_kl=0.01", "--set", "phases.grpo.horizon=2000", "--set", "phases.grpo.sync_ref_model=true", "--set", "phases.grpo.ref_model_sync_steps=3",
        "--set", "phases.grpo.use_adaptive_entropy=true", "--set", "phases.grpo.entropy_coef=0.001", "--set", "phases.grpo.entropy_target=3",
    ];

    private static readonly string[] Wide =
    [
        .. Plain, .. Moving, "--set", "lag=1", "--set", "phases.grpo.num_iterations=2", "--set", "phases.grpo.mini_batches=2", "--set", "phases.grpo.beta=0.02", "--set", "phases.grpo.drop_zero_spread=true",
        "--set", "phases.grpo.refill=2",
    ];

    /// <summary>What each moment is called, the crash points that belong to it, and how often a point is passed before it kills: about one to three steps' worth.</summary>
    private static readonly (string Moment, (string Point, int From, int To)[] Points)[] Moments =
    [
        ("warm start", [("post BatchTrained", 2, 3), ("effect TrainBatch", 2, 3), ("appended StepCommitted", 2, 3)]),
        ("sampling", [("effect SendTickets", 2, 3), ("post Progress", 3, 20), ("post CompletionsArrived", 33, 80)]),
        ("scoring", [("effect RunScorer", 70, 200), ("post ScoreArrived", 70, 200), ("append CompletionsScored", 2, 5)]),
        ("committing", [("append StepCommitted", 2, 3), ("appended StepCommitted", 2, 3), ("effect PublishVersion", 2, 3)]),
        ("checkpointing", [("flush", 1, 6), ("rename", 1, 2), ("rename done", 1, 2), ("post CheckpointDone", 1, 2)]),
    ];

    [Fact]
    public void A_run_killed_at_every_kind_of_moment_ends_with_the_hashes_of_the_undisturbed_one() => KillAndCompare(Plain, Kills(5));

    [Fact]
    public void So_does_one_with_lag_several_updates_a_step_refill_moving_coefficients_and_a_moving_reference() => KillAndCompare(Wide, Kills(5));

    private static int Kills(int usual) => int.TryParse(Environment.GetEnvironmentVariable("GRPO_KILLS"), out int kills) ? Math.Min(kills, 30) : usual;

    private static void KillAndCompare(string[] options, int kills)
    {
        using var scratch = new Scratch();
        string undisturbed = Grpo.Hashes(Grpo.Train(scratch["undisturbed"], options));
        var left = new Queue<(string Moment, string Point)>(Planned(kills));
        int progressed = 0;
        for (int run = 1; left.Count > 0; run++)
        {
            string folder = scratch[$"killed-{run}"];
            int steps = 0, killedHere = 0;
            while (left.TryPeek(out var next))
            {
                Finished finished = Grpo.Run(["train", Grpo.Recipe, "--run-dir", folder, "--json", .. options], ("GRPO_CRASH_AT", next.Point));
                if (finished.ExitCode == 0)
                {
                    break; // ended before the point was reached: another folder
                }

                Assert.True(finished.ExitCode == 137, $"Expected SIGKILL in {next.Moment} at {next.Point}, but grpo ended with {finished.ExitCode}:\n{finished.Error}");
                left.Dequeue();
                killedHere++;
                int now = Steps(folder);
                progressed += now > steps ? 1 : 0;
                steps = now;
            }

            Assert.True(killedHere > 0, "The next crash point is never reached.");
            Assert.Equal(undisturbed, Grpo.Hashes(Grpo.Train(folder, options)));
        }

        Assert.True(progressed * 2 >= kills, $"Only {progressed} of {kills} starts committed a new step before they were killed.");
    }

    /// <summary>An equal share for each moment; the warm start's first, since it comes once.</summary>
    private static IEnumerable<(string Moment, string Point)> Planned(int kills)
    {
        var random = new Random(Seed);
        int each = kills / Moments.Length;
        var order = Enumerable.Repeat(0, each).Concat(Enumerable.Range(0, kills - each).Select(i => 1 + (i % (Moments.Length - 1))));
        foreach (int moment in order)
        {
            (string name, (string Point, int From, int To)[] points) = Moments[moment];
            (string point, int from, int to) = points[random.Next(points.Length)];
            yield return (name, $"{point}#{random.Next(from, to + 1)}");
        }
    }

    /// <summary>Committed steps, from the journal alone.</summary>
    private static int Steps(string folder)
    {
        Finished audit = Grpo.Run(["audit", folder, "--json"]);
        return Grpo.LastObject(audit.Output).TryGetProperty("steps", out JsonElement steps) ? steps.GetInt32() : 0;
    }
}
