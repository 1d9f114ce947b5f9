using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Measurement;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo config show|check|reference</c>.</summary>
internal static class ConfigCommands
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Build() => new("config", "Shows and checks run files.")
    {
        OverRunFile("show", "Prints every setting with its value and where that comes from.\n\nExample:\n  grpo config show recipes/arithmetic.json --set phases.grpo.steps=3", Show),
        OverRunFile("check", "Reports every mistake in a run file and the files that it names; starts nothing.\n\nExample:\n  grpo config check recipes/arithmetic.json", Check),
        Reference(),
    };

    private static Command Reference()
    {
        var reference = new Command("reference", "Prints the reference of all settings, in Markdown.\n\nExample:\n  grpo config reference > docs/configuration.md");
        reference.SetAction(parsed => parsed.InvocationConfiguration.Output.Write(ConfigurationPage.Markdown()));
        return reference;
    }

    private static Command OverRunFile(string name, string description, Action<TextWriter, PlanResult, bool> print)
    {
        var command = new Command(name, description);
        var arguments = new RunFileArguments();
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        arguments.AddTo(command);
        command.Add(json);
        command.SetAction(parsed => Report(parsed, GrpoRun.Check(arguments.File(parsed), arguments.Settings(parsed)), print, parsed.GetValue(json)));
        return command;
    }

    /// <summary>Warnings and mistakes on stderr, the rest on stdout.</summary>
    public static int Report(ParseResult parsed, PlanResult result, Action<TextWriter, PlanResult, bool> print, bool json)
    {
        TextWriter talk = parsed.InvocationConfiguration.Error;
        foreach (string warning in result.Warnings)
        {
            talk.WriteLine($"warning: {warning}");
        }

        print(parsed.InvocationConfiguration.Output, result, json);
        if (result.Plan is null)
        {
            Mistakes.Write(talk, result.Errors);
            return ExitCodes.Mistake;
        }

        return ExitCodes.Done;
    }

    public static void Show(TextWriter data, PlanResult result, bool json) => Show(data, result, json, memory: null);

    /// <summary>The settings, and what memory a run of them takes at its peak.</summary>
    /// <exception cref="ConfigException">A data row is too long or cannot be encoded.</exception>
    public static void ShowWithMemory(TextWriter data, PlanResult result, bool json)
    {
        MemoryUse? memory = result.Plan is { } plan ? RunComposition.Memory(plan) : null;
        Show(data, result, json, memory);
        if (memory is null || json)
        {
            return;
        }

        data.WriteLine($"\n# Memory, MB: {Megabytes(memory.PeakBytes)} resident at the peak, if completions are as long as they may be");
        data.WriteLine($"{"while sampling",15}{"while training",15}");
        foreach (MemoryPart part in memory.Parts)
        {
            data.WriteLine($"{Megabytes(part.SamplingBytes),15}{Megabytes(part.TrainingBytes),15}  {part.What}");
        }

        data.WriteLine($"{Megabytes(memory.SamplingBytes),15}{Megabytes(memory.TrainingBytes),15}  together");
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("#,##0", System.Globalization.CultureInfo.InvariantCulture);

    private static void Show(TextWriter data, PlanResult result, bool json, MemoryUse? memory)
    {
        if (json)
        {
            data.WriteLine(Json(result, withValues: true, memory));
            return;
        }

        int keyWidth = result.Values.Select(value => value.Key.Length).DefaultIfEmpty().Max();
        int valueWidth = Math.Min(40, result.Values.Select(value => value.Value.Length).DefaultIfEmpty().Max());
        foreach (SettingPart part in new[] { SettingPart.Identity, SettingPart.Operation })
        {
            data.WriteLine(part == SettingPart.Identity ? "# The result depends on these" : "\n# Free to change at any start");
            foreach (SettingValue value in result.Values.Where(value => value.Part == part))
            {
                data.WriteLine($"{value.Key.PadRight(keyWidth)}  {value.Value.PadRight(valueWidth)}  {value.Source}");
            }
        }

        if (result.Plan is { } plan)
        {
            data.WriteLine($"\nidentity {PlanIdentity.IdentityDigest(plan.Identity)}");
        }
    }

    private static void Check(TextWriter data, PlanResult result, bool json)
    {
        if (json)
        {
            data.WriteLine(Json(result, withValues: false));
        }
        else if (result.Plan is { } plan)
        {
            data.WriteLine($"{result.Values.Length} settings, no mistakes; identity {PlanIdentity.IdentityDigest(plan.Identity)}");
        }
    }

    private static string Json(PlanResult result, bool withValues, MemoryUse? memory = null)
    {
        var root = new JsonObject
        {
            ["ok"] = result.Plan is not null,
            ["identitySha256"] = result.Plan is { } plan ? PlanIdentity.IdentityDigest(plan.Identity).ToString() : null,
            ["errors"] = new JsonArray([.. result.Errors.Select(error => new JsonObject { ["key"] = error.Key, ["problem"] = error.Problem, ["fix"] = error.Fix, ["where"] = error.Where.ToString() })]),
            ["warnings"] = new JsonArray([.. result.Warnings.Select(warning => JsonValue.Create(warning))]),
        };
        if (withValues)
        {
            root["settings"] = new JsonArray(
            [
                .. result.Values.Select(value => new JsonObject
                {
                    ["key"] = value.Key,
                    ["value"] = JsonNode.Parse(value.Value),
                    ["source"] = value.Source.ToString(),
                    ["part"] = value.Part == SettingPart.Identity ? "identity" : "operation",
                }),
            ]);
        }

        if (memory is not null)
        {
            root["memory"] = new JsonObject
            {
                ["peakBytes"] = memory.PeakBytes,
                ["parts"] = new JsonArray(
                    [.. memory.Parts.Select(part => new JsonObject { ["what"] = part.What, ["samplingBytes"] = part.SamplingBytes, ["trainingBytes"] = part.TrainingBytes })]),
            };
        }

        return root.ToJsonString(Indented);
    }
}
