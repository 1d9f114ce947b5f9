using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Hub;
using GrpoActors.Hub.Export;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Exports;

/// <summary>A run's weights as a Hugging Face folder: with the configuration and tokenizer of the model that it started from, and a model card.</summary>
public static class RunExport
{
    /// <param name="step">The weights after this step; null: those of the newest intact checkpoint.</param>
    /// <param name="to">The folder to write; it must not exist, or be empty.</param>
    /// <param name="modelFolder">Where the starting model lies now; null: where the plan says.</param>
    /// <exception cref="InvalidDataException">There is no such checkpoint, the target exists, or the starting model is another one. One sentence.</exception>
    /// <exception cref="StorageException">Files cannot be read or written.</exception>
    public static ExportedModel FromRun(string runFolder, long? step, string to, ExportOptions options, string? modelFolder = null)
    {
        RunPlan plan = Plan(runFolder);
        CheckpointManifest manifest = Checkpoint(runFolder, step, out CheckpointStore store);
        ModelSource source = plan.Identity.Model;
        ModelContent content;
        try
        {
            (string config, TokenizerSource tokenizer) = source.Path is { } path
                ? OfFolder(StartingFolder(modelFolder ?? path, plan.Identity))
                : OfDescription(source);
            string card = ModelCard.Text(runFolder, plan, manifest, options);
            IReadOnlyList<NamedTensor> weights = store.Load(manifest).Weights;
            content = new ModelContent(weights, manifest.WeightsSha256, manifest.Mark.Step, config, tokenizer, source.Chat?.TemplatePath, card);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("read what is to be exported", runFolder, e);
        }

        return ModelFolderWriter.Write(to, content, options);
    }

    private static (string Config, TokenizerSource Tokenizer) OfFolder(string folder) =>
        (File.ReadAllText(Path.Combine(folder, HuggingFaceConfig.ConfigFile)), new TokenizerSource.FromFolder(folder));

    private static (string Config, TokenizerSource Tokenizer) OfDescription(ModelSource source) => source is { Config: { } config, Tokenizer: { } tokenizer }
        ? (config, new TokenizerSource.FromDescription(tokenizer))
        : throw new InvalidDataException("The plan has neither a model folder nor a description with a tokenizer.");

    private static RunPlan Plan(string runFolder)
    {
        string file = Path.Combine(runFolder, "plan.json");
        try
        {
            return PlanIdentity.Parse(File.ReadAllText(file));
        }
        catch (InvalidDataException damaged)
        {
            throw new InvalidDataException($"{file}: {damaged.Message}", damaged);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidDataException($"{runFolder}: there is no plan.json; expected the folder of a run, or of a Hugging Face model.", e);
        }
    }

    private static CheckpointManifest Checkpoint(string runFolder, long? step, out CheckpointStore store)
    {
        store = new CheckpointStore(PhysicalDisk.Instance, Path.Combine(runFolder, "checkpoints"));
        var seen = new List<FoundCheckpoint>();
        foreach (FoundCheckpoint found in store.Scan())
        {
            seen.Add(found);
            if (found is FoundCheckpoint.Intact intact && (step is null || found.Step == step))
            {
                return intact.Manifest;
            }
        }

        IEnumerable<string> steps = seen.Select(found => found is FoundCheckpoint.Damaged ? $"{found.Step} (damaged)" : $"{found.Step}");
        string there = seen.Count == 0 ? "it has none" : $"there are {string.Join(", ", steps)}";
        throw new InvalidDataException($"{runFolder}: there is no intact checkpoint{(step is null ? "" : $" of step {step}")}; {there}.");
    }

    private static string StartingFolder(string path, RunIdentity plan)
    {
        string folder = ModelFolders.Find(path), tokenizer = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(tokenizer))
        {
            throw new InvalidDataException(
                $"{path}: the model that the run started from is not there, and its tokenizer goes with the weights; "
                + "start the command where the run was started, or name the folder with --model.");
        }

        return TokenizerDigest.Of(folder, Tokenizers.Load(folder)) == plan.Tokenizer
            ? folder
            : throw new InvalidDataException($"{tokenizer}: is not the tokenizer that the run started with; name the folder of that model with --model.");
    }
}
