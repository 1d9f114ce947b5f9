using System.Text;

namespace GrpoActors.Text;

/// <summary>Replaces every match of a string or pattern by a text: the Replace of normalizers and decoders.</summary>
internal sealed class TextReplacement
{
    private readonly TextPattern _pattern;
    private readonly string _content;

    private TextReplacement(TextPattern pattern, string content)
    {
        _pattern = pattern;
        _content = content;
    }

    public static TextReplacement Read(TokenizerJson replace) => new(TextPattern.Read(replace["pattern"]), replace["content"].String());

    public string Apply(string text)
    {
        if (_pattern.Literal is { } literal)
        {
            return literal.Length == 0 ? text : text.Replace(literal, _content, StringComparison.Ordinal);
        }

        var result = new StringBuilder(text.Length);
        int done = 0;
        while (_pattern.Find(text, done, out int start, out int end))
        {
            result.Append(text, done, start - done).Append(_content);
            done = end;
        }

        return done == 0 ? text : result.Append(text, done, text.Length - done).ToString();
    }
}

/// <summary>What Split and Replace look for: <c>{"String": "..."}</c> or <c>{"Regex": "..."}</c>.</summary>
internal sealed class TextPattern
{
    private readonly Pattern? _pattern;

    private TextPattern(string? literal, Pattern? pattern)
    {
        Literal = literal;
        _pattern = pattern;
    }

    public string? Literal { get; }

    public static TextPattern Read(TokenizerJson pattern)
    {
        if (!pattern["String"].IsNull)
        {
            return new(pattern["String"].String(), null);
        }

        var regex = pattern["Regex"];
        if (regex.IsNull)
        {
            throw pattern.Wrong("has neither String nor Regex");
        }

        try
        {
            return new(null, Pattern.Parse(regex.String()));
        }
        catch (FormatException e)
        {
            throw regex.Wrong($"cannot be used: {e.Message}");
        }
    }

    public static TextPattern Of(string regex) => new(null, Pattern.Parse(regex));

    /// <summary>The first match at or after <paramref name="from"/> that is not empty.</summary>
    public bool Find(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        if (_pattern is not null)
        {
            return _pattern.Find(text, from, out start, out end);
        }

        int offset = Literal!.Length == 0 ? -1 : text[from..].IndexOf(Literal, StringComparison.Ordinal);
        start = from + offset;
        end = start + Literal.Length;
        return offset >= 0;
    }
}
