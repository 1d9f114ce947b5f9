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

    private ModelSourceFiles(ModelSpec spec, ITokenizer tokenizer, Digest tokenizerSha256, string config, ModelChat? chat, Func<PolicyWeights> weights)
    {
        Spec = spec;
        Tokenizer = tokenizer;
        TokenizerSha256 = tokenizerSha256;
        Config = config;
        Chat = chat;
        this.weights = weights;
    }

    public ModelSpec Spec { get; }

    public ITokenizer Tokenizer { get; }

    public Digest TokenizerSha256 { get; }

    /// <summary>JSON.</summary>
    public string Config { get; }

    /// <summary>Null where the model has no chat template.</summary>
    public ModelChat? Chat { get; }

    public PolicyWeights StartingWeights() => weights();

    public RowEncoder Encoder(ChatOptions? chat) => new(Tokenizer, Chat, chat, Spec.EosTokens.Count > 0 ? Spec.EosTokens[0] : throw new ArgumentException("The model names no eos_token_id."));

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
        string file = Path.Combine(folder, "tokenizer.json");
        return new ModelSourceFiles(
            spec, Tokenizers.Load(folder), Digest.FromBytes(SHA256.HashData(File.ReadAllBytes(file))), File.ReadAllText(Path.Combine(folder, HuggingFaceConfig.ConfigFile)), ModelChat.Read(folder, templatePath), () =>
            {
                using ITensorFiles tensors = SafetensorsFolder.Open(folder);
                return WeightFiles.Read(tensors, spec);
            });
    }

    private static ModelSourceFiles FromDescription(string config, TokenizerOptions options, string? templatePath, ulong seed)
    {
        var tokenizer = CharacterTokenizer.Create(options.Characters, [options.PadToken, options.BosToken, options.EosToken], options.WholeTokens);
        string complete = ModelDescription.Complete(config, tokenizer, options);
        ModelSpec spec = ModelSpecs.FromConfig(HuggingFaceConfig.Parse(complete, "model.config"));
        Digest sha256 = Digest.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(tokenizer.ToJson())));
        return new ModelSourceFiles(spec, tokenizer, sha256, complete, ModelChat.Read(null, templatePath), () => Initialisation.Random(spec, new SeedTree(seed)));
    }
}
