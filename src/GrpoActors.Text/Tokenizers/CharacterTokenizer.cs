using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>One token a character, and some whole ones such as <c>&lt;eos&gt;</c> or <c>&lt;think&gt;</c>. A character outside the alphabet is an error, not
/// an unknown token.</summary>
/// <remarks>Its file is a <c>tokenizer.json</c> that Hugging Face's library loads as it is: a BPE without merges whose vocabulary holds
/// the whole tokens (ids from 0) and then the characters in the order given. There an unknown character is dropped instead.</remarks>
public sealed class CharacterTokenizer : ITokenizer
{
    private static readonly JsonWriterOptions Readable = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string?[] _tokens;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<int, int> _characterIds;
    private readonly AddedTokenMatcher _added;
    private readonly HashSet<int> _specialIds;

    private CharacterTokenizer(string?[] tokens, AddedToken[] added)
    {
        _tokens = tokens;
        AddedTokens = added;
        _ids = [];
        _characterIds = [];
        var addedIds = added.Select(token => token.Id).ToHashSet();
        for (int id = 0; id < tokens.Length; id++)
        {
            if (tokens[id] is { } token)
            {
                _ids[token] = id;
                if (!addedIds.Contains(id))
                {
                    _characterIds[CodePoints.At(token, 0, out _)] = id;
                }
            }
        }

        _added = new AddedTokenMatcher(added.Select(token => (token, token.Content)));
        _specialIds = [.. added.Where(token => token.Special).Select(token => token.Id)];
    }

    public int VocabularySize => _tokens.Length;

    public IReadOnlyList<AddedToken> AddedTokens { get; }

    /// <summary>A tokenizer for an alphabet.</summary>
    /// <param name="characters">Each character once; a pair of surrogates is one character.</param>
    /// <param name="specialTokens">Control tokens (<c>&lt;pad&gt;</c>, <c>&lt;bos&gt;</c>, <c>&lt;eos&gt;</c>): ids from 0 in this order; left out of a decoding that skips
    /// special tokens.</param>
    /// <param name="wholeTokens">Text that is one token (<c>&lt;think&gt;</c>, <c>&lt;/answer&gt;</c>) and stays in every decoding; ids follow the control tokens'.</param>
    /// <exception cref="ArgumentException">A character or a token stands there twice, a token is empty, or a surrogate stands alone.</exception>
    public static CharacterTokenizer Create(string characters, IEnumerable<string> specialTokens, IEnumerable<string>? wholeTokens = null)
    {
        var tokens = new List<string>();
        var added = new List<AddedToken>();
        foreach (var (content, special) in specialTokens.Select(t => (t, true)).Concat((wholeTokens ?? []).Select(t => (t, false))))
        {
            if (content.Length == 0)
            {
                throw new ArgumentException("A token is empty.", nameof(specialTokens));
            }

            added.Add(new AddedToken(tokens.Count, content, special));
            tokens.Add(content);
        }

        for (int i = 0; i < characters.Length;)
        {
            int character = CodePoints.At(characters, i, out int units);
            if (character is >= 0xD800 and <= 0xDFFF)
            {
                throw new ArgumentException($"The alphabet holds half a surrogate pair at position {i}.", nameof(characters));
            }

            tokens.Add(characters.Substring(i, units));
            i += units;
        }

        var twice = tokens.CountBy(token => token).FirstOrDefault(count => count.Value > 1).Key;
        if (twice is not null)
        {
            throw new ArgumentException($"The token '{twice}' stands in the alphabet or among the whole tokens twice.", nameof(characters));
        }

        return new CharacterTokenizer([.. tokens], [.. added]);
    }

    /// <exception cref="UnknownCharacterException">A character is not in the alphabet; says which and where.</exception>
    public int[] Encode(string text, bool addSpecialTokens = false)
    {
        var ids = new List<int>(text.Length);
        int at = 0, search = 0;
        while (_added.Next(text, ref search, at) is { } found)
        {
            EncodeCharacters(text, at, found.Start, ids);
            ids.Add(found.Token.Id);
            at = found.End;
        }

        EncodeCharacters(text, at, text.Length, ids);
        return [.. ids];
    }

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var text = new StringBuilder(ids.Length);
        foreach (int id in ids)
        {
            text.Append(Text(id, skipSpecialTokens));
        }

        return text.ToString();
    }

    public int? TokenId(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public string? Token(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    public IStreamingDecoder Stream(bool skipSpecialTokens = false) => new Streaming(this, skipSpecialTokens);

    /// <summary>The content of its <c>tokenizer.json</c>: the same bytes for the same alphabet and tokens.</summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            json.WriteStartArray("added_tokens");
            foreach (var token in AddedTokens)
            {
                WriteAdded(json, token);
            }

            json.WriteEndArray();
            json.WriteNull("normalizer");
            json.WriteNull("pre_tokenizer");
            json.WriteNull("post_processor");
            json.WriteStartObject("decoder");
            json.WriteString("type", "Fuse");
            json.WriteEndObject();
            WriteModel(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    /// <summary>The tokenizer if the file has exactly the form that <see cref="ToJson"/> writes, else null.</summary>
    internal static CharacterTokenizer? TryRead(TokenizerJson root, DeclaredTokens? declared)
    {
        var model = root["model"];
        if (!model["merges"].Element.IsEmptyArray() || model["type"].Element.IsNotString("BPE")
            || root["decoder"].IsNull || root["decoder"]["type"].Element.IsNotString("Fuse")
            || !root["normalizer"].IsNull || !root["pre_tokenizer"].IsNull || !root["post_processor"].IsNull
            || !model["unk_token"].IsNull || model["byte_fallback"].Bool(absent: false))
        {
            return null;
        }

        var added = AddedTokenList.Read(root, declared);
        if (added.Any(token => token.SingleWord || token.LeftStrip || token.RightStrip || token.Normalized))
        {
            return null;
        }

        var vocabulary = Vocabulary.Read(model["vocab"], added);
        var addedIds = added.Select(token => token.Id).ToHashSet();
        bool onlyCharacters = Enumerable.Range(0, vocabulary.Size)
            .All(id => vocabulary.Token(id) is not { } token || addedIds.Contains(id) || IsOneCharacter(token));
        return onlyCharacters ? new CharacterTokenizer(vocabulary.Tokens, added) : null;
    }

    private static bool IsOneCharacter(string token)
    {
        if (token.Length == 0)
        {
            return false;
        }

        CodePoints.At(token, 0, out int units);
        return units == token.Length;
    }

    private void EncodeCharacters(string text, int start, int end, List<int> ids)
    {
        for (int i = start; i < end;)
        {
            int character = CodePoints.At(text, i, out int units);
            ids.Add(_characterIds.TryGetValue(character, out int id) ? id : throw new UnknownCharacterException(text.Substring(i, units), i));
            i += units;
        }
    }

    private string Text(int id, bool skipSpecialTokens) => skipSpecialTokens && _specialIds.Contains(id) ? "" : Token(id) ?? "";

    private static void WriteAdded(Utf8JsonWriter json, AddedToken token)
    {
        json.WriteStartObject();
        json.WriteNumber("id", token.Id);
        json.WriteString("content", token.Content);
        json.WriteBoolean("single_word", token.SingleWord);
        json.WriteBoolean("lstrip", token.LeftStrip);
        json.WriteBoolean("rstrip", token.RightStrip);
        json.WriteBoolean("normalized", token.Normalized);
        json.WriteBoolean("special", token.Special);
        json.WriteEndObject();
    }

    private void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (_tokens[id] is { } token)
            {
                json.WriteNumber(token, id);
            }
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private sealed class Streaming(CharacterTokenizer tokenizer, bool skipSpecialTokens) : IStreamingDecoder
    {
        public string Push(int id) => tokenizer.Text(id, skipSpecialTokens);

        public string Finish() => "";
    }
}
