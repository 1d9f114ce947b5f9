namespace GrpoActors.Rewards.Mathematics;

/// <summary>A place in a list of tokens.</summary>
internal sealed class TokenCursor(List<Token> tokens)
{
    private static readonly Token End = new(TokenKind.End, "\0", true, false, 0, 0);

    public List<Token> Tokens { get; } = tokens;

    public int At { get; set; }

    /// <summary>Whether <c>1,000</c> is a thousand here; else a comma parts two items.</summary>
    public bool CommasGroup { get; set; } = true;

    public Token Current => Ahead(0);

    public Token Ahead(int by) => At + by >= 0 && At + by < Tokens.Count ? Tokens[At + by] : End;

    public bool IsAtEnd => At >= Tokens.Count;

    public bool Take(char symbol)
    {
        bool there = Current.Is(symbol);
        At += there ? 1 : 0;
        return there;
    }

    public bool TakeWord(string word)
    {
        bool there = Current.IsWord(word);
        At += there ? 1 : 0;
        return there;
    }

    /// <summary>LaTeX takes one digit of <c>\frac12</c>: the number is cut in two, of which the first is current.</summary>
    public void CutDigit()
    {
        Token number = Current;
        if (number.IsDigits && number.Text.Length > 1)
        {
            Tokens[At] = number with { Text = number.Text[..1], End = number.Start + 1 };
            Tokens.Insert(At + 1, number with { Text = number.Text[1..], Start = number.Start + 1, Blank = false });
        }
    }

    /// <summary>
    /// Index of the bracket that closes the one at <paramref name="open"/>; round and square brackets may close each other, as those of intervals do. -1 if
    /// none does.
    /// </summary>
    public int Closing(int open)
    {
        int depth = 0;
        for (int i = open; i < Tokens.Count; i++)
        {
            depth += Tokens[i].IsAnyOf("([{⦃⟨") ? 1 : Tokens[i].IsAnyOf(")]}⦄⟩") ? -1 : 0;
            if (depth == 0)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Index of the first of some symbols between two places, outside brackets; -1 if there is none.</summary>
    public int Outside(int from, int to, string symbols)
    {
        int depth = 0;
        for (int i = from; i < to; i++)
        {
            Token token = Tokens[i];
            if (depth == 0 && token.IsAnyOf(symbols))
            {
                return i;
            }

            depth += token.IsAnyOf("([{⦃⟨") ? 1 : token.IsAnyOf(")]}⦄⟩") ? -1 : 0;
        }

        return -1;
    }
}
