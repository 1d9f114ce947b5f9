namespace GrpoActors.Text;

/// <summary>A tokenizer file that cannot be used: one sentence that names the file, what is wrong and where.</summary>
public sealed class TokenizerFormatException : Exception
{
    public TokenizerFormatException(string file, string problem, Exception? inner = null)
        : base($"{file}: {problem}", inner)
    {
        File = file;
        Problem = problem;
    }

    /// <summary>The file's path, or the name its content was given under.</summary>
    public string File { get; }

    /// <summary>What is wrong and where, without the file's name.</summary>
    public string Problem { get; }
}

/// <summary>A text that this tokenizer cannot express.</summary>
public sealed class UnknownCharacterException : ArgumentException
{
    public UnknownCharacterException(string character, int position)
        : base($"The character {Describe(character)} at position {position} is not in the tokenizer's alphabet.")
    {
        Character = character;
        Position = position;
    }

    public string Character { get; }

    /// <summary>UTF-16 units before the character.</summary>
    public int Position { get; }

    private static string Describe(string character) =>
        character.Length == 1 && (char.IsControl(character[0]) || char.IsSurrogate(character[0]))
            ? $"U+{(int)character[0]:X4}"
            : $"'{character}' (U+{char.ConvertToUtf32(character, 0):X4})";
}
