using System.CommandLine;
using System.Text.Json.Nodes;
using GrpoActors.Runtime.Chaos;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo chaos</c>.</summary>
internal static class ChaosCommand
{
    private const string Description = """
        Kills, freezes and starves training processes and compares the results with an undisturbed run's. Exit code 1 if any differs, or if fewer faults happened than planned.

        Most kills are SIGKILLs at named points, equally many at each that the run reaches: before and after every effect, answer, append, flush and rename; one in ten comes at a
        random moment. A kill of a restarted process that had made nothing durable is not counted and made again. Only processes that this command has started are signalled.

        Example:
          grpo chaos recipes/arithmetic.json --kills 100 --seed 7 --set phases.sft.steps=12 --set phases.grpo.steps=12 --set empty_steps_max=12 --set save_steps=4
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("chaos", Description.ReplaceLineEndings("\n"));
        var file = new Argument<string>("RUNFILE") { Description = "A run file; a short run makes most kills a minute." };
        var set = new Option<string[]>("--set") { Description = "As in grpo train; may be repeated.", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };
        Option<int> kills = Number("--kills", 20, "How many kills must happen.");
        Option<int> freezes = Number("--freezes", 2, "How many times a process is stopped (SIGSTOP) for up to 2 s and goes on.");
        Option<int> torn = Number("--torn", 2, "How many times a killed process's journal or newest checkpoint loses its end.");
        Option<int> quotas = Number("--quotas", 1, "How many processes may not let a file grow beyond a few KiB (RLIMIT_FSIZE): they must stop with a sentence.");
        Option<int> readOnly = Number("--read-only", 1, "How many processes find the run folder read-only: they must stop with a sentence. Needs the right to mount.");
        Option<int> jobs = Number("--jobs", Environment.ProcessorCount, "How many runs are disturbed at the same time.");
        Option<int> seed = Number("--seed", 1, "Which faults.");
        Option<int> hung = Number("--hung-after", 600, "A process that has not ended after so many seconds is reported as hung.");
        var folder = new Option<string?>("--folder") { Description = "Where the runs lie; by default a temporary folder. A run that ended badly is kept.", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "End with one JSON object on stdout." };
        command.Add(file);
        foreach (Option option in new Option[] { set, kills, freezes, torn, quotas, readOnly, jobs, seed, folder, hung, json })
        {
            command.Add(option);
        }

        command.SetAction(async parsed =>
        {
            string place = parsed.GetValue(folder) ?? Directory.CreateTempSubdirectory("grpo-chaos-").FullName;
            string[] train = [.. Self(), "train", parsed.GetRequiredValue(file), .. parsed.GetValue(set)!.SelectMany(assignment => new[] { "--set", assignment })];
            var numbers = new ChaosNumbers(parsed.GetValue(kills), parsed.GetValue(freezes), parsed.GetValue(quotas), parsed.GetValue(readOnly), parsed.GetValue(torn));
            var settings = new ChaosSettings(train, place, numbers, parsed.GetValue(jobs), parsed.GetValue(seed), TimeSpan.FromSeconds(parsed.GetValue(hung)));
            ChaosReport report;
            try
            {
                report = await ChaosTrial.Run(settings, parsed.InvocationConfiguration.Error.WriteLine, signals.Stop);
            }
            catch (ChaosMistakeException mistake)
            {
                Remove();
                parsed.InvocationConfiguration.Error.WriteLine(mistake.Message);
                return ExitCodes.Mistake;
            }

            if (report.Findings.IsEmpty)
            {
                Remove();
            }

            void Remove()
            {
                if (parsed.GetValue(folder) is null)
                {
                    Directory.Delete(place, recursive: true);
                }
            }

            TextWriter data = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                data.WriteLine(Json(report));
            }
            else
            {
                Write(data, report);
            }

            return report.Findings.IsEmpty ? ExitCodes.Done : ExitCodes.Failure;
        });
        return command;
    }

    private static Option<int> Number(string name, int usual, string description)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.GetValueOrDefault<int>() < (name == "--jobs" ? 1 : 0))
            {
                result.AddError($"{name} cannot be below {(name == "--jobs" ? 1 : 0)}.");
            }
        });
        return option;
    }

    /// <summary>This program: an executable of its own, or dotnet with an assembly.</summary>
    private static string[] Self()
    {
        string process = Environment.ProcessPath ?? throw new InvalidOperationException("This process does not know its own program.");
        return Path.GetFileNameWithoutExtension(process) == "dotnet" ? [process, typeof(ChaosCommand).Assembly.Location] : [process];
    }

    private static void Write(TextWriter data, ChaosReport report)
    {
        data.WriteLine($"{"",-36} reached planned happened without progress");
        foreach (ChaosCount count in report.Counts)
        {
            data.WriteLine($"{count.Name,-36} {count.Reached,7} {count.Planned,7} {count.Happened,8} {count.WithoutProgress,16}");
        }

        data.WriteLine($"{"all",-36} {"",7} {report.Counts.Sum(count => count.Planned),7} {report.Counts.Sum(count => count.Happened),8} {report.Counts.Sum(count => count.WithoutProgress),16}");
        data.WriteLine($"{report.Starts} processes, {report.Runs} disturbed runs; undisturbed: {report.Hashes}");
        foreach (string skipped in report.Skipped)
        {
            data.WriteLine($"SKIPPED {skipped}");
        }

        foreach (string finding in report.Findings)
        {
            data.WriteLine($"FOUND  {finding}");
        }

        data.WriteLine(report.Findings.IsEmpty ? "every run ended with the same hashes and a clean audit" : $"{report.Findings.Length} findings");
    }

    private static string Json(ChaosReport report) => new JsonObject
    {
        ["ok"] = report.Findings.IsEmpty,
        ["planned"] = report.Counts.Sum(count => count.Planned),
        ["happened"] = report.Counts.Sum(count => count.Happened),
        ["withoutProgress"] = report.Counts.Sum(count => count.WithoutProgress),
        ["starts"] = report.Starts,
        ["runs"] = report.Runs,
        ["hashes"] = report.Hashes,
        ["points"] = new JsonArray([.. report.Counts.Select(count => new JsonObject
        {
            ["name"] = count.Name,
            ["reached"] = count.Reached,
            ["planned"] = count.Planned,
            ["happened"] = count.Happened,
            ["withoutProgress"] = count.WithoutProgress,
        })]),
        ["skipped"] = new JsonArray([.. report.Skipped.Select(skipped => JsonValue.Create(skipped))]),
        ["findings"] = new JsonArray([.. report.Findings.Select(finding => JsonValue.Create(finding))]),
    }.ToJsonString();
}
