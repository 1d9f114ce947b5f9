using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Text;

namespace GrpoActors.Hub.Export;

/// <summary>
/// Writes a Hugging Face folder: tensors under their names, <c>config.json</c>, the tokenizer's files, a model card. It is written aside and renamed, so
/// that a folder of this name is whole.
/// </summary>
public static class ModelFolderWriter
{
    private const string Aside = ".part";

    // Whatever a tokenizer or a template may need, under the names that transformers looks for.
    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model",
        "chat_template.jinja", "chat_template.json", HuggingFaceConfig.GenerationConfigFile,
    ];

    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <param name="to">The folder to write; it must not exist, or be empty.</param>
    /// <exception cref="InvalidDataException">The target exists, or a tensor is larger than a shard may be. One sentence.</exception>
    /// <exception cref="StorageException">Files cannot be read or written.</exception>
    public static ExportedModel Write(string to, ModelContent content, ExportOptions options)
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
            Fill(part, content, options);
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

        string[] files = [.. Directory.EnumerateFiles(full).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        return new ExportedModel(full, [.. files], content.Step, content.WeightsSha256);
    }

    private static void Fill(string folder, ModelContent content, ExportOptions options)
    {
        switch (content.Tokenizer)
        {
            case TokenizerSource.FromFolder from:
                CopyTokenizer(from.Folder, folder);
                break;
            case TokenizerSource.FromDescription described:
                WriteTokenizer(described.Options, folder);
                break;
            default:
                throw new InvalidOperationException($"Unknown source {content.Tokenizer.GetType().Name}.");
        }

        if (content.ChatTemplatePath is { } template)
        {
            File.Copy(template, Path.Combine(folder, "chat_template.jinja"), overwrite: true);
        }

        WriteConfig(folder, content.Config, options.Type);
        WriteWeights(folder, content.Tensors, options);
        if (content.Card is { } card)
        {
            File.WriteAllText(Path.Combine(folder, "README.md"), card);
        }
    }

    private static void CopyTokenizer(string from, string to)
    {
        foreach (string name in TokenizerFiles.Where(name => File.Exists(Path.Combine(from, name))))
        {
            File.WriteAllBytes(Path.Combine(to, name), File.ReadAllBytes(Path.Combine(from, name))); // not a copy of a link, nor of its read-only mode
        }
    }

    private static void WriteTokenizer(TokenizerOptions options, string to)
    {
        var tokenizer = CharacterTokenizer.Create(options.Characters, [options.PadToken, options.BosToken, options.EosToken], options.WholeTokens);
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

    /// <summary>As it is given, byte for byte where it names this type already.</summary>
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

    private static void WriteWeights(string to, IReadOnlyList<NamedTensor> tensors, ExportOptions options)
    {
        IEnumerable<TensorSource> sources = tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values));
        try
        {
            SafetensorsWriter.WriteFolder(sources, options.Type, options.ShardBytesMax, name => PhysicalDisk.Instance.Create(Path.Combine(to, name)));
        }
        catch (ArgumentException tooLarge)
        {
            throw new InvalidDataException(tooLarge.Message, tooLarge);
        }
    }
}
