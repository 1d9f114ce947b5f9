using System.Text;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Comparison letter for letter, for what cannot be read.</summary>
internal static class LetterText
{
    /// <summary>
    /// The letters that a text is compared by where it cannot be read: its tokens, one blank between words and between numbers, braces round a single token
    /// left out, words of a text without mathematics in small letters. Of a text that is too long: all but its white space.
    /// </summary>
    public static string Of(string text)
    {
        if (Lexer.Tokens(text) is not { } tokens)
        {
            return new string(Array.FindAll(text.ToCharArray(), static c => !char.IsWhiteSpace(c)));
        }

        int count = tokens.Count;
        while (count > 0 && tokens[count - 1].Is('.'))
        {
            count--;
        }

        bool prose = tokens.All(static token => token.Kind == TokenKind.Word || token.IsAnyOf(".,;'\"-!?"));
        var letters = new StringBuilder();
        for (int i = 0; i < count; i++)
        {
            Token token = tokens[i];
            if ((token.Is('{') && IsNeedless(tokens, i)) || (token.Is('}') && IsNeedless(tokens, i - 2)))
            {
                continue;
            }

            bool isWord = token.Kind is TokenKind.Word or TokenKind.Number or TokenKind.Opaque;
            bool wasWord = i > 0 && tokens[i - 1].Kind is TokenKind.Word or TokenKind.Number or TokenKind.Opaque;
            if (isWord && wasWord && token.Blank)
            {
                letters.Append(' ');
            }

            letters.Append(token.Kind == TokenKind.Command ? "\\" : "").Append(prose ? token.Text.ToLowerInvariant() : token.Text);
            letters.Append(token.Kind == TokenKind.Command ? " " : "");
        }

        return letters.ToString();
    }

    /// <summary>Braces round a single character that is an argument, and that would not run into digits without them.</summary>
    private static bool IsNeedless(List<Token> tokens, int open) =>
        open >= 1 && open + 2 < tokens.Count && tokens[open].Is('{') && tokens[open + 2].Is('}')
        && (tokens[open + 1].Kind is TokenKind.Number or TokenKind.Letter || tokens[open + 1].Is('∞')) && tokens[open + 1].Text.Length == 1
        && (tokens[open - 1].Kind == TokenKind.Command || tokens[open - 1].IsAnyOf("^_}"))
        && !(open + 3 < tokens.Count && tokens[open + 3].Kind == TokenKind.Number);
}
