using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Text;

namespace GrpoActors.Hub;

/// <summary>A Hugging Face folder: description, tokenizer, chat template, weights. Tokenizer and weights are read when they are first asked for.</summary>
public sealed class PretrainedModel : IDisposable
{
    private readonly Lazy<ITokenizer> tokenizer;
    private readonly ITensorFiles tensors;
    private readonly Lazy<PolicyWeights> weights;

    private PretrainedModel(string folder, ModelSpec spec, ModelChat? chat, ITensorFiles tensors)
    {
        (Folder, Spec, Chat, this.tensors) = (folder, spec, chat, tensors);
        tokenizer = new(LoadTokenizer);
        weights = new(() => WeightFiles.Read(tensors, spec));
    }

    public string Folder { get; }

    public ModelSpec Spec { get; }

    /// <summary>Read when it is first asked for: whoever works with ids needs none.</summary>
    /// <exception cref="FileNotFoundException">The folder has no tokenizer.json.</exception>
    /// <exception cref="TokenizerFormatException">tokenizer.json cannot be used.</exception>
    /// <exception cref="InvalidDataException">It has tokens that the embedding has no row for.</exception>
    public ITokenizer Tokenizer => tokenizer.Value;

    /// <summary>Null where the folder has no chat template.</summary>
    public ModelChat? Chat { get; }

    /// <summary>As float32, version 0.</summary>
    /// <exception cref="SafetensorsFormatException">A tensor is missing, of another shape, unknown, or holds NaN or infinity.</exception>
    public PolicyWeights Weights => weights.Value;

    /// <param name="path">A folder, or OWNER/NAME of a model that was pulled.</param>
    /// <exception cref="HuggingFaceFormatException">config.json cannot be used.</exception>
    /// <exception cref="UnsupportedModelException">It describes a model that the engine does not have.</exception>
    /// <exception cref="SafetensorsFormatException">The weights' files are not whole.</exception>
    /// <exception cref="GrpoActors.Text.Templates.TemplateException">The chat template is none.</exception>
    /// <exception cref="InvalidDataException">A file beside it is no JSON of the usual form.</exception>
    public static PretrainedModel Open(string path)
    {
        string folder = ModelFolders.Find(path);
        return new PretrainedModel(folder, ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder)), ModelChat.Read(folder), SafetensorsFolder.Open(folder));
    }

    /// <exception cref="InvalidDataException">The tokenizer has tokens that the embedding has no row for.</exception>
    public static void RefuseLarger(string model, ITokenizer tokenizer, ModelSpec spec)
    {
        if (tokenizer.VocabularySize > spec.VocabularySize)
        {
            AddedToken? declared = tokenizer.AddedTokens.FirstOrDefault(token => token.Declared && token.Id >= spec.VocabularySize);
            throw new InvalidDataException(
                $"{model}: its tokenizer has {tokenizer.VocabularySize} tokens and its embedding {spec.VocabularySize} rows; "
                + "the embedding may have more rows, never fewer."
                + (declared is null
                    ? ""
                    : $" The token '{declared.Content}' stands in no tokenizer.json, only in a file beside it: resize the embedding, or remove the token there."));
        }
    }

    public void Dispose() => tensors.Dispose();

    private ITokenizer LoadTokenizer()
    {
        ITokenizer loaded = Tokenizers.Load(Folder);
        RefuseLarger(Folder, loaded, Spec);
        return loaded;
    }
}
