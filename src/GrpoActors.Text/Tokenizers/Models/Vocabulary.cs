using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Tokens by id and ids by token: the model's vocabulary and the added tokens together.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;

    private Vocabulary(string?[] tokens, Dictionary<string, int> ids, int modelTokens)
    {
        Tokens = tokens;
        _ids = ids;
        _idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        ModelTokens = modelTokens;
    }

    /// <summary>By id; null where the file leaves a gap.</summary>
    public string?[] Tokens { get; }

    public int Size => Tokens.Length;

    /// <summary>How many entries the model's own vocabulary has.</summary>
    public int ModelTokens { get; }

    public string? Token(int id) => (uint)id < (uint)Tokens.Length ? Tokens[id] : null;

    public int Id(ReadOnlySpan<char> token) => _idsBySpan.TryGetValue(token, out int id) ? id : -1;

    /// <exception cref="TokenizerFormatException">An id is no id or stands for two tokens; a token stands there twice.</exception>
    public static Vocabulary Read(TokenizerJson vocab, IReadOnlyList<AddedToken> added)
    {
        vocab.Require(JsonValueKind.Object);
        int count = vocab.Element.GetPropertyCount();
        var ids = new Dictionary<string, int>(count + added.Count);
        var tokens = new List<string?>(count + added.Count);
        foreach (var entry in vocab.Element.EnumerateObject())
        {
            string token = entry.Name;
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out int id))
            {
                throw vocab.Wrong($"gives the token '{token}' the id {entry.Value.GetRawText()}, which is no whole number");
            }

            if (!ids.TryAdd(token, id))
            {
                throw vocab.Wrong($"holds the token '{token}' twice");
            }

            Place(vocab, tokens, token, new TokenizerJson(entry.Value, $"{vocab.Path}['{token}']", vocab.File).Id());
        }

        foreach (var token in added)
        {
            if (ids.TryAdd(token.Content, token.Id))
            {
                Place(vocab, tokens, token.Content, token.Id);
            }
            else if (ids[token.Content] != token.Id)
            {
                throw vocab.Wrong($"gives the token '{token.Content}' the id {ids[token.Content]}, but added_tokens gives it {token.Id}");
            }
        }

        return new Vocabulary([.. tokens], ids, count);
    }

    private static void Place(TokenizerJson vocab, List<string?> tokens, string token, int id)
    {
        while (tokens.Count <= id)
        {
            tokens.Add(null);
        }

        if (tokens[id] is { } other)
        {
            throw vocab.Wrong($"gives the id {id} to two tokens, '{other}' and '{token}'");
        }

        tokens[id] = token;
    }
}
