namespace GrpoActors.Rewards.Mathematics;

internal enum TokenKind
{
    End,

    /// <summary>Digits: <c>12</c>, <c>12.5</c>, <c>1.5e3</c>; <c>0.1r6</c> for a repeating 6.</summary>
    Number,

    /// <summary>One letter, Latin or Greek (by its LaTeX name).</summary>
    Letter,

    /// <summary>Several letters.</summary>
    Word,

    /// <summary>A LaTeX command that is neither a symbol nor dressing; <c>begin pmatrix</c> for an environment.</summary>
    Command,

    Symbol,

    /// <summary>Digits that are no number: a date (<c>2024-01-15</c>), an address (<c>10.0.1.10</c>).</summary>
    Opaque,
}

/// <param name="Text">Without dressing.</param>
/// <param name="Blank">White space, or the border of a text group, stands in front.</param>
/// <param name="InText">It stands in <c>\text{...}</c> or the like.</param>
/// <param name="Start">In the normalised text.</param>
internal readonly record struct Token(TokenKind Kind, string Text, bool Blank, bool InText, int Start, int End)
{
    public bool Is(char symbol) => Kind == TokenKind.Symbol && Text[0] == symbol;

    public bool IsAnyOf(string symbols) => Kind == TokenKind.Symbol && symbols.Contains(Text[0]);

    public bool IsCommand(string name) => Kind == TokenKind.Command && Text == name;

    public bool IsWord(string word) => Kind == TokenKind.Word && string.Equals(Text, word, StringComparison.OrdinalIgnoreCase);

    public bool IsDigits => Kind == TokenKind.Number && Text.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0;
}
