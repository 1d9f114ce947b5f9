namespace GrpoActors.Text;

/// <summary>Finds added tokens in a text: at each place the longest, left to right, without overlap.</summary>
/// <remarks>A trie over UTF-16 units. A first unit that begins no token costs one look into a set, so text without tokens is skipped at the
/// speed of <c>IndexOfAny</c>.</remarks>
internal sealed class AddedTokenMatcher
{
    private readonly Node _root = new();
    private readonly System.Buffers.SearchValues<char> _firstUnits;

    /// <param name="tokens">Each token with the spelling to look for (the normalised one for tokens that are normalised).</param>
    public AddedTokenMatcher(IEnumerable<(AddedToken Token, string Spelling)> tokens)
    {
        foreach (var (token, spelling) in tokens)
        {
            if (spelling.Length > 0)
            {
                Add(token, spelling);
            }
        }

        _firstUnits = System.Buffers.SearchValues.Create([.. _root.Next.Keys]);
    }

    /// <summary>The next token found at or after <paramref name="search"/>, or null.</summary>
    /// <param name="search">Where to look; moved behind the token itself. White space that a token takes along is looked at again, as in Hugging
    /// Face's scan: " the" is found after a token that strips to its right.</param>
    /// <param name="done">Up to where the text is spoken for; the range begins no earlier.</param>
    /// <returns>The token and the range it takes out of the text, white space of its strips included.</returns>
    public (AddedToken Token, int Start, int End)? Next(ReadOnlySpan<char> text, ref int search, int done)
    {
        while (search < text.Length)
        {
            int skip = text[search..].IndexOfAny(_firstUnits);
            if (skip < 0)
            {
                return null;
            }

            int at = search + skip;
            if (Longest(text[at..]) is not { } token)
            {
                search = at + 1;
                continue;
            }

            // What a rejected match covered is not searched again, either.
            search = at + token.Length;
            if (!token.Token.SingleWord || StandsAlone(text, at, search))
            {
                int end = search;
                int start = Stripped(text, token.Token, done, at, ref end);
                return (token.Token, Math.Max(start, done), end);
            }
        }

        return null;
    }

    private static int Stripped(ReadOnlySpan<char> text, AddedToken token, int from, int start, ref int end)
    {
        while (token.LeftStrip && start > from && char.IsWhiteSpace(text[start - 1]))
        {
            start--;
        }

        while (token.RightStrip && end < text.Length && char.IsWhiteSpace(text[end]))
        {
            end++;
        }

        return start;
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end) =>
        !(start > 0 && UnicodeProperty.IsPartOfWord(CodePoints.Before(text, start)))
        && !(end < text.Length && UnicodeProperty.IsPartOfWord(CodePoints.At(text, end, out _)));

    private (AddedToken Token, int Length)? Longest(ReadOnlySpan<char> text)
    {
        (AddedToken, int)? longest = null;
        var node = _root;
        for (int i = 0; i < text.Length && node.Next.TryGetValue(text[i], out var next); i++)
        {
            node = next;
            if (node.Token is { } token)
            {
                longest = (token, i + 1);
            }
        }

        return longest;
    }

    private void Add(AddedToken token, string spelling)
    {
        var node = _root;
        foreach (char unit in spelling)
        {
            if (!node.Next.TryGetValue(unit, out var next))
            {
                node.Next[unit] = next = new Node();
            }

            node = next;
        }

        node.Token ??= token;
    }

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
