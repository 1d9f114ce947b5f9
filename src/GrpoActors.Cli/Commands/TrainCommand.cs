using System.CommandLine;
using GrpoActors.Actors;
using GrpoActors.Cli.Displays;
using GrpoActors.Core.Plans;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo train</c>.</summary>
internal static class TrainCommand
{
    private const string Description = """
        Trains a run file, or goes on where an earlier start of the same command ended.

        A finished run prints its result again. SIGINT and SIGTERM stop cleanly; the same command resumes with the same result.

        Example:
          grpo train recipes/arithmetic.json --set phases.grpo.steps=100
        """;

    private const int ValueCharactersMax = 100;

    public static Command Build(Signals signals)
    {
        var command = new Command("train", Description.ReplaceLineEndings("\n"));
        var arguments = new RunFileArguments();
        var fresh = new Option<bool>("--fresh") { Description = "Set an old run folder of this name aside and begin anew." };
        var acceptLostTail = new Option<bool>("--accept-lost-tail")
        {
            Description = "Go on although the journal has lost its last steps and they cannot be computed again (order arrival, or a reward ran out of time).",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Check everything, print every setting with its source and the memory that the run will take, start nothing." };
        var json = new Option<bool>("--json") { Description = "End with the result as one JSON object on stdout." };
        arguments.AddTo(command);
        foreach (Option option in new Option[] { fresh, acceptLostTail, dryRun, json })
        {
            command.Add(option);
        }

        command.SetAction(async parsed =>
        {
            IRunDisplay display = Terminal.Display();
            GrpoRunSettings settings = arguments.Settings(parsed) with
            {
                Fresh = parsed.GetValue(fresh),
                AcceptLostTail = parsed.GetValue(acceptLostTail),
                Logger = new DisplayLogger(display),
                CrashPoints = CrashPoints.Parse(Environment.GetEnvironmentVariable(CrashPoints.Variable)),
            };
            TextWriter data = parsed.InvocationConfiguration.Output;
            return parsed.GetValue(dryRun)
                ? ConfigCommands.Report(parsed, GrpoRun.Check(arguments.File(parsed), settings), ConfigCommands.ShowWithMemory, parsed.GetValue(json))
                : await Train(arguments.File(parsed), settings, display, parsed.InvocationConfiguration, parsed.GetValue(json), signals.Stop);
        });
        return command;
    }

    private static async Task<int> Train(string runFile, GrpoRunSettings settings, IRunDisplay display, InvocationConfiguration streams, bool json, CancellationToken stop)
    {
        using GrpoRun run = GrpoRun.Open(runFile, settings);
        Introduce(run, runFile, display);
        await display.Watch(run.TrainAsync(stop));
        RunResult result = run.Result ?? throw new InvalidOperationException("The run has come to its end without a result.");
        foreach (string line in json ? [ResultText.Json(result)] : ResultText.Lines(result))
        {
            streams.Output.WriteLine(line);
        }

        settings.CrashPoints.WriteCounts(streams.Error);
        if (result.End is { } end and not Core.Runs.RunEnd.Completed)
        {
            display.Say($"grpo: the run {ResultText.Words(end, result.Reason)}; the hashes are of where it ended");
            return ExitCodes.Failure;
        }

        if (result.Rewards.FirstOrDefault(reward => reward.Tally is { Scored: 0, Failed: > 0 }) is { } mute)
        {
            display.Say($"grpo: the run is complete, but reward \"{mute.Name}\" has not scored one completion: nothing was learned from it. Mend it and start again with --fresh");
            return ExitCodes.Failure;
        }

        return ExitCodes.Done;
    }

    private static void Introduce(GrpoRun run, string runFile, IRunDisplay display)
    {
        foreach (string warning in run.Warnings)
        {
            display.Say($"warning: {warning}");
        }

        foreach (SettingValue value in run.Values.Where(value => !value.IsDefault))
        {
            string shown = value.Value.Length <= ValueCharactersMax ? value.Value : value.Value[..(ValueCharactersMax - 1)] + "…";
            display.Say($"{value.Key} = {shown} ({value.Source})");
        }

        display.Say($"{run.Values.Count(value => value.IsDefault)} settings have their defaults: grpo config show {runFile}, or plan.json in the run folder");
        display.Say($"run folder {run.Folder}");
    }
}
