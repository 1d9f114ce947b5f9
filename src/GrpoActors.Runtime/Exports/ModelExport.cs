using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Exports;

/// <summary>How weights are written.</summary>
/// <param name="Type">F32 keeps every bit; the 16-bit types round to nearest.</param>
/// <param name="ShardBytesMax">Larger weights are cut into shards with an index.</param>
public sealed record ExportOptions(WeightType Type = WeightType.F32, long ShardBytesMax = ExportOptions.DefaultShardBytesMax)
{
    public const long DefaultShardBytesMax = 5_000_000_000;
}

/// <param name="Folder">Full path.</param>
/// <param name="Files">In ordinal order.</param>
/// <param name="Step">Committed steps behind the weights; null for a model that was not trained here.</param>
/// <param name="WeightsSha256">Of the weights in float32, as the run's result and checkpoints give it.</param>
public sealed record ExportedModel(string Folder, ImmutableArray<string> Files, long? Step, Digest WeightsSha256);

/// <summary>
/// Writes a Hugging Face folder: tensors under their names, <c>config.json</c>, <c>generation_config.json</c>, the tokenizer's files byte for byte, a model
/// card. It is written aside and renamed, so that a folder of this name is whole.
/// </summary>
public static class ModelExport
{
    private const string Aside = ".part";

    // Whatever a tokenizer or a template may need, under the names that transformers looks for.
    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model",
        "chat_template.jinja", "chat_template.json", HuggingFaceConfig.GenerationConfigFile,
    ];

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A run's weights after a step.</summary>
    /// <param name="step">Null: the newest intact checkpoint.</param>
    /// <param name="modelFolder">Where the starting model lies now; null: where the plan says.</param>
    /// <exception cref="InvalidDataException">There is no such checkpoint, the target exists, or the starting model is another one. One sentence.</exception>
    /// <exception cref="StorageException">Files cannot be read or written.</exception>
    public static ExportedModel FromRun(string runFolder, long? step, string to, ExportOptions options, string? modelFolder = null)
    {
        RunPlan plan = Plan(runFolder);
        CheckpointManifest manifest = Checkpoint(runFolder, step, out CheckpointStore store);
        ModelSource source = plan.Identity.Model;
        string? folder = source.Path is null ? null : StartingFolder(modelFolder ?? source.Path, plan.Identity);
        IReadOnlyList<NamedTensor> weights = store.Load(manifest).Weights;
        return Write(to, manifest.Mark.Step, manifest.WeightsSha256, part =>
        {
            if (folder is not null)
            {
                CopyTokenizer(folder, part);
            }
            else
            {
                WriteTokenizer(source, part);
            }

            if (source.Chat?.TemplatePath is { } template)
            {
                File.Copy(template, Path.Combine(part, "chat_template.jinja"), overwrite: true);
            }

            WriteConfig(part, folder is null ? source.Config! : File.ReadAllText(Path.Combine(folder, HuggingFaceConfig.ConfigFile)), options.Type);
            WriteWeights(weights, part, options);
            File.WriteAllText(Path.Combine(part, "README.md"), ModelCard.Text(runFolder, plan, manifest, options));
        });
    }

    /// <summary>A Hugging Face folder that was not trained here: another type, other shards, the same model.</summary>
    /// <inheritdoc cref="FromRun"/>
    public static ExportedModel FromModel(string path, string to, ExportOptions options)
    {
        using PretrainedModel model = PretrainedModel.Open(path);
        PolicyWeights weights = model.Weights;
        return Write(to, null, weights.Policy, part =>
        {
            CopyTokenizer(model.Folder, part);
            WriteConfig(part, File.ReadAllText(Path.Combine(model.Folder, HuggingFaceConfig.ConfigFile)), options.Type);
            WriteWeights(weights.Tensors, part, options);
        });
    }

    private static ExportedModel Write(string to, long? step, Digest weights, Action<string> fill)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(to)), part = full + Aside;
        if (File.Exists(full) || (Directory.Exists(full) && Directory.EnumerateFileSystemEntries(full).Any()))
        {
            throw new InvalidDataException($"{full}: is there already; name a folder that is not, or an empty one.");
        }

        IDisk disk = PhysicalDisk.Instance;
        try
        {
            disk.DeleteFolder(part);
            disk.CreateFolder(part);
            fill(part);
            foreach (string file in Directory.EnumerateFiles(part))
            {
                using Stream written = disk.OpenReadWrite(file);
                disk.Flush(written);
            }

            disk.FlushFolder(part);
            disk.DeleteFolder(full); // an empty one
            disk.Rename(part, full);
            disk.FlushFolder(Path.GetDirectoryName(full)!);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("export the model", full, e);
        }

        return new ExportedModel(full, [.. Directory.EnumerateFiles(full).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)], step, weights);
    }

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

        string there = seen.Count == 0 ? "it has none" : $"there are {string.Join(", ", seen.Select(found => found is FoundCheckpoint.Damaged ? $"{found.Step} (damaged)" : $"{found.Step}"))}";
        throw new InvalidDataException($"{runFolder}: there is no intact checkpoint{(step is null ? "" : $" of step {step}")}; {there}.");
    }

    private static string StartingFolder(string path, RunIdentity plan)
    {
        string folder = ModelFolders.Find(path), tokenizer = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(tokenizer))
        {
            throw new InvalidDataException($"{path}: the model that the run started from is not there, and its tokenizer goes with the weights; start the command where the run was started, or name the folder with --model.");
        }

        return Digest.FromBytes(SHA256.HashData(File.ReadAllBytes(tokenizer))) == plan.Tokenizer
            ? folder
            : throw new InvalidDataException($"{tokenizer}: is not the tokenizer that the run started with; name the folder of that model with --model.");
    }

    private static void CopyTokenizer(string from, string to)
    {
        foreach (string name in TokenizerFiles.Where(name => File.Exists(Path.Combine(from, name))))
        {
            File.WriteAllBytes(Path.Combine(to, name), File.ReadAllBytes(Path.Combine(from, name))); // not a copy of a link, nor of its read-only mode
        }
    }

    private static void WriteTokenizer(ModelSource source, string to)
    {
        TokenizerOptions options = source.Tokenizer ?? throw new InvalidDataException("The plan has neither a model folder nor a tokenizer.");
        CharacterTokenizer tokenizer = TokenizerOf(options);
        File.WriteAllText(Path.Combine(to, "tokenizer.json"), tokenizer.ToJson());
        WriteJson(to, "tokenizer_config.json", new JsonObject
        {
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
            ["pad_token"] = options.PadToken,
            ["bos_token"] = options.BosToken,
            ["eos_token"] = options.EosToken,
            ["clean_up_tokenization_spaces"] = false,
        });
        WriteJson(to, HuggingFaceConfig.GenerationConfigFile, new JsonObject
        {
            ["pad_token_id"] = tokenizer.TokenId(options.PadToken),
            ["bos_token_id"] = tokenizer.TokenId(options.BosToken),
            ["eos_token_id"] = tokenizer.TokenId(options.EosToken),
        });
    }

    private static CharacterTokenizer TokenizerOf(TokenizerOptions options) =>
        CharacterTokenizer.Create(options.Characters, [options.PadToken, options.BosToken, options.EosToken], options.WholeTokens);

    /// <summary>The starting model's, byte for byte where it names this type already.</summary>
    private static void WriteConfig(string to, string config, WeightType type)
    {
        string named = type switch { WeightType.BF16 => "bfloat16", WeightType.F16 => "float16", _ => "float32" };
        JsonObject json = JsonNode.Parse(config)!.AsObject();
        string key = json.ContainsKey("torch_dtype") && !json.ContainsKey("dtype") ? "torch_dtype" : "dtype";
        if (json[key] is JsonValue value && value.TryGetValue(out string? before) && before == named)
        {
            File.WriteAllText(Path.Combine(to, HuggingFaceConfig.ConfigFile), config, new UTF8Encoding(false));
            return;
        }

        json[key] = named;
        WriteJson(to, HuggingFaceConfig.ConfigFile, json);
    }

    private static void WriteJson(string to, string name, JsonObject json) => File.WriteAllText(Path.Combine(to, name), json.ToJsonString(Readable) + "\n");

    private static void WriteWeights(IReadOnlyList<NamedTensor> weights, string to, ExportOptions options)
    {
        try
        {
            SafetensorsWriter.WriteFolder(
                weights.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values)), options.Type, options.ShardBytesMax, name => PhysicalDisk.Instance.Create(Path.Combine(to, name)));
        }
        catch (ArgumentException tooLarge)
        {
            throw new InvalidDataException(tooLarge.Message, tooLarge);
        }
    }
}
