using System.CommandLine;
using System.Text.Json.Nodes;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Replay;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo replay</c>.</summary>
internal static class ReplayCommand
{
    private const string Description = """
        Computes one step of a run again, from checkpoint and journal, and compares it with what was recorded, to the bit. Exit code 1 if anything differs.

        Example:
          grpo replay runs/arithmetic --step 712
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("replay", Description.ReplaceLineEndings("\n"));
        var folder = new Argument<string>("RUN") { Description = "A run folder." };
        var step = new Option<long>("--step") { Description = "The step; counts from 1 through the whole run.", HelpName = "K", Required = true };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        Option<string?> journal = RunArguments.Journal();
        command.Add(folder);
        foreach (Option option in new Option[] { step, journal, json })
        {
            command.Add(option);
        }

        command.SetAction(parsed =>
        {
            RecordedRun run = RecordedRun.Open(parsed.GetValue(folder)!, parsed.GetValue(journal));
            using RunSetup setup = run.Setup(RewardRegistry.BuiltIn);
            StepReplay replay = StepReplay.Of(run, parsed.GetValue(step), setup, signals.Stop);
            TextWriter data = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                data.WriteLine(Json(run, replay));
            }
            else
            {
                Write(data, replay);
            }

            return replay.IsSame ? ExitCodes.Done : ExitCodes.Failure;
        });
        return command;
    }

    private static void Write(TextWriter data, StepReplay replay)
    {
        data.WriteLine($"step {replay.Step} of phase {replay.Phase}, computed from {(replay.From is { } from ? $"the checkpoint of step {from}" : "the starting weights")}");
        foreach (ReplayedValue value in replay.Compared)
        {
            data.WriteLine(value.IsSame ? $"same     {value.Name} {value.Recorded}" : $"DIFFERS  {value.Name} recorded {value.Recorded}, computed {value.Computed}");
        }

        data.WriteLine(replay.IsSame ? "the same to the bit" : $"{replay.Compared.Count(value => !value.IsSame)} of {replay.Compared.Length} values differ");
    }

    private static string Json(RecordedRun run, StepReplay replay) => new JsonObject
    {
        ["run"] = run.Folder,
        ["step"] = replay.Step,
        ["phase"] = replay.Phase,
        ["from"] = replay.From,
        ["same"] = replay.IsSame,
        ["values"] = new JsonArray([.. replay.Compared.Select(value => new JsonObject
        {
            ["name"] = value.Name,
            ["recorded"] = value.Recorded,
            ["computed"] = value.Computed,
            ["same"] = value.IsSame,
        })]),
    }.ToJsonString();
}
