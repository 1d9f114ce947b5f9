using System.Collections.Frozen;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Reads what stands in front of an equals sign and names a thing.</summary>
internal static class NameParser
{
    private static readonly FrozenSet<string> NoNames =
        new[] { "not", "no", "never", "either", "neither", "or", "maybe", "perhaps", "possibly", "if", "isn't", "cannot", "can't", "don't", "doesn't",
            "least", "most", "than", "wrong", "incorrect", "false", "guess", "unsure" }
            .ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// What stands in front of an equals sign and names a thing: <c>x</c>, <c>a_{10}</c>, <c>f(2)</c>, <c>P(A)</c>, <c>\angle ABC</c>, <c>\text{Area}</c>,
    /// <c>\frac{dy}{dx}</c>.
    /// Null, and the cursor anywhere, if it is a formula or no equals sign follows.
    /// </summary>
    public static string? Read(TokenCursor cursor)
    {
        int end = cursor.Outside(cursor.At, cursor.Tokens.Count, "=≈∈:,;<>≤≥≠");
        int start = cursor.At;
        bool last = end < 0;
        end = last ? cursor.Tokens.Count : end;
        if (end == start || end - start > 24 || (!last && cursor.Tokens[end].IsAnyOf(",;<>≤≥≠") && !cursor.Tokens[end].IsAnyOf(",;")))
        {
            return null;
        }

        var tokens = cursor.Tokens[start..end];
        bool colon = !last && cursor.Tokens[end].Is(':');
        bool words = tokens.All(static token => token is { Kind: TokenKind.Word or TokenKind.Letter } || token.IsAnyOf("*×'-"))
            && tokens.Exists(static token => token.Kind == TokenKind.Word);
        if (tokens.Exists(static token => token.Kind == TokenKind.Word && (NoNames.Contains(token.Text) || NumberWords.IsNumber(token.Text))))
        {
            return null;
        }

        bool isName = words ? !last && (tokens.Count > 1 || tokens[0].InText || tokens[0].Text.Length > 3 || tokens[0].Text.All(char.IsAsciiLetterUpper))
            : colon ? NotationParser.IsLabel(cursor) : (IsLetterName(tokens) || IsApplication(tokens) || IsGeometric(tokens) || IsDerivative(tokens));
        if (!isName)
        {
            return null;
        }

        cursor.At = end;
        if (IsDerivative(tokens))
        {
            tokens.RemoveAll(static token => token.IsCommand("frac") || token.Is('/'));
        }

        return string.Concat(tokens.Where(static token => !token.IsAnyOf("*×{}"))
            .Select(token => token.Kind == TokenKind.Word && words ? token.Text.ToLowerInvariant() + " " : token.Text)).TrimEnd();
    }

    /// <summary><c>x</c>, <c>x_1</c>, <c>a_{n+1}</c>, <c>y'</c>, <c>\vec{v}</c>.</summary>
    private static bool IsLetterName(List<Token> tokens)
    {
        int i = tokens[0].Kind == TokenKind.Command && tokens[0].Text is "vec" or "hat" or "overline" or "tilde" ? 1 : 0;
        if (i == 1)
        {
            return tokens.Skip(1).All(static token => token.Kind is TokenKind.Letter or TokenKind.Word || token.IsAnyOf("{}")) && tokens.Count is 2 or 4;
        }

        return tokens[0].Kind == TokenKind.Letter && tokens[0].Text is not ("pi" or "e" or "i") && (tokens.Count == 1 || IsIndex(tokens, 1));
    }

    private static bool IsIndex(List<Token> tokens, int from)
    {
        int i = from;
        while (i < tokens.Count && tokens[i].Is('\''))
        {
            i++;
        }

        if (i == tokens.Count)
        {
            return true;
        }

        return tokens[i].Is('_') && (tokens.Count == i + 2 || (tokens[i + 1 < tokens.Count ? i + 1 : i].Is('{') && tokens[^1].Is('}')));
    }

    private static readonly FrozenSet<string> FunctionLetters = new[] { "f", "g", "h", "F", "G", "H", "P", "E", "V", "p", "q", "u", "v", "r", "N", "T", "S",
        "A", "C", "L", "Q", "phi", "psi", "R" }.ToFrozenSet();

    /// <summary><c>f(2)</c>, <c>P(A \cup B)</c>, <c>f^{-1}(x)</c>, <c>f'(x)</c>, <c>y(0)</c>; <c>x(x+1)</c> is a product.</summary>
    private static bool IsApplication(List<Token> tokens)
    {
        int open = tokens.FindIndex(static token => token.Is('('));
        if (open < 1 || !tokens[^1].Is(')') || tokens[0].Kind != TokenKind.Letter)
        {
            return tokens[0].Kind == TokenKind.Word && open == 1 && tokens[^1].Is(')')
                && tokens[0].Text is "Var" or "Cov" or "Pr" or "gcd" or "lcm" or "deg" or "max" or "min" or "dim" or "det" or "rank" or "tr";
        }

        bool plain = tokens.Count - open <= 3 && (tokens[open + 1].Kind is TokenKind.Letter or TokenKind.Number);
        bool head = open == 1 || tokens.Skip(1).Take(open - 1).All(static token => token.IsAnyOf("'_^-{}")
            || token.Kind is TokenKind.Number or TokenKind.Letter);
        return head && (FunctionLetters.Contains(tokens[0].Text) || (plain && tokens[open + 1].Text != tokens[0].Text));
    }

    /// <summary><c>\angle ABC</c>, <c>m\angle A</c>, <c>|AB|</c>, <c>AB</c>, <c>\triangle</c>.</summary>
    private static bool IsGeometric(List<Token> tokens) =>
        tokens.TrueForAll(static token => token.Kind is TokenKind.Letter or TokenKind.Word || token.IsAnyOf("|[]°") || token.IsCommand("angle")
            || token.IsCommand("triangle") || token.IsCommand("measuredangle"))
        && tokens.Exists(static token => token.Kind == TokenKind.Command || token.Is('|') || token.Is('['))
            && tokens.Exists(static token => token.Kind is TokenKind.Word or TokenKind.Letter)
        && (tokens.Exists(static token => token.Kind == TokenKind.Command) || tokens.Exists(static token => token.Kind == TokenKind.Word));

    /// <summary><c>\frac{dy}{dx}</c>, <c>dy/dx</c>.</summary>
    private static bool IsDerivative(List<Token> tokens)
    {
        string letters = string.Concat(tokens.Where(static token => !token.IsAnyOf("{}/")).Select(static token => token.Text));
        return tokens.Exists(static token => token.IsCommand("frac") || token.Is('/')) && letters.Length is 4 or 8
            && (letters.StartsWith("frac") ? letters[4..] : letters) is ['d', _, 'd', _];
    }
}
