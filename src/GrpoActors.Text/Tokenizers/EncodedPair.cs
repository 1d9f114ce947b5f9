namespace GrpoActors.Text;

/// <summary>A prompt and what follows it, as the token ids of the one text that they make.</summary>
/// <remarks>
/// The completion alone would be another text: SentencePiece-like tokenizers put a blank before whatever begins a text. So the whole is encoded, and cut
/// behind the ids that it begins with in common with the prompt's own. Those are all of the prompt's, unless a token reaches across the boundary
/// ("hi " + "ice" where <c>▁ice</c> is a token): it is counted to the completion, so that no word of the completion goes unscored.
/// TRL encodes the whole, too; there the cut is behind as many ids as the prompt alone has, which gives such a token to the prompt.
/// </remarks>
/// <param name="Prompt">Joined with <paramref name="Completion"/>: the ids of the whole text.</param>
/// <param name="Crosses">A token reaches across the boundary, so that <paramref name="Prompt"/> is shorter than the prompt's own ids.</param>
public sealed record EncodedPair(int[] Prompt, int[] Completion, bool Crosses)
{
    /// <param name="addSpecialTokens">As in <see cref="ITokenizer.Encode"/>.</param>
    /// <exception cref="UnknownCharacterException">Of a <see cref="CharacterTokenizer"/>.</exception>
    public static EncodedPair Of(ITokenizer tokenizer, string prompt, string completion, bool addSpecialTokens)
    {
        int[] alone = tokenizer.Encode(prompt, addSpecialTokens), whole = tokenizer.Encode(prompt + completion, addSpecialTokens);
        int shared = alone.AsSpan().CommonPrefixLength(whole);
        return new EncodedPair(whole[..shared], whole[shared..], shared < alone.Length);
    }
}
