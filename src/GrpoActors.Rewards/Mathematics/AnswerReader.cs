namespace GrpoActors.Rewards.Mathematics;

/// <summary>An answer, located and read.</summary>
/// <param name="Text">What was found in its place.</param>
/// <param name="Value">Null if it cannot be read.</param>
/// <param name="Copies">Texts that a reference may be a copy of.</param>
/// <param name="Doubt">Why nothing that was found counts; null if it does.</param>
internal sealed record AnswerRead(AnswerPlace Place, string Text, Value? Value, IReadOnlyList<string> Copies, string? Doubt)
{
    public static AnswerRead Nothing(string why) => new(AnswerPlace.None, "", null, [], why);

    /// <summary>With commas as separators: <c>\boxed{10,100,200}</c> is a list where the reference is one.</summary>
    public Value? AsList() => AnswerParser.Read(Text, commasGroup: false);
}

/// <summary>Locates an answer in a text and reads it.</summary>
internal static class AnswerReader
{
    /// <summary>A reference: bare, or a solution that ends with an answer in one of its places.</summary>
    public static AnswerRead Reference(string gold)
    {
        if (gold.Length > TextMax)
        {
            return new(AnswerPlace.Whole, gold, null, [gold], null);
        }

        string text = Spelling.Normalised(AnswerExtraction.WithoutThinking(gold));
        return Marked(text) ?? Bare(text.Trim());
    }

    private static AnswerRead Bare(string text) => text.Length == 0 ? AnswerRead.Nothing("it is empty")
        : new(AnswerPlace.Whole, text, IsScore(text) ? null : AnswerParser.Read(Statement.Trimmed(text)), [text], null);

    /// <summary>A reference <c>2-1</c> is a score, a range or a number to call, never 1.</summary>
    private static bool IsScore(string text) => char.IsAsciiDigit(text[0]) && char.IsAsciiDigit(text[^1]) && text.Contains('-')
        && text.AsSpan().IndexOfAnyExcept("0123456789-") < 0 && Lexer.Tokens(text) is not [{ Kind: TokenKind.Opaque }];

    /// <summary>An answer stands at its text's end: of a longer text what stands in front is not looked at.</summary>
    private const int TextMax = 1 << 16;

    private static string Answering(string completion)
    {
        string text = AnswerExtraction.WithoutThinking(completion);
        string plain = Spelling.Normalised(End(text));
        return End(plain);

        static string End(string text) => text.Length > TextMax ? text[^TextMax..] : text;
    }

    /// <summary>A model's answer, wherever it stands in its text.</summary>
    public static AnswerRead Anywhere(string completion)
    {
        string text = Answering(completion);
        if (string.IsNullOrWhiteSpace(text))
        {
            return AnswerRead.Nothing(string.IsNullOrWhiteSpace(completion) ? "it is empty" : "nothing follows the thinking");
        }

        return Marked(text) ?? Unmarked(text.Trim());
    }

    public static AnswerRead Boxed(string completion) =>
        Boxes.Last(Answering(completion)) is { } box ? Box(box.Text) : AnswerRead.Nothing("there is no box");

    public static AnswerRead BehindHashes(string completion) =>
        AnswerExtraction.Hashes(Answering(completion)) is { } found ? InSentence(AnswerPlace.Hashes, found.Text)
            : AnswerRead.Nothing("no line begins with ####");

    private static AnswerRead Box(string content) =>
        content.Length == 0 ? AnswerRead.Nothing("the box is empty")
            : new(AnswerPlace.Box, content, AnswerParser.Read(Statement.Trimmed(content)) ?? Statement.ReadPredicate(content), [content], null);

    private static AnswerRead InSentence(AnswerPlace place, string text) =>
        Statement.Read(text) is { } read ? new(place, read.Text, read.Value, [text, read.Text], null)
            : new(place, text, null, [text, .. Statement.Heads(text)], null);

    /// <summary>The last box, tag or ####; else the last statement. Null if there is none of these.</summary>
    private static AnswerRead? Marked(string text)
    {
        AnswerExtraction.Found? box = Boxes.Last(text), hashes = AnswerExtraction.Hashes(text), tag = AnswerExtraction.Tag(text);
        if (hashes is { } heading && AnswerExtraction.IsHeading(text, heading))
        {
            hashes = null;
        }

        int boxAt = box?.Start ?? -1, hashesAt = hashes?.Start ?? -1, tagAt = tag?.Start ?? -1;
        int at = Math.Max(boxAt, Math.Max(hashesAt, tagAt));
        if (at < 0)
        {
            return Stated(text);
        }

        // A box in a tag or behind #### is what these hold.
        AnswerExtraction.Found found = at == boxAt ? box!.Value : at == hashesAt ? hashes!.Value : tag!.Value;
        AnswerRead read = at == boxAt ? Box(found.Text)
            : at == tagAt ? Marked(found.Text) ?? InSentence(AnswerPlace.Tag, found.Text)
            : Stated(found.Text) ?? InSentence(AnswerPlace.Hashes, found.Text);
        return Contradicted(text, found.End, read) ? AnswerRead.Nothing("the text states two answers") : read;
    }

    /// <summary>Whether a sentence behind a box or #### states another answer.</summary>
    private static bool Contradicted(string text, int end, AnswerRead read)
    {
        if (read.Value is null || end >= text.Length || Statement.Last(text[end..]) is not { } later || Statement.Read(later, text[end..]) is not { } said)
        {
            return false;
        }

        var comparison = new ValueComparison();
        return !comparison.Compare(read.Value, said.Value).Equal && !comparison.Compare(said.Value, read.Value).Equal;
    }

    private static AnswerRead? Stated(string text)
    {
        if (Statement.Last(text) is not { } stated)
        {
            return null;
        }

        if (Statement.Read(stated, text) is { } read)
        {
            return new(AnswerPlace.Statement, read.Text, read.Value, [read.Text, stated.Sentence, stated.Rest, .. Statement.Options(stated.Sentence)], null);
        }

        return Statement.LeavesDoubt(stated, text) ? AnswerRead.Nothing("the sentence denies it, hedges it or takes it back")
            : new(AnswerPlace.Statement, stated.Sentence, null,
                [stated.Sentence, stated.Rest, .. Statement.Heads(stated.Sentence), .. Statement.Options(stated.Sentence)], null);
    }

    private static AnswerRead Unmarked(string text)
    {
        if (AnswerParser.Read(Statement.Trimmed(text)) is { } whole)
        {
            return new(AnswerPlace.Whole, text, whole, [text, .. Statement.Options(text)], null);
        }

        return LastSentence.Read(text) is { } found
            ? new(AnswerPlace.Statement, found.Text, found.Value, [text, found.Text, found.Run, .. Statement.Options(text)], null)
            : new(AnswerPlace.Whole, text, null, [text, .. Statement.PredicateOf(text), .. Statement.Options(text)], null);
    }
}
