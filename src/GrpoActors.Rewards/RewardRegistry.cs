using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards.Code;
using GrpoActors.Rewards.Isolation;
using GrpoActors.Rewards.Rules;

namespace GrpoActors.Rewards;

/// <summary>Makes a reward of its settings. Mistakes are told through <see cref="RewardSettings.Wrong"/>; what is returned then is not used.</summary>
public delegate IReward? RewardFactory(RewardSettings settings);

/// <summary>A reward, or all that is wrong with its kind and settings.</summary>
/// <param name="Errors">Keys are relative to the settings; "" is the kind itself.</param>
/// <param name="Warnings">What is allowed but may surprise; each begins with its key.</param>
public sealed record RewardMade(IReward? Reward, ImmutableArray<ConfigError> Errors, ImmutableArray<string> Warnings);

/// <summary>The reward functions that a run file can name, by kind. Immutable.</summary>
public sealed class RewardRegistry
{
    private readonly ImmutableSortedDictionary<string, RewardFactory> _factories;

    private RewardRegistry(ImmutableSortedDictionary<string, RewardFactory> factories) => _factories = factories;

    public static RewardRegistry BuiltIn { get; } = new RewardRegistry(ImmutableSortedDictionary.Create<string, RewardFactory>(StringComparer.Ordinal))
        .With(ExactAnswer.Kind, ExactAnswer.From)
        .With(NumberAnswer.Kind, NumberAnswer.From)
        .With(RegexFormat.Kind, RegexFormat.From)
        .With(CompletionLength.Kind, CompletionLength.From)
        .With(ProcessReward.Kind, ProcessReward.From)
        .With(TagRules.ThinkFormatKind, TagRules.ThinkFormat)
        .With(TagRules.FormatKind, TagRules.Format)
        .With(TagRules.TagCountKind, TagRules.TagCount)
        .With(TagRules.CompletenessKind, TagRules.Completeness)
        .With(ReasoningRules.ConsistencyKind, ReasoningRules.Consistency)
        .With(ReasoningRules.CoherenceKind, ReasoningRules.Coherence)
        .With(ReasoningRules.StepsKind, ReasoningRules.Steps)
        .With(LanguageRules.ConsistencyKind, LanguageRules.Consistency)
        .With(LanguageRules.FluencyKind, LanguageRules.Fluency)
        .With(LanguageRules.RepetitionKind, LanguageRules.Repetition)
        .With(LanguageRules.WordFilterKind, LanguageRules.WordFilter)
        .With(CosineLength.Kind, CosineLength.From)
        .With(JsonSchemaMatch.Kind, JsonSchemaMatch.From)
        .With(CodeReward.Kind, CodeReward.From);

    public IEnumerable<string> Kinds => _factories.Keys;

    /// <exception cref="ArgumentException">The kind is taken.</exception>
    public RewardRegistry With(string kind, RewardFactory factory) => _factories.ContainsKey(kind)
        ? throw new ArgumentException($"There is already a reward of kind {kind}.", nameof(kind))
        : new RewardRegistry(_factories.Add(kind, factory));

    /// <summary>A reward without settings, under its own name; for example a <see cref="DelegateReward"/>.</summary>
    public RewardRegistry With(IReward reward) => With(reward.Name, _ => reward);

    /// <param name="settings">JSON object; "" is the empty one.</param>
    public RewardMade Make(string kind, string settings)
    {
        if (!_factories.TryGetValue(kind, out RewardFactory? factory))
        {
            return Refused(new("", $"is \"{kind}\", which is no reward function.", $"There are {string.Join(", ", Kinds)}."));
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(settings.Length == 0 ? "{}" : settings, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                return Refused(new("", $"has the settings {settings}, and an object is expected.", "Write {\"key\": value}."));
            }

            var read = new RewardSettings(json.RootElement);
            IReward? reward = factory(read);
            ImmutableArray<ConfigError> errors = read.Errors();
            return errors.IsEmpty ? new RewardMade(reward ?? throw new InvalidOperationException($"The factory of {kind} made nothing and said nothing."), [], read.Warnings) : new RewardMade(null, errors, []);
        }
        catch (JsonException e)
        {
            return Refused(new("", $"has settings that are broken JSON: {JsonFault.Words(e)}.", "Mend them."));
        }
    }

    private static RewardMade Refused(ConfigError error) => new(null, [error], []);
}
