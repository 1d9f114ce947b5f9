using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub;
using GrpoActors.Rewards;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Runtime.Composition;

/// <summary>What a plan must know of this machine's files, engines and rewards. Each thing is read once.</summary>
/// <param name="withRows">Encode the rows of data files too, and report those that the run would refuse; else only where their number depends on it.</param>
internal sealed class HostFacts(RewardRegistry rewards, bool withRows = false) : IPlanFacts
{
    private (ModelOptions Options, ModelSourceFiles Files)? opened;

    public Finding<EngineFacts> Engine(string name, DevicePlan device, int threads)
    {
        Finding<IEngineProvider> found = EngineProviders.Find(name);
        if (found.Value is not { } engine)
        {
            return new Finding<EngineFacts>(null, found.Errors);
        }

        Finding<string> revision = engine.RevisionOn(new EngineOptions(RunComposition.Threads(threads), 1, Device: device));
        return revision.Value is { } known ? new EngineFacts(known) : new Finding<EngineFacts>(null, revision.Errors);
    }

    public Finding<ModelFacts> Model(ModelOptions model, ulong seed)
    {
        if (ChatTemplate(model.Chat?.TemplatePath) is { } mistake)
        {
            return mistake;
        }

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
            return new ConfigError("", $"cannot be used: {(DiskFailure.Is(unusable) ? DiskFailure.Sentence(unusable) : unusable.Message)}", model.Path is null ? "Mend the description." : "Name a Hugging Face folder with config.json, tokenizer.json and safetensors weights, or fetch one with grpo pull OWNER/NAME.");
        }
    }

    public Finding<DataFacts> Data(DataOptions data, ModelOptions? model)
    {
        ModelSourceFiles? files = opened is { } known && known.Options == model ? known.Files : null;
        RowEncoder? encoder = files?.Encoder(model?.Chat);
        Finding<DataFacts> found = withRows || data.Overlong == OverlongPrompts.Filter
            ? DataFile.Facts(data, encoder, files?.Spec.ContextLength ?? 0)
            : DataFile.Facts(data, encoder: null, context: 0);
        return found.Value is { } facts && encoder is not null ? facts with { Warnings = DataFile.CrossingTokens(data, encoder) } : found;
    }

    public Finding<RewardFacts> Reward(string kind, string settings)
    {
        RewardMade made = rewards.Make(kind, settings);
        return made.Reward is { } reward
            ? new RewardFacts(reward.Revision, reward.NeedsAnswer, reward.Objection, made.Warnings)
            : new Finding<RewardFacts>(null, made.Errors);
    }

    private static ConfigError? ChatTemplate(string? path)
    {
        try
        {
            _ = path is null ? null : ModelChat.Read(null, path);
            return null;
        }
        catch (Exception unreadable) when (DiskFailure.Is(unreadable))
        {
            return new(ModelOptions.ChatTemplateKey, $"is \"{path}\", which cannot be read: {DiskFailure.Reason(unreadable)}.", "Name an existing Jinja file; paths are relative to the run file.");
        }
        catch (Exception unusable) when (unusable is TemplateException or InvalidDataException)
        {
            return new(ModelOptions.ChatTemplateKey, $"is \"{path}\", which cannot be used: {unusable.Message}", "Mend the template, or remove the key for the model's own.");
        }
    }
}
