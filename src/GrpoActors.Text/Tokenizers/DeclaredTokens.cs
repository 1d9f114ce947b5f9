using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Tokens that the files beside a <c>tokenizer.json</c> declare. Those that it does not hold are added to it, as transformers does.</summary>
/// <remarks>
/// Read are <c>added_tokens_decoder</c> of tokenizer_config.json (of older folders: added_tokens.json), by id, and the special tokens that
/// tokenizer_config.json and special_tokens_map.json name. A token that is in the vocabulary keeps its id; another one gets the next free id.
/// </remarks>
public sealed class DeclaredTokens
{
    private const string ConfigFile = "tokenizer_config.json", SpecialFile = "special_tokens_map.json", AddedFile = "added_tokens.json";

    /// <summary>Special tokens that have a name of their own; also what transformers hands to a chat template.</summary>
    public static IReadOnlyList<string> Names { get; } = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly List<Declared> _tokens = [];

    /// <exception cref="TokenizerFormatException">One of the files is no JSON of its form.</exception>
    public static DeclaredTokens Read(string folder)
    {
        var declared = new DeclaredTokens();
        TokenizerJson? config = Object(folder, ConfigFile);
        if (config is { } of && !of["added_tokens_decoder"].IsNull)
        {
            declared.AddDecoder(of["added_tokens_decoder"]);
        }
        else if (Object(folder, AddedFile) is { } added)
        {
            declared.AddEncoder(added);
        }

        foreach (TokenizerJson names in new[] { config, Object(folder, SpecialFile) }.OfType<TokenizerJson>())
        {
            declared.AddSpecial(names);
        }

        return declared;
    }

    /// <summary>The tokens that <paramref name="known"/> lacks, with the ids that they get.</summary>
    /// <param name="vocab">Of the model.</param>
    /// <exception cref="TokenizerFormatException">A token is declared with another id than it gets.</exception>
    internal IEnumerable<AddedToken> Beyond(IReadOnlyList<AddedToken> known, TokenizerJson vocab)
    {
        var contents = known.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        Declared[] missing = [.. _tokens.Where(token => token.Token.Content.Length > 0 && contents.Add(token.Token.Content))];
        if (missing.Length == 0)
        {
            yield break;
        }

        vocab.Require(JsonValueKind.Object);
        int next = 1 + known.Select(token => token.Id).Concat(vocab.Element.EnumerateObject().Select(entry => Whole(entry.Value) ?? -1)).DefaultIfEmpty(-1).Max();
        foreach (Declared declared in missing)
        {
            int id = vocab.Element.TryGetProperty(declared.Token.Content, out JsonElement own) && Whole(own) is { } inVocabulary ? inVocabulary : next++;
            yield return declared.Id is null || declared.Id == id
                ? declared.Token with { Id = id, Declared = true }
                : throw declared.Source.Wrong(
                    $"gives the token '{declared.Token.Content}' the id {declared.Id}, and after tokenizer.json it gets {id}, here as in transformers; "
                    + "save the tokenizer anew with save_pretrained, so that the two files agree");
        }
    }

    // What is no id is refused where the vocabulary is read.
    private static int? Whole(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) ? id : null;

    private void AddDecoder(TokenizerJson decoder)
    {
        decoder.Require(JsonValueKind.Object);
        var entries = new List<Declared>();
        foreach (JsonProperty entry in decoder.Element.EnumerateObject())
        {
            var token = new TokenizerJson(entry.Value, $"{decoder.Path}['{entry.Name}']", decoder.File);
            entries.Add(int.TryParse(entry.Name, out int id) && id >= 0
                ? new Declared(Token(token, special: false), id, token)
                : throw token.Wrong("stands under no token id"));
        }

        _tokens.AddRange(entries.OrderBy(entry => entry.Id));
    }

    private void AddEncoder(TokenizerJson encoder)
    {
        var entries = encoder.Element.EnumerateObject().Select(entry => (entry.Name, Json: new TokenizerJson(entry.Value, $"['{entry.Name}']", encoder.File)));
        _tokens.AddRange(entries
            .Select(entry => new Declared(new AddedToken(0, entry.Name, Special: false, Normalized: true), entry.Json.Id(), entry.Json))
            .OrderBy(entry => entry.Id));
    }

    private void AddSpecial(TokenizerJson names)
    {
        foreach (string name in Names)
        {
            Add(names[name]);
        }

        foreach (TokenizerJson more in new[] { names["additional_special_tokens"], names["extra_special_tokens"] }.Where(more => !more.IsNull))
        {
            // A list; newer files name each.
            TokenizerJson[] tokens = more.Element.ValueKind == JsonValueKind.Object
                ? [.. more.Element.EnumerateObject().Select(entry => more[entry.Name])]
                : [.. more.Items()];
            Array.ForEach(tokens, Add);
        }

        void Add(TokenizerJson token)
        {
            if (!token.IsNull)
            {
                _tokens.Add(new Declared(Token(token, special: true), null, token));
            }
        }
    }

    // A token is its text, or an object that describes it.
    private static AddedToken Token(TokenizerJson token, bool special) => token.Element.ValueKind == JsonValueKind.String
        ? new AddedToken(0, token.String(), special, Normalized: !special)
        : AddedTokenList.Read(token, id: 0, special);

    private static TokenizerJson? Object(string folder, string name)
    {
        string file = Path.Combine(folder, name);
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            var root = TokenizerJson.Root(JsonElement.Parse(File.ReadAllBytes(file)), file);
            root.Require(JsonValueKind.Object);
            return root;
        }
        catch (JsonException e)
        {
            throw new TokenizerFormatException(file, $"is no valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: is the file whole?", e);
        }
    }

    private sealed record Declared(AddedToken Token, int? Id, TokenizerJson Source);
}
