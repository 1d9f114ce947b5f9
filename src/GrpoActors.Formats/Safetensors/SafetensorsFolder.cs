using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Formats.Safetensors;

/// <summary>The weights of a Hugging Face folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.</summary>
public sealed class SafetensorsFolder : ITensorFiles
{
    public const string SingleFile = "model.safetensors";
    public const string IndexFile = "model.safetensors.index.json";

    private const long IndexBytesMax = 100_000_000;

    private readonly ImmutableArray<SafetensorsFile> _files;
    private readonly Dictionary<string, SafetensorsFile> _fileOf;

    private SafetensorsFolder(string path, ImmutableArray<SafetensorsFile> files, Dictionary<string, SafetensorsFile> fileOf)
    {
        (Path, _files, _fileOf) = (path, files, fileOf);
        Tensors = [.. fileOf.Select(pair => pair.Value.Find(pair.Key)!).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
    }

    public string Path { get; }

    public ImmutableArray<TensorEntry> Tensors { get; }

    /// <summary>Where both exist the single file is taken, as transformers does.</summary>
    /// <exception cref="SafetensorsFormatException">There is neither, or one of the files is wrong.</exception>
    public static SafetensorsFolder Open(string folder)
    {
        string single = System.IO.Path.Combine(folder, SingleFile), index = System.IO.Path.Combine(folder, IndexFile);
        if (File.Exists(single))
        {
            SafetensorsFile file = SafetensorsFile.Open(single);
            return new SafetensorsFolder(folder, [file], file.Tensors.ToDictionary(tensor => tensor.Name, _ => file, StringComparer.Ordinal));
        }

        if (!File.Exists(index))
        {
            throw new SafetensorsFormatException(folder, $"there is neither {SingleFile} nor {IndexFile}{InPlace(folder)}.");
        }

        return OpenShards(folder, index, ReadIndex(index));
    }

    // What lies there in the place of weights, and what to do about it.
    private static string InPlace(string folder)
    {
        bool Has(string pattern) => Directory.Exists(folder) && Directory.EnumerateFiles(folder, pattern).Any();
        return Has("adapter_model.*") ? "; adapter_model is a PEFT adapter: merge it into its base first (merge_and_unload, then save_pretrained)"
            : Has("pytorch_model*.bin") ? "; pytorch_model.bin is not read, as pickled files can run code: save the model as safetensors"
            : Has("*.pth") || Has("*.pt") ? "; PyTorch's own files (.pth, .pt) are not read, as pickled files can run code: save the model as safetensors"
            : Has("*.gguf") ? "; GGUF is not read: take the model's safetensors"
            : Has("model-*-of-*.safetensors") ? $"; there are shards without {IndexFile}: fetch it, too"
            : Has("*.safetensors") ? $"; weights under another name are not read: rename them to {SingleFile}, if they are in Hugging Face's layout"
            : "";
    }

    public TensorEntry? Find(string name) => _fileOf.TryGetValue(name, out SafetensorsFile? file) ? file.Find(name) : null;

    public void ReadFloat32(TensorEntry tensor, Span<float> destination) => _fileOf[tensor.Name].ReadFloat32(tensor, destination);

    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
        {
            file.Dispose();
        }
    }

    private static SafetensorsFolder OpenShards(string folder, string index, Dictionary<string, string> fileNameOf)
    {
        var files = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (string fileName in fileNameOf.Values.Distinct(StringComparer.Ordinal))
            {
                string path = System.IO.Path.Combine(folder, fileName);
                if (!File.Exists(path))
                {
                    throw new SafetensorsFormatException(index, $"it lists the shard '{fileName}', which is not there.");
                }

                files.Add(fileName, SafetensorsFile.Open(path));
            }

            foreach ((string name, string fileName) in fileNameOf)
            {
                if (files[fileName].Find(name) is null)
                {
                    throw new SafetensorsFormatException(index, $"it says that '{name}' is in {fileName}, which has no such tensor.");
                }
            }

            return new SafetensorsFolder(folder, [.. files.Values], fileNameOf.ToDictionary(pair => pair.Key, pair => files[pair.Value], StringComparer.Ordinal));
        }
        catch
        {
            foreach (SafetensorsFile file in files.Values)
            {
                file.Dispose();
            }

            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(string index)
    {
        if (LinkedFile.LengthBytes(index) > IndexBytesMax)
        {
            throw new SafetensorsFormatException(index, $"it has more than {IndexBytesMax} bytes.");
        }

        var fileNameOf = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(index), new JsonDocumentOptions { MaxDepth = 16 });
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
            {
                throw new SafetensorsFormatException(index, "expected an object with a key weight_map, which maps the names of tensors to files.");
            }

            foreach (JsonProperty entry in map.EnumerateObject())
            {
                string? fileName = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString() : null;
                if (fileName is null or "" or "." or ".." || fileName.AsSpan().ContainsAny("/\\:\0"))
                {
                    throw new SafetensorsFormatException(index, $"weight_map gives '{entry.Name}' something that is no plain file name of this folder: {Shown(entry.Value.GetRawText())}.");
                }

                if (!fileNameOf.TryAdd(entry.Name, fileName))
                {
                    throw new SafetensorsFormatException(index, $"weight_map names '{entry.Name}' twice.");
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new SafetensorsFormatException(index, $"broken JSON{(e is JsonException { LineNumber: { } line } ? $" in line {line + 1}" : "")}.");
        }

        return fileNameOf;
    }

    private static string Shown(string text) => text.Length <= 100 ? text : text[..100] + "…";
}
