using System.CommandLine;
using System.Globalization;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub;
using GrpoActors.Hub.Export;
using GrpoActors.Runtime.Exports;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo export</c>.</summary>
internal static class ExportCommand
{
    private const string Description = """
        Writes a run's weights as a Hugging Face folder, which transformers, vLLM and llama.cpp's converter load.

        RUN is a run folder; the newest intact checkpoint is taken, or that of --step. It may also be a Hugging Face folder, to store it in another type.

        Example:
          grpo export runs/gsm8k exported/gsm8k --dtype bf16
        """;

    public static Command Build()
    {
        var command = new Command("export", Description.ReplaceLineEndings("\n"));
        var run = new Argument<string>("RUN") { Description = "A run folder, or a model." };
        var to = new Argument<string>("DIR") { Description = "The folder to write; it must not exist, or be empty." };
        var step = new Option<long?>("--step") { Description = "The checkpoint of this step; by default the newest.", HelpName = "N" };
        var type = new Option<string>("--dtype") { Description = "f32 keeps every bit; bf16 and f16 round.", HelpName = "f32|bf16|f16", DefaultValueFactory = _ => "f32" };
        var shard = new Option<string>("--max-shard-size") { Description = "Larger weights are cut into shards.", HelpName = "SIZE", DefaultValueFactory = _ => "5GB" };
        var model = new Option<string?>("--model") { Description = "Where the model that the run started from lies now.", HelpName = "DIR" };
        command.Add(run);
        command.Add(to);
        foreach (Option option in new Option[] { step, type, shard, model })
        {
            command.Add(option);
        }

        command.SetAction(parsed => RowFile.Guard(() =>
        {
            string from = parsed.GetRequiredValue(run), folder = parsed.GetRequiredValue(to);
            var options = new ExportOptions(Type(parsed.GetRequiredValue(type)), Bytes(parsed.GetRequiredValue(shard)));
            bool isModel = !File.Exists(Path.Combine(from, "plan.json")) && File.Exists(Path.Combine(ModelFolders.Find(from), "config.json"));
            if (isModel && parsed.GetValue(step) is not null)
            {
                throw new MistakeException($"--step is given, but {from} is a model and no run folder. Remove it.");
            }

            ExportedModel exported = isModel
                ? ModelExport.FromModel(from, folder, options)
                : RunExport.FromRun(from, parsed.GetValue(step), folder, options, parsed.GetValue(model));
            TextWriter data = parsed.InvocationConfiguration.Output;
            data.WriteLine(exported.Step is { } of ? $"step {of}, weights {exported.WeightsSha256}" : $"weights {exported.WeightsSha256}");
            data.WriteLine($"{exported.Folder}: {string.Join(", ", exported.Files)}");
            return ExitCodes.Done;
        }));
        return command;
    }

    private static WeightType Type(string name) => name.ToLowerInvariant() switch
    {
        "f32" or "float32" => WeightType.F32,
        "bf16" or "bfloat16" => WeightType.BF16,
        "f16" or "float16" => WeightType.F16,
        _ => throw new MistakeException($"--dtype {name} is no type of weights. Choose one of f32, bf16, f16."),
    };

    private static long Bytes(string size)
    {
        (string unit, long factor) = new[] { ("GB", 1_000_000_000L), ("MB", 1_000_000L), ("KB", 1_000L), ("", 1L) }.First(known => size.EndsWith(known.Item1, StringComparison.OrdinalIgnoreCase));
        return double.TryParse(size[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number * factor is >= 1 and <= 1e15
            ? (long)(number * factor)
            : throw new MistakeException($"--max-shard-size {size} is no size. Write for example 5GB or 500MB.");
    }
}
