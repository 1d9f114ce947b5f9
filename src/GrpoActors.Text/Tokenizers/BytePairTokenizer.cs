namespace GrpoActors.Text;

/// <summary>The tokenizer of a <c>tokenizer.json</c> with a BPE model: byte-level as in GPT-2, Llama 3, Qwen, DeepSeek and SmolLM2, or
/// SentencePiece's with byte fallback as in Gemma.</summary>
/// <remarks>
/// <code>
/// text -> added tokens -> normaliser -> added tokens -> pre-tokenizers -> BPE -> special frame -> ids
///         (as written)                  (normalised)
/// ids -> tokens -> decoder's steps -> text
/// </code>
/// Equal to Hugging Face's tokenizers in ids and text. The file's truncation and padding are not applied: they are the caller's, as in
/// transformers. Left out: offsets, pairs of sequences, dropout.
/// </remarks>
internal sealed class BytePairTokenizer : ITokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly BytePairModel _model;
    private readonly Normalizer? _normalizer;
    private readonly PreTokenizer[] _preTokenizers;
    private readonly bool _bytes;
    private readonly Decoders _decoders;
    private readonly SpecialFrame _frame;
    private readonly AddedTokenMatcher _asWritten;
    private readonly AddedTokenMatcher _normalised;
    private readonly Dictionary<int, string> _spelledNormalised;
    private readonly HashSet<int> _specialIds;
    private readonly WordCache _cache = new();
    private Workspace? _spare;

    private BytePairTokenizer(TokenizerJson root, AddedToken[] added)
    {
        var model = root["model"];
        AddedTokens = added;
        _vocabulary = Vocabulary.Read(model["vocab"], added);
        _model = BytePairModel.Read(model, _vocabulary);
        _normalizer = Normalizers.Read(root["normalizer"]);
        _preTokenizers = [.. PreTokenizers.Read(root["pre_tokenizer"])];
        _bytes = _preTokenizers is [.., SpellBytes];
        _preTokenizers = _bytes ? _preTokenizers[..^1] : _preTokenizers;
        _decoders = Decoders.Read(root["decoder"]);
        _frame = SpecialFrame.Read(root["post_processor"]);
        _asWritten = new(added.Where(token => !token.Normalized).Select(token => (token, token.Content)));
        _normalised = new(added.Where(token => token.Normalized).Select(token => (token, Normalise(token.Content))));
        _spelledNormalised = added.Where(token => token.Normalized).ToDictionary(token => token.Id, token => Normalise(token.Content));
        _specialIds = [.. added.Where(token => token.Special).Select(token => token.Id)];
        RequireKnown(root["post_processor"], _frame.Before.Concat(_frame.After));
    }

    public int VocabularySize => _vocabulary.Size;

    public IReadOnlyList<AddedToken> AddedTokens { get; }

    public static BytePairTokenizer Read(TokenizerJson root, DeclaredTokens? declared)
    {
        string type = root["model"]["type"].StringOrNull() ?? "BPE"; // the oldest files leave it out
        return type == "BPE" ? new(root, AddedTokenList.Read(root, declared)) : throw root["model"].Unsupported(type, "model", ["BPE"]);
    }

    public int[] Encode(string text, bool addSpecialTokens = false)
    {
        var workspace = Interlocked.Exchange(ref _spare, null) ?? new Workspace(_model.NewMerging());
        try
        {
            var ids = workspace.Ids;
            ids.Clear();
            if (addSpecialTokens)
            {
                ids.AddRange(_frame.Before);
            }

            EncodeText(CodePoints.WellFormed(text), workspace);
            if (addSpecialTokens)
            {
                ids.AddRange(_frame.After);
            }

            return [.. ids];
        }
        finally
        {
            Volatile.Write(ref _spare, workspace);
        }
    }

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var text = new DecodedText();
        var steps = _decoders.Open(text);
        foreach (int id in ids)
        {
            if (TextToken(id, skipSpecialTokens) is { } token)
            {
                steps.Push(token);
            }
        }

        steps.Finish();
        return text.Take();
    }

    public int? TokenId(string token) => _vocabulary.Id(token) is >= 0 and var id ? id : null;

    public string? Token(int id) => _vocabulary.Token(id);

    public IStreamingDecoder Stream(bool skipSpecialTokens = false) => new Streaming(this, skipSpecialTokens);

    // A normalised added token decodes to its normalised spelling, as in Hugging Face's library. There, a special one whose spelling changes is then
    // no longer recognised as special; here it is skipped all the same.
    private string? TextToken(int id, bool skipSpecialTokens) =>
        skipSpecialTokens && _specialIds.Contains(id) ? null : _spelledNormalised.GetValueOrDefault(id) ?? _vocabulary.Token(id);

    private string Normalise(string text) => _normalizer is null ? text : _normalizer(text);

    private void EncodeText(string text, Workspace workspace)
    {
        int at = 0, search = 0;
        while (_asWritten.Next(text, ref search, at) is { } found)
        {
            EncodeNormalised(text, at, found.Start, workspace);
            workspace.Ids.Add(found.Token.Id);
            at = found.End;
        }

        EncodeNormalised(text, at, text.Length, workspace);
    }

    private void EncodeNormalised(string text, int start, int end, Workspace workspace)
    {
        if (start == end)
        {
            return;
        }

        var segment = _normalizer is null ? text.AsSpan(start, end - start) : _normalizer(text[start..end]);
        int at = 0, search = 0;
        while (_normalised.Next(segment, ref search, at) is { } found)
        {
            EncodeSegment(segment[at..found.Start], start == 0 && at == 0, workspace);
            workspace.Ids.Add(found.Token.Id);
            at = found.End;
        }

        EncodeSegment(segment[at..], start == 0 && at == 0, workspace);
    }

    private void EncodeSegment(ReadOnlySpan<char> segment, bool beginsText, Workspace workspace)
    {
        if (segment.IsEmpty)
        {
            return;
        }

        var pieces = workspace.Pieces;
        pieces.Reset(segment, beginsText);
        foreach (var preTokenizer in _preTokenizers)
        {
            preTokenizer.Cut(pieces);
        }

        foreach (var (start, end) in pieces.Ranges)
        {
            var piece = pieces.Text[start..end];
            while (!piece.IsEmpty)
            {
                int part = _bytes ? piece.Length : _model.FirstPart(piece);
                EncodeWord(piece[..part], workspace);
                piece = piece[part..];
            }
        }
    }

    private void EncodeWord(ReadOnlySpan<char> word, Workspace workspace)
    {
        var ids = workspace.Ids;
        if (word.Length > WordCache.LongestWord)
        {
            EncodeUnseen(word, workspace);
            return;
        }

        if (_cache.Find(word, out int slot) is { } known)
        {
            ids.AddRange(known);
            return;
        }

        int from = ids.Count;
        EncodeUnseen(word, workspace);
        _cache.Keep(word, slot, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids)[from..]);
    }

    private void EncodeUnseen(ReadOnlySpan<char> word, Workspace workspace)
    {
        if (_bytes)
        {
            _model.EncodeBytes(word, workspace.Merging, workspace.Ids);
        }
        else
        {
            _model.EncodeCharacters(word, workspace.Merging, workspace.Ids);
        }
    }

    private void RequireKnown(TokenizerJson processor, IEnumerable<int> ids)
    {
        foreach (int id in ids)
        {
            if (Token(id) is null)
            {
                throw processor.Wrong($"adds the id {id}, which no token has");
            }
        }
    }

    /// <summary>The buffers of one encoding at a time.</summary>
    private sealed class Workspace(Merging merging)
    {
        public Merging Merging => merging;

        public Pieces Pieces { get; } = new();

        public List<int> Ids { get; } = [];
    }

    private sealed class Streaming : IStreamingDecoder
    {
        private readonly BytePairTokenizer _tokenizer;
        private readonly bool _skipSpecialTokens;
        private readonly DecodedText _text = new();
        private readonly DecodingStep _steps;

        public Streaming(BytePairTokenizer tokenizer, bool skipSpecialTokens)
        {
            _tokenizer = tokenizer;
            _skipSpecialTokens = skipSpecialTokens;
            _steps = tokenizer._decoders.Open(_text);
        }

        public string Push(int id)
        {
            if (_tokenizer.TextToken(id, _skipSpecialTokens) is { } token)
            {
                _steps.Push(token);
            }

            return _text.Take();
        }

        public string Finish()
        {
            _steps.Finish();
            return _text.Take();
        }
    }
}
