using System.Collections.Immutable;

namespace GrpoActors.Core.Plans;

/// <summary>What a plan must know of the world. A host reads it from files; a test states it. Nothing here throws: what cannot be had is an error.</summary>
public interface IPlanFacts
{
    /// <param name="device">Where it is to calculate; errors about it have its keys.</param>
    /// <param name="threads">0: one for each core.</param>
    Finding<EngineFacts> Engine(string name, DevicePlan device, int threads);

    /// <param name="model">Where the policy comes from.</param>
    /// <param name="seed">Key of a random start.</param>
    Finding<ModelFacts> Model(ModelOptions model, ulong seed);

    /// <param name="model">Whose tokenizer and chat template the rows are for; null where it could not be had.</param>
    Finding<DataFacts> Data(DataOptions data, ModelOptions? model);

    /// <param name="settings">Canonical JSON.</param>
    Finding<RewardFacts> Reward(string kind, string settings);
}

/// <summary>What was found, or why it cannot be had.</summary>
/// <param name="Errors">Keys are relative to the setting that was asked about: "" for itself, <c>pattern</c> for a key within.</param>
public sealed record Finding<T>(T? Value, ImmutableArray<ConfigError> Errors)
    where T : class
{
    public static implicit operator Finding<T>(T value) => new(value, []);

    public static implicit operator Finding<T>(ConfigError error) => new(null, [error]);
}

/// <param name="NumericsRevision">Raised whenever a kernel's bits change.</param>
public sealed record EngineFacts(string NumericsRevision);

/// <summary>The model as the run file names it.</summary>
/// <param name="Path">Relative to the current folder, or absolute; null for a random start.</param>
/// <param name="Config">Canonical JSON; null for a folder.</param>
/// <param name="Tokenizer">Null for a folder.</param>
/// <param name="Chat">Null where the run file says nothing about conversations.</param>
public sealed record ModelOptions(string? Path, string? Config, TokenizerOptions? Tokenizer, ChatOptions? Chat = null)
{
    /// <summary>Key of errors that are about the template file of <see cref="Chat"/>, not about the model.</summary>
    public const string ChatTemplateKey = "chat.chat_template_path";
}

/// <param name="TemplatePath">A Jinja file; null: the model's own template.</param>
/// <param name="Variables">Canonical JSON object.</param>
public sealed record ChatOptions(string? TemplatePath, bool ApplyToPrompts, string? System, string Variables);

/// <summary>A character tokenizer: ids are pad, bos, eos, the whole tokens, the characters.</summary>
public sealed record TokenizerOptions(string Characters, string PadToken, string BosToken, string EosToken, ImmutableArray<string> WholeTokens);

/// <param name="Config">Canonical JSON of the complete <c>config.json</c> form.</param>
/// <param name="ContextLength">Most tokens that prompt and completion may have together.</param>
/// <param name="EosTokens">Ids that end a completion.</param>
/// <param name="StartingWeights">weightsSha256 of version 0.</param>
/// <param name="Tokenizer">SHA-256 of the tokenizer's file.</param>
/// <param name="ChatTemplate">SHA-256 of the chat template's text; null where there is none.</param>
public sealed record ModelFacts(
    string Config, int VocabularySize, int ContextLength, ImmutableArray<int> EosTokens, Digest StartingWeights, Digest Tokenizer, Digest? ChatTemplate = null)
{
    /// <summary>What is allowed but may surprise; each continues the setting's key: "the model's files ...".</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];
}

/// <summary>Which columns a data file must have.</summary>
public enum DataUse : byte
{
    /// <summary>prompt and completion.</summary>
    Examples = 0,
    /// <summary>prompt, and what the rewards ask for.</summary>
    Prompts = 1,
}

/// <summary>A data file as the run file names it.</summary>
/// <param name="Path">Relative to the current folder, or absolute.</param>
/// <param name="MaxPromptLength">In tokens.</param>
public sealed record DataOptions(string Path, DataUse Use, DataColumns Columns, int MaxPromptLength, OverlongPrompts Overlong);

/// <param name="Rows">After filtering.</param>
/// <param name="Sha256">Of the file's bytes.</param>
/// <param name="Answers">Rows that have the answer column; null: not counted.</param>
public sealed record DataFacts(long Rows, Digest Sha256, long? Answers = null)
{
    /// <summary>What is allowed but may surprise; each continues the setting's key.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];
}

/// <param name="Revision">Raised when the function's results change.</param>
/// <param name="NeedsAnswer">It abstains where a row has no answer.</param>
/// <param name="Objection">Why its calls will fail on this machine, as a clause; null: nothing is known.</param>
/// <param name="Warnings">What is allowed in its settings but may surprise; each continues "rewards.NAME.settings.": "pattern has look-around, ...".</param>
public sealed record RewardFacts(int Revision, bool NeedsAnswer = false, string? Objection = null, ImmutableArray<string> Warnings = default);
