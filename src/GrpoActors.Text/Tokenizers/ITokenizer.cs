namespace GrpoActors.Text;

/// <summary>Turns text into token ids and back. Immutable: any number of threads may use one instance.</summary>
public interface ITokenizer
{
    /// <summary>The highest id plus one: the fewest rows that an embedding for this tokenizer can have.</summary>
    int VocabularySize { get; }

    /// <summary>Every token that stands apart from the vocabulary's text, ascending by id; those with
    /// <see cref="AddedToken.Special"/> are what <c>skipSpecialTokens</c> leaves out.</summary>
    IReadOnlyList<AddedToken> AddedTokens { get; }

    /// <summary>The ids of <paramref name="text"/>. Added tokens that stand in the text become their own ids; a lone surrogate counts
    /// as U+FFFD.</summary>
    /// <param name="text">Any UTF-16.</param>
    /// <param name="addSpecialTokens">Adds what the post-processor adds (a BOS, say). Off for text that a chat template rendered, which
    /// holds them already.</param>
    int[] Encode(string text, bool addSpecialTokens = false);

    /// <summary>The text of <paramref name="ids"/>. An id without a token gives no text, as in Hugging Face's library: an embedding may have
    /// more rows than the tokenizer has tokens.</summary>
    string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false);

    /// <summary>The id of a token spelled as in <c>tokenizer.json</c>, or null.</summary>
    int? TokenId(string token);

    /// <summary>The token of an id, spelled as in <c>tokenizer.json</c>, or null.</summary>
    string? Token(int id);

    /// <summary>Starts decoding one id after another.</summary>
    IStreamingDecoder Stream(bool skipSpecialTokens = false);
}

/// <summary>Decodes a sequence as it grows. What <see cref="Push"/> and at last <see cref="Finish"/> return, joined, equals the decoded whole;
/// no piece ends within a character. For one sequence and one thread.</summary>
public interface IStreamingDecoder
{
    /// <summary>The text that is certain now; often empty while a character waits for its last byte.</summary>
    string Push(int id);

    /// <summary>The rest. Bytes that never became a character come out as U+FFFD.</summary>
    string Finish();
}

/// <summary>A token that is cut out of the text as a whole, before anything else looks at it.</summary>
/// <param name="Special">Control (<c>&lt;eos&gt;</c>) rather than text (<c>&lt;think&gt;</c>): left out when special tokens are skipped.</param>
/// <param name="SingleWord">Matches only where no word character stands beside it.</param>
/// <param name="LeftStrip">Takes the white space before it along.</param>
/// <param name="RightStrip">Takes the white space after it along.</param>
/// <param name="Normalized">Looked for in the normalised text instead of the original one.</param>
/// <param name="Declared">Not of <c>tokenizer.json</c>: a file beside it declares the token.</param>
public sealed record AddedToken(
    int Id,
    string Content,
    bool Special,
    bool SingleWord = false,
    bool LeftStrip = false,
    bool RightStrip = false,
    bool Normalized = false,
    bool Declared = false);
