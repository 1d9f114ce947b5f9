using System.Collections.Immutable;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Text;

namespace GrpoActors.Hub;

/// <summary>The tokens that end a completion: whatever one of the model's files, or its chat template behind the assistant's words, ends a turn with.</summary>
/// <param name="Ids">Those of generation_config.json first, then config.json's, the tokenizer's and the template's.</param>
/// <param name="OfText">Ends a worked example that is plain text: the tokenizer's eos_token, else the first of all. Null where there is none.</param>
/// <param name="OfTurn">Ends one that the chat template rendered: what the template ends a turn with, else <paramref name="OfText"/>.</param>
/// <param name="Disagreement">One sentence, where a file names a token that generation_config.json (or config.json without it) does not; else null.</param>
public sealed record TurnEnds(ImmutableArray<int> Ids, int? OfText, int? OfTurn, string? Disagreement)
{
    /// <param name="eosToken">The tokenizer's, as text; null where it names none.</param>
    public static TurnEnds Of(HuggingFaceConfig config, ITokenizer tokenizer, string? eosToken, ModelChat? chat)
    {
        int? named = eosToken is null ? null : tokenizer.TokenId(eosToken), written = chat?.TurnEnd(tokenizer)?.Id;
        (string Source, ImmutableArray<int> Ids)[] sources =
        [
            (HuggingFaceConfig.GenerationConfigFile, config.GenerationEosTokenIds), (HuggingFaceConfig.ConfigFile, config.ConfigEosTokenIds),
            (SpecialTokens.ConfigFile, named is { } eos ? [eos] : []), ("the chat template", written is { } end ? [end] : []),
        ];
        ImmutableArray<int> ids = [.. sources.SelectMany(source => source.Ids).Distinct()];
        ImmutableArray<int> stated = config.GenerationEosTokenIds.IsEmpty ? config.ConfigEosTokenIds : config.GenerationEosTokenIds;
        string Said(int id) => tokenizer.Token(id) is { } token ? $"{token} ({id})" : $"{id}";
        IEnumerable<string> says = sources
            .Where(source => !source.Ids.IsEmpty)
            .Select(source => $"{source.Source} with {string.Join(", ", source.Ids.Select(Said))}");
        string? disagreement = stated.IsEmpty || ids.Length == stated.Distinct().Count()
            ? null
            : $"the model's files end a turn with different tokens: {string.Join("; ", says)}. Each of them ends a completion.";
        int? first = ids.IsEmpty ? null : ids[0];
        return new TurnEnds(ids, named ?? first, written ?? named ?? first, disagreement);
    }

    /// <summary>Of a Hugging Face folder.</summary>
    /// <exception cref="InvalidDataException">A file that names special tokens is no JSON of the usual form.</exception>
    public static TurnEnds Read(string folder, HuggingFaceConfig config, ITokenizer tokenizer, ModelChat? chat) =>
        Of(config, tokenizer, SpecialTokens.Read(folder).GetValueOrDefault(SpecialTokens.Eos), chat);
}
