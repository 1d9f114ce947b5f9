using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Jsonl;
using GrpoActors.Hub;
using GrpoActors.Runtime.Composition;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Recorded;

/// <summary>A policy that can be asked: a checkpoint of a run, or a Hugging Face folder.</summary>
public sealed class LoadedPolicy
{
    private readonly RowEncoder encoder;
    private readonly ChatOptions? chatOptions;

    private LoadedPolicy(string name, ModelSourceFiles files, ChatOptions? chatOptions, PolicyWeights weights, RunPlan? plan)
    {
        (Name, Spec, Tokenizer, Chat, Weights, Plan) = (name, files.Spec, files.Tokenizer, files.Chat, weights, plan);
        this.chatOptions = chatOptions;
        Warning = plan is null ? files.Ends.Disagreement : null; // a run's plan has settled it
        encoder = files.Encoder(chatOptions);
    }

    /// <summary>Folder as it was named.</summary>
    public string Name { get; }

    public ModelSpec Spec { get; }

    public ITokenizer Tokenizer { get; }

    /// <summary>Null where there is no chat template.</summary>
    public ModelChat? Chat { get; }

    public PolicyWeights Weights { get; }

    /// <summary>Null for a model that is no run's.</summary>
    public RunPlan? Plan { get; }

    /// <summary>What a user of the model should know, in one sentence; null: nothing.</summary>
    public string? Warning { get; }

    /// <summary>How the run reads its rows and samples; null for a model.</summary>
    public PhasePlan? Phase => Plan?.Identity.Phases.FirstOrDefault(phase => phase.Group is not null);

    /// <summary>The run's variables of the chat template, as JSON.</summary>
    public string ChatVariables => chatOptions?.Variables ?? "{}";

    /// <param name="path">A run folder, a Hugging Face folder, or OWNER/NAME of a model that was pulled.</param>
    /// <param name="step">A run's checkpoint; null: the newest.</param>
    /// <param name="applyToPrompts">A model's: render prompts as messages of the user. A run keeps to its plan.</param>
    /// <exception cref="InvalidDataException">It is neither, or lacks what was asked for; one sentence.</exception>
    /// <exception cref="StorageException">The run or its checkpoint cannot be read.</exception>
    public static LoadedPolicy Open(string path, long? step = null, bool applyToPrompts = false)
    {
        if (!File.Exists(Path.Combine(path, "plan.json")))
        {
            return step is null
                ? FromModel(path, applyToPrompts)
                : throw new InvalidDataException($"{path}: is no run folder, so that it has no step {step}.");
        }

        RecordedRun run = RecordedRun.Open(path);
        ModelSource source = run.Plan.Identity.Model;
        ChatOptions? chat = source.Chat is { } planned ? new ChatOptions(planned.TemplatePath, planned.ApplyToPrompts, planned.System, planned.Variables) : null;
        ModelSourceFiles files = ModelSourceFiles.Open(new ModelOptions(source.Path, source.Config, source.Tokenizer, chat), run.Plan.Identity.Seed);
        return new LoadedPolicy(path, files, chat, run.Weights(step), run.Plan);
    }

    /// <summary>The engine of the run's plan; of a model that no run trained, the default one.</summary>
    /// <param name="threads">0: one for each core.</param>
    /// <exception cref="ConfigException">This program has no engine of the run's name.</exception>
    public IEngine OpenEngine(int threads, int microBatchTokens = 2048) => EngineProviders.Open(
        Plan?.Identity.Engine ?? RunIdentity.DefaultEngine, Spec, new EngineOptions(RunComposition.Threads(threads), microBatchTokens, Device: Plan?.Operation.Device));

    /// <summary>The rows of a data file as prompts.</summary>
    /// <exception cref="ConfigException">A row is too long or cannot be encoded; names its line.</exception>
    public PromptTable Read(string dataFile, DataColumns columns, int maxCompletionLength) => DataFile.Read(
        new DataPlan(dataFile, 0, default, Math.Max(1, Spec.ContextLength - maxCompletionLength), OverlongPrompts.Refuse, columns),
        DataUse.Prompts, encoder, Spec.ContextLength, maxCompletionLength, dataFile);

    /// <summary>One prompt, as a row with this text would be read.</summary>
    /// <exception cref="InvalidDataException">It cannot be encoded, or its template refuses it.</exception>
    public PromptRow Prompt(string text, DataColumns columns)
    {
        try
        {
            return encoder.Encode(new JsonlRow(1, text, null, null, null, ImmutableSortedDictionary<string, JsonElement>.Empty), columns, DataUse.Prompts);
        }
        catch (RowException wrong)
        {
            throw new InvalidDataException($"The prompt {wrong.Message}.", wrong);
        }
    }

    private static LoadedPolicy FromModel(string path, bool applyToPrompts)
    {
        ModelSourceFiles files = ModelSourceFiles.FromFolder(ModelFolders.Find(path));
        PretrainedModel.RefuseLarger(path, files.Tokenizer, files.Spec);
        if (applyToPrompts && files.Chat is null)
        {
            throw new InvalidDataException($"{path}: has no chat template.");
        }

        return new LoadedPolicy(path, files, new ChatOptions(null, applyToPrompts, null, "{}"), files.StartingWeights(), null);
    }
}
