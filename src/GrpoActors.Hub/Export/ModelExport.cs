using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;

namespace GrpoActors.Hub.Export;

/// <summary>A Hugging Face folder once more: another type, other shards, the same model.</summary>
public static class ModelExport
{
    /// <param name="path">A folder, or OWNER/NAME of a model that was pulled.</param>
    /// <param name="to">The folder to write; it must not exist, or be empty.</param>
    /// <exception cref="InvalidDataException">The target exists, or the model cannot be used. One sentence.</exception>
    /// <exception cref="StorageException">The folder cannot be written.</exception>
    /// <remarks>A model that cannot be used throws as <see cref="PretrainedModel.Open"/> does.</remarks>
    public static ExportedModel FromModel(string path, string to, ExportOptions options)
    {
        using PretrainedModel model = PretrainedModel.Open(path);
        PolicyWeights weights = model.Weights;
        string config = File.ReadAllText(Path.Combine(model.Folder, HuggingFaceConfig.ConfigFile));
        var content = new ModelContent(weights.Tensors, weights.Policy, null, config, new TokenizerSource.FromFolder(model.Folder));
        return ModelFolderWriter.Write(to, content, options);
    }
}
