using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Hub.Export;
using GrpoActors.Runtime.Checkpoints;

namespace GrpoActors.Runtime.Exports;

/// <summary>The README.md of an exported model: what it is, where it comes from, how to get it again.</summary>
internal static class ModelCard
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Text(string runFolder, RunPlan plan, CheckpointManifest manifest, ExportOptions options)
    {
        RunIdentity identity = plan.Identity;
        var card = new StringBuilder();
        card.Append("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- grpo\n- reinforcement-learning\n");
        if (HubName(identity.Model.Path) is { } baseModel)
        {
            card.Append($"base_model: {baseModel}\n");
        }

        card.Append($"---\n\n# {Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(runFolder)))}, step {manifest.Mark.Step}\n\n");
        card.Append($"Trained with GrpoActors {typeof(ModelCard).Assembly.GetName().Version?.ToString(3)}, starting from {HubName(identity.Model.Path) ?? identity.Model.Path ?? "random weights"}.\n\n| | |\n| --- | --- |\n");
        Row(card, "run", PlanIdentity.IdentityDigest(identity).ToString());
        Row(card, "ledger after this step", manifest.Mark.Chain.ToString());
        Row(card, "step", manifest.Mark.Step.ToString(CultureInfo.InvariantCulture));
        Row(card, "weights (float32)", manifest.WeightsSha256.ToString());
        Row(card, "stored as", options.Type.ToString());
        Row(card, "engine", $"{identity.Engine}, numerics {identity.NumericsRevision}");
        Row(card, "starting weights", identity.StartingWeights.ToString());
        Row(card, "tokenizer", identity.Tokenizer.ToString());
        foreach (PhasePlan phase in identity.Phases)
        {
            Row(card, $"data of phase {phase.Name}", $"{Path.GetFileName(phase.Data.Path)}, {phase.Data.Rows} rows, {phase.Data.Sha256}");
        }

        Metrics(card, Path.Combine(runFolder, "metrics.jsonl"), manifest.Mark.Step);
        card.Append("\nHashes are SHA-256. The same plan gives the same run, step for step.\n\n<details><summary>Plan</summary>\n\n```json\n");
        card.Append(JsonNode.Parse(PlanIdentity.CanonicalJson(identity))!.ToJsonString(Readable)).Append("\n```\n\n</details>\n");
        return card.ToString();
    }

    private static void Row(StringBuilder card, string what, string value) => card.Append($"| {what} | `{value.Replace("|", "\\|")}` |\n");

    // OWNER/NAME, if that is what the path's end looks like and no folder of this machine.
    private static string? HubName(string? path) => path is null || Directory.Exists(path) || path.Split('/', '\\') is not [.., var owner, var name] ? null : $"{owner}/{name}";

    private static void Metrics(StringBuilder card, string file, long step)
    {
        string? line = File.Exists(file) ? Lines(file).LastOrDefault(line => Step(line) == step) : null;
        if (line is null)
        {
            return;
        }

        card.Append($"\n## Metrics of step {step}\n\n| metric | value |\n| --- | --- |\n");
        using JsonDocument json = JsonDocument.Parse(line);
        foreach (JsonProperty metric in json.RootElement.EnumerateObject())
        {
            card.Append($"| `{metric.Name}` | {metric.Value.GetRawText()} |\n");
        }
    }

    // Shared with a run that may be writing it.
    private static IEnumerable<string> Lines(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private static long? Step(string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.TryGetProperty("step", out JsonElement step) && step.TryGetInt64(out long number) ? number : null;
        }
        catch (JsonException)
        {
            return null; // the last line of a run that is writing it
        }
    }
}
