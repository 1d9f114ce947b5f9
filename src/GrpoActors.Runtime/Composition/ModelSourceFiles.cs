using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Runtime.Composition;

/// <summary>A policy's description, tokenizer and starting weights: from a Hugging Face folder, or from a run file's own description and a seed.</summary>
internal sealed class ModelSourceFiles
{
    private readonly Func<PolicyWeights> weights;

    private ModelSourceFiles(
        ModelSpec spec, ITokenizer tokenizer, Digest tokenizerSha256, string config, ModelChat? chat, TurnEnds ends, Func<PolicyWeights> weights)
    {
        Spec = spec with { EosTokens = ends.Ids };
        Tokenizer = tokenizer;
        TokenizerSha256 = tokenizerSha256;
        Config = config;
        Chat = chat;
        Ends = ends;
        this.weights = weights;
    }

    public ModelSpec Spec { get; }

    public ITokenizer Tokenizer { get; }

    public Digest TokenizerSha256 { get; }

    /// <summary>JSON.</summary>
    public string Config { get; }

    /// <summary>Null where the model has no chat template.</summary>
    public ModelChat? Chat { get; }

    public TurnEnds Ends { get; }

    public PolicyWeights StartingWeights() => weights();

    /// <exception cref="InvalidDataException">No token ends a completion.</exception>
    public RowEncoder Encoder(ChatOptions? chat) => Ends.Ids.IsEmpty
        ? throw new InvalidDataException(
            "The model names no eos_token_id, so that no completion could end. "
            + "Add it to its generation_config.json or config.json, or eos_token to tokenizer_config.json.")
        : new RowEncoder(Tokenizer, Chat, chat, Ends);

    /// <exception cref="HuggingFaceFormatException">config.json cannot be used.</exception>
    /// <exception cref="UnsupportedModelException">It describes a model that the engine does not have.</exception>
    /// <exception cref="TokenizerFormatException">tokenizer.json cannot be used.</exception>
    /// <exception cref="TemplateException">The chat template is none.</exception>
    /// <exception cref="InvalidDataException">A file beside it is no JSON of the usual form.</exception>
    public static ModelSourceFiles Open(ModelOptions model, ulong seed) =>
        model.Path is { } path ? FromFolder(ModelFolders.Find(path), model.Chat?.TemplatePath) : FromDescription(model.Config!, model.Tokenizer!, model.Chat?.TemplatePath, seed);

    /// <summary>A Hugging Face folder, as a command names it: its path, or OWNER/NAME of a model that was pulled.</summary>
    public static ModelSourceFiles FromFolder(string folder, string? templatePath = null)
    {
        HuggingFaceConfig config = HuggingFaceConfig.Read(folder);
        ModelSpec spec = ModelSpecs.FromConfig(config);
        ITokenizer tokenizer = Tokenizers.Load(folder);
        ModelChat? chat = ModelChat.Read(folder, templatePath);
        string text = File.ReadAllText(Path.Combine(folder, HuggingFaceConfig.ConfigFile));
        return new ModelSourceFiles(
            spec, tokenizer, TokenizerDigest.Of(folder, tokenizer), text, chat, TurnEnds.Read(folder, config, tokenizer, chat), () =>
            {
                using ITensorFiles tensors = SafetensorsFolder.Open(folder);
                return WeightFiles.Read(tensors, spec);
            });
    }

    private static ModelSourceFiles FromDescription(string config, TokenizerOptions options, string? templatePath, ulong seed)
    {
        var tokenizer = CharacterTokenizer.Create(options.Characters, [options.PadToken, options.BosToken, options.EosToken], options.WholeTokens);
        string complete = ModelDescription.Complete(config, tokenizer, options);
        HuggingFaceConfig read = HuggingFaceConfig.Parse(complete, "model.config");
        ModelSpec spec = ModelSpecs.FromConfig(read);
        ModelChat? chat = ModelChat.Read(null, templatePath);
        Digest sha256 = Digest.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(tokenizer.ToJson())));
        return new ModelSourceFiles(
            spec, tokenizer, sha256, complete, chat, TurnEnds.Of(read, tokenizer, options.EosToken, chat), () => Initialisation.Random(spec, new SeedTree(seed)));
    }
}
