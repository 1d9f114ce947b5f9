using System.CommandLine;
using System.Diagnostics;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Runtime.Chaos;

namespace GrpoActors.Benchmarks;

/// <summary><c>appends</c>: what durability costs a step.</summary>
internal static class AppendsCommand
{
    /// <summary>Time blocked on appends may take so much of a step's.</summary>
    private const double PercentMax = 3;

    public static Command Build() => new Benchmark(
        "appends",
        "Trains the two recipes for a few steps and measures how long the deciding thread is blocked in appends, as a percentage of the steps' time, and apart from that the writing of checkpoints. From the repository's root; --threads and --runs say nothing here.",
        (_, report) => Run(report).GetAwaiter().GetResult());

    private static async Task Run(Report report)
    {
        await Measure("arithmetic", "recipes/arithmetic.json", [("phases.sft.steps", "2"), ("phases.grpo.steps", "80"), ("evaluation.eval_steps", "0"), ("save_steps", "10")], report);
        try
        {
            await Measure("SmolLM2-135M", "recipes/gsm8k.json", [("phases.grpo.steps", "3"), ("phases.grpo.groups_per_step", "2"), ("phases.grpo.num_generations", "4"), ("phases.grpo.max_completion_length", "48"), ("save_steps", "2")], report);
        }
        catch (ConfigException absent)
        {
            await Console.Error.WriteLineAsync($"SmolLM2-135M is not measured: {absent.Errors[0]} (grpo pull brings the model; GRPO_ASSETS says where it lies)");
        }
    }

    private static async Task Measure(string name, string runFile, (string, string)[] overrides, Report report)
    {
        string folder = Directory.CreateTempSubdirectory("grpo-appends-").FullName;
        try
        {
            var probe = new Probe();
            var settings = new GrpoRunSettings
            {
                CrashPoints = CrashPoints.Watching(probe.Reached),
                Environment = [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(variable => KeyValuePair.Create((string)variable.Key, (string)variable.Value!))],
                Overrides = [.. overrides, ("run_dir", folder)],
            };
            using (GrpoRun run = GrpoRun.Open(runFile, settings))
            {
                await foreach (var step in run.TrainAsync())
                {
                    if (step is { Phase: "grpo", Step: 20 })
                    {
                        probe.Begin(); // the first steps compile the code and set up workers
                    }
                }
            }

            probe.End();
            report.Add(new Row($"{name}: a step", probe.Elapsed.TotalMilliseconds / probe.Steps, "ms"));
            report.Add(new Row($"{name}: appends a step", (double)probe.Appends / probe.Steps, ""));
            report.Add(new Row($"{name}: an append", probe.InAppends.TotalMilliseconds / probe.Appends, "ms"));
            report.Add(new Row($"{name}: blocked on appends", 100 * (probe.InAppends / probe.Elapsed), "% of steps", PercentMax));
            report.Add(new Row($"{name}: a checkpoint", probe.InCheckpoints.TotalMilliseconds / Math.Max(1, probe.Checkpoints), "ms"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Times what lies between two crash points: appends on the deciding thread, a checkpoint from its first file to its answer on the trainer's.</summary>
    private sealed class Probe
    {
        private readonly Lock _lock = new();
        private long _append, _checkpoint, _begun;
        private bool _open;

        public TimeSpan InAppends { get; private set; }

        public TimeSpan InCheckpoints { get; private set; }

        public TimeSpan Elapsed { get; private set; }

        public int Appends { get; private set; }

        public int Checkpoints { get; private set; }

        public int Steps { get; private set; }

        public void Begin()
        {
            lock (_lock)
            {
                (_begun, _open) = (Stopwatch.GetTimestamp(), true);
            }
        }

        public void End()
        {
            lock (_lock)
            {
                Elapsed = Stopwatch.GetElapsedTime(_begun);
                _open = false;
            }
        }

        public void Reached(string point)
        {
            lock (_lock)
            {
                if (!_open)
                {
                    return;
                }

                if (point.StartsWith("append ", StringComparison.Ordinal))
                {
                    _append = _append == 0 ? Stopwatch.GetTimestamp() : _append; // one append has a point for each kind of event in it
                }
                else if (point.StartsWith("appended ", StringComparison.Ordinal))
                {
                    Steps += point == "appended StepCommitted" ? 1 : 0;
                    if (_append != 0)
                    {
                        InAppends += Stopwatch.GetElapsedTime(_append);
                        Appends++;
                        _append = 0;
                    }
                }
                else if (point == "create-folder" || (point == "delete-folder" && _checkpoint == 0))
                {
                    _checkpoint = Stopwatch.GetTimestamp();
                }
                else if (point == "post CheckpointDone" && _checkpoint != 0)
                {
                    InCheckpoints += Stopwatch.GetElapsedTime(_checkpoint);
                    Checkpoints++;
                    _checkpoint = 0;
                }
            }
        }
    }
}
