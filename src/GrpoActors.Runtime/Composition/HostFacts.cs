using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Rewards;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Runtime.Composition;

/// <summary>What a plan must know of this machine's files, engines and rewards. Each thing is read once.</summary>
internal sealed class HostFacts(RewardRegistry rewards) : IPlanFacts
{
    private (ModelOptions Options, ModelSourceFiles Files)? opened;

    public Finding<EngineFacts> Engine(string name)
    {
        Finding<IEngineProvider> found = EngineProviders.Find(name);
        return found.Value is { } engine ? new EngineFacts(engine.NumericsRevision) : new Finding<EngineFacts>(null, found.Errors);
    }

    public Finding<ModelFacts> Model(ModelOptions model, ulong seed)
    {
        try
        {
            ModelSourceFiles files = ModelSourceFiles.Open(model, seed);
            opened = (model, files);
            if (files.Tokenizer.VocabularySize > files.Spec.VocabularySize)
            {
                string? declared = files.Tokenizer.AddedTokens.FirstOrDefault(token => token.Declared && token.Id >= files.Spec.VocabularySize)?.Content;
                return new ConfigError(
                    "", $"has a tokenizer of {files.Tokenizer.VocabularySize} tokens and an embedding of {files.Spec.VocabularySize} rows.",
                    declared is null
                        ? "They must fit: the embedding may have more rows, never fewer."
                        : $"The token '{declared}' stands in no tokenizer.json, only in a file beside it: resize the embedding, or remove the token there.");
            }

            if (files.Spec.EosTokens.Count == 0)
            {
                return new ConfigError(
                    "", "names no eos_token_id, so that no completion could end.",
                    "Add it to generation_config.json or config.json, or eos_token to tokenizer_config.json.");
            }

            PolicyWeights weights = files.StartingWeights();
            return new ModelFacts(
                files.Config, files.Spec.VocabularySize, files.Spec.ContextLength, [.. files.Spec.EosTokens], weights.Policy,
                files.TokenizerSha256, files.Chat?.Sha256)
            {
                Warnings = files.Ends.Disagreement is { } disagreement ? [disagreement] : [],
            };
        }
        catch (Exception unusable) when (unusable is HuggingFaceFormatException or UnsupportedModelException or TokenizerFormatException or SafetensorsFormatException or TemplateException or InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new ConfigError("", $"cannot be used: {unusable.Message}", model.Path is null ? "Mend the description." : "Name a Hugging Face folder with config.json, tokenizer.json and safetensors weights, or fetch one with grpo pull OWNER/NAME.");
        }
    }

    public Finding<DataFacts> Data(DataOptions data, ModelOptions? model)
    {
        RowEncoder? encoder = opened is { } known && known.Options == model ? known.Files.Encoder(model.Chat) : null;
        Finding<DataFacts> found = DataFile.Facts(data, encoder);
        return found.Value is { } facts && encoder is not null ? facts with { Warnings = DataFile.CrossingTokens(data, encoder) } : found;
    }

    public Finding<RewardFacts> Reward(string kind, string settings)
    {
        RewardMade made = rewards.Make(kind, settings);
        return made.Reward is { } reward
            ? new RewardFacts(reward.Revision)
            : new Finding<RewardFacts>(null, made.Errors);
    }
}
