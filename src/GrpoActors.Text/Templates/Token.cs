using System.Numerics;

namespace GrpoActors.Text.Templates;

internal enum TokenKind
{
    Data, OutputBegin, OutputEnd, BlockBegin, BlockEnd, Name, Text, Integer, Float, Operator, End,
}

/// <param name="At">Offset in the source, in UTF-16 units.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int At, BigInteger Integer = default, double Float = 0)
{
    public bool Is(string operatorText) => Kind == TokenKind.Operator && Text == operatorText;

    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public string Description => Kind switch
    {
        TokenKind.End => "end of template",
        TokenKind.OutputEnd => "end of print statement",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.OutputBegin => "begin of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.Data => "template data",
        TokenKind.Text => "a string",
        _ => Text,
    };
}

/// <summary>The template's text with line ends as <c>\n</c>, and the place of an offset in it.</summary>
internal sealed class Source
{
    public Source(string text)
    {
        string normal = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        // One newline at the very end is the file's, not the template's.
        Text = normal.EndsWith('\n') ? normal[..^1] : normal;
    }

    public string Text { get; }

    public TemplateException Error(TemplateErrorKind kind, string reason, int at)
    {
        var before = Text.AsSpan(0, Math.Clamp(at, 0, Text.Length));
        int line = 1 + before.Count('\n');
        int column = before.Length - before.LastIndexOf('\n');
        return new TemplateException(kind, reason, line, column);
    }

    public TemplateException SyntaxError(string reason, int at) => Error(TemplateErrorKind.Syntax, reason, at);
}
