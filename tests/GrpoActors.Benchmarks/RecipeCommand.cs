using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Measurement;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Benchmarks;

/// <summary><c>recipe</c>: where the seconds of a recipe's step go.</summary>
internal static class RecipeCommand
{
    private static readonly Option<string> File = new("--recipe") { Description = "A run file with a grpo phase and lag 0.", HelpName = "FILE", DefaultValueFactory = _ => "recipes/arithmetic.json" };

    private static readonly Option<int> Steps = new("--steps") { Description = "Steps that are measured, after a first one that is not.", HelpName = "N", DefaultValueFactory = _ => 4 };

    private static readonly Option<string[]> Set = new("--set") { Description = "A setting of the run, as grpo train takes it.", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };

    public static Command Build() => new Benchmark(
        "recipe",
        "Trains a recipe for a few steps and shows the parts of a step: sampling, scoring, training, appending, publishing; checkpoints and evaluations apart. Limits: those of decode and training at the step's own lengths. From the repository's root.",
        (settings, report) => Run(settings, report).GetAwaiter().GetResult(),
        File, Steps, Set);

    private static async Task Run(Settings settings, Report report)
    {
        Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
        string folder = Directory.CreateTempSubdirectory("grpo-recipe-").FullName;
        try
        {
            await Train(settings, limits, folder, report);
        }
        catch (ConfigException absent)
        {
            await Console.Error.WriteLineAsync($"Nothing is measured: {absent.Errors[0]}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task Train(Settings settings, Limits limits, string folder, Report report)
    {
        var clock = new PartsClock();
        int steps = settings.Parsed.GetValue(Steps);
        var asked = new GrpoRunSettings
        {
            CrashPoints = CrashPoints.Watching(clock.Reached),
            Environment = [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(variable => KeyValuePair.Create((string)variable.Key, (string)variable.Value!))],
            Overrides =
            [
                ("run_dir", folder), ("threads", settings.Threads.ToString(CultureInfo.InvariantCulture)), ("phases.grpo.steps", (steps + 1).ToString(CultureInfo.InvariantCulture)),
                .. settings.Parsed.GetValue(Set)!.Select(Pair),
            ],
        };
        string runFile = settings.Parsed.GetValue(File)!;
        using GrpoRun run = GrpoRun.Open(runFile, asked);
        double tokens = 0;
        await foreach (StepReport step in run.TrainAsync())
        {
            if (step.Kind != PhaseKind.Grpo)
            {
                continue;
            }

            if (step.Step == 1)
            {
                clock.Begin(); // the first step compiles the code and sets up workers
            }
            else
            {
                tokens += step.Tokens;
            }
        }

        GroupPlan plan = run.Plan.Identity.Phases.First(phase => phase.Group is not null).Groups;
        double completions = plan.GroupsPerStep * plan.NumGenerations, length = tokens / steps / completions;
        report.Add(new Row("completions a step", completions, ""));
        report.Add(new Row("tokens of a completion, mean", length, "tokens"));
        Show(clock, steps, tokens / steps, Bounds(run.Plan, asked.Rewards, limits, length), report);
    }

    /// <summary>Seconds of a step's sampling and training, if every completion had the mean length.</summary>
    private static (double Sampling, double Training) Bounds(RunPlan plan, RewardRegistry rewards, Limits limits, double length)
    {
        int phase = plan.Identity.Phases.ToList().FindIndex(phase => phase.Group is not null);
        GroupPlan groups = plan.Identity.Phases[phase].Groups;
        ModelSpec spec = RunComposition.Spec(plan);
        using RunSetup setup = RunComposition.Build(plan, rewards);
        double prompt = setup.Phases[phase].Rows.Average(row => row.PromptTokens.Length);
        var work = new Work(spec);
        int rows = groups.GroupsPerStep * groups.NumGenerations;
        double sampling = work.PrefillSeconds(limits, groups.GroupsPerStep, (int)prompt) + (length - 1) * work.DecodeSeconds(limits, rows, groups.GroupsPerStep, prompt, length / 2);
        double update = groups.NumIterations * groups.MiniBatches * Work.UpdateSeconds(limits, setup.StartingWeights().Tensors.Sum(tensor => (long)tensor.Values.Length));
        return (sampling, groups.NumIterations * groups.GroupsPerStep * work.TrainSharedSeconds(limits, groups.NumGenerations, prompt, length) + update);
    }

    private static void Show(PartsClock clock, int steps, double tokens, (double Sampling, double Training) bounds, Report report)
    {
        double sampling = clock.Seconds(Part.Sampling) / steps, training = clock.Seconds(Part.Training) / steps;
        report.Add(new Row("a step", steps == 0 ? 0 : clock.StepSeconds / steps, "s"));
        report.Add(new Row("sampling", sampling, "s"));
        report.Add(new Row("sampling", tokens / sampling, "tokens/s", tokens / bounds.Sampling));
        report.Add(new Row("scoring, with its appends", clock.Seconds(Part.Scoring) / steps, "s"));
        report.Add(new Row("training", training, "s"));
        report.Add(new Row("training", tokens / training, "tokens/s", tokens / bounds.Training));
        report.Add(new Row("committing the step", clock.Seconds(Part.Committing) / steps, "s"));
        report.Add(new Row("publishing, until somebody samples", clock.Seconds(Part.Publishing) / steps, "s"));
        report.Add(new Row("a checkpoint, beside sampling", clock.MeanCheckpointSeconds, "s"));
        report.Add(new Row("an evaluation, beside sampling", clock.MeanEvaluationSeconds, "s"));
    }

    private static (string Key, string Value) Pair(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? throw new ArgumentException($"--set {text}: write KEY=VALUE.") : (text[..equals], text[(equals + 1)..]);
    }

    private enum Part
    {
        Publishing,
        Sampling,
        Scoring,
        Training,
        Committing,
    }

    /// <summary>Cuts a step's time at the moments when work is handed over.</summary>
    private sealed class PartsClock
    {
        private readonly Lock _lock = new();
        private readonly double[] _seconds = new double[5];
        private long _mark, _arrived, _begun, _ended, _checkpoint, _evaluation;
        private double _checkpointSeconds, _evaluationSeconds;
        private int _checkpoints, _evaluations;
        private bool _samples;

        public double StepSeconds => Stopwatch.GetElapsedTime(_begun, _ended).TotalSeconds;

        public double MeanCheckpointSeconds => _checkpointSeconds / Math.Max(1, _checkpoints);

        public double MeanEvaluationSeconds => _evaluationSeconds / Math.Max(1, _evaluations);

        public double Seconds(Part part) => _seconds[(int)part];

        /// <summary>From the last commit on.</summary>
        public void Begin()
        {
            lock (_lock)
            {
                _begun = _ended;
            }
        }

        public void Reached(string point)
        {
            lock (_lock)
            {
                long now = Stopwatch.GetTimestamp();
                switch (point)
                {
                    case "effect SendTickets" when !_samples:
                        Add(Part.Publishing, _mark, now);
                        (_samples, _arrived) = (true, now);
                        break;
                    case "post CompletionsArrived":
                        _arrived = now;
                        break;
                    case "effect TrainBatch":
                        Add(Part.Sampling, _mark, _arrived);
                        Add(Part.Scoring, _arrived, now);
                        _samples = false;
                        break;
                    case "post BatchTrained":
                        Add(Part.Training, _mark, now);
                        break;
                    case "appended StepCommitted":
                        Add(Part.Committing, _mark, now);
                        _ended = now;
                        break;
                    case "effect WriteCheckpoint":
                        _checkpoint = now;
                        break;
                    case "post CheckpointDone":
                        _checkpointSeconds += Stopwatch.GetElapsedTime(_checkpoint, now).TotalSeconds;
                        _checkpoints++;
                        break;
                    case "effect Evaluate":
                        _evaluation = now;
                        break;
                    case "post EvaluationDone":
                        _evaluationSeconds += Stopwatch.GetElapsedTime(_evaluation, now).TotalSeconds;
                        _evaluations++;
                        break;
                    default:
                        break;
                }
            }
        }

        private void Add(Part part, long from, long to)
        {
            if (_begun != 0)
            {
                _seconds[(int)part] += Stopwatch.GetElapsedTime(from, to).TotalSeconds;
            }

            _mark = to;
        }
    }
}
