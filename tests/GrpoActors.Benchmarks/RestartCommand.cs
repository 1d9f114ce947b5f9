using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using GrpoActors.Runtime.Chaos;

namespace GrpoActors.Benchmarks;

/// <summary><c>restart</c>: how long a killed run takes until it makes something new.</summary>
internal static class RestartCommand
{
    private const double SecondsMax = 5;
    private const int StepsApart = 2, Killed = 137; // 128 + SIGKILL

    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(400);

    private static readonly Option<int> Restarts = new("--restarts")
    {
        Description = "How many; 12 and every other step between two checkpoints has been one.",
        HelpName = "N",
        DefaultValueFactory = _ => 12,
    };

    private static readonly Option<string> Program = new("--program")
    {
        Description = "The grpo.dll that is measured: this build's, unless a published one is named.",
        HelpName = "FILE",
        DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "grpo.dll"),
    };

    private static readonly string[] Short = ["--set", "phases.sft.steps=10", "--set", "empty_steps_max=200", "--set", "evaluation.eval_steps=0"];

    public static Command Build() => new Benchmark(
        "restart",
        "Kills grpo train recipes/arithmetic.json in the grpo phase at every other step, and measures from the start of the next process to the first token or batch that the journal did not hold: the further from the last checkpoint, the more is trained again. Begins no further one after 400 s. From the repository's root; --threads and --runs say nothing here.",
        (settings, report) =>
        {
            string folder = Directory.CreateTempSubdirectory("grpo-restart-").FullName;
            try
            {
                double[] seconds = [.. Measure(settings.Parsed.GetValue(Program)!, Path.Combine(folder, "run"), settings.Parsed.GetValue(Restarts)).Order()];
                report.Add(new Row("restart to the next token or batch, median", seconds[seconds.Length / 2], "s", SecondsMax));
                report.Add(new Row("p99", seconds[(int)Math.Ceiling(0.99 * seconds.Length) - 1], "s", SecondsMax));
                report.Add(new Row("longest", seconds[^1], "s", SecondsMax));
                report.Add(new Row("restarts", seconds.Length, ""));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        },
        Restarts,
        Program);

    private static IEnumerable<double> Measure(string program, string folder, int restarts)
    {
        long begun = Stopwatch.GetTimestamp();
        Train(program, folder, "post CheckpointDone#2"); // of the phase's start
        for (int measured = 0; measured < restarts && (measured == 0 || Stopwatch.GetElapsedTime(begun) < Enough); measured++)
        {
            if (Train(program, folder, string.Create(CultureInfo.InvariantCulture, $"progress:appended StepCommitted#{StepsApart}")) != Killed)
            {
                Directory.Delete(folder, recursive: true);
                Train(program, folder, "post CheckpointDone#2");
            }

            long started = Stopwatch.GetTimestamp();
            int exitCode = Train(program, folder, "post Progress#1|post BatchTrained#1");
            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            yield return exitCode == Killed ? seconds : throw new InvalidOperationException($"grpo train ended with {exitCode} before it had made anything new.");
        }
    }

    private static int Train(string program, string folder, string crashAt)
    {
        var start = new ProcessStartInfo("dotnet", [program, "train", "recipes/arithmetic.json", "--run-dir", folder, .. Short])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[CrashPoints.Variable] = crashAt;
        using Process process = Process.Start(start)!;
        process.OutputDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        string said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode is 0 or Killed ? process.ExitCode : throw new InvalidOperationException($"grpo train ended with {process.ExitCode}: {said}");
    }
}
