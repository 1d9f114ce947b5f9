namespace GrpoActors.Text.Templates;

/// <summary>Why a template could not be parsed or rendered.</summary>
public enum TemplateErrorKind
{
    /// <summary>The source is no template of this dialect.</summary>
    Syntax,

    /// <summary>A value that does not exist was used (Jinja's UndefinedError).</summary>
    Undefined,

    /// <summary>An operation that the value does not have (Python's TypeError, ValueError, ...).</summary>
    Value,

    /// <summary>The template itself refused its input by <c>raise_exception</c>.</summary>
    Raised,

    /// <summary>Something a sandboxed template may not do.</summary>
    Sandbox,

    /// <summary>A bound of <see cref="TemplateLimits"/> was reached.</summary>
    Limit,
}

/// <summary>The only exception that parsing and rendering throw for a bad template or input.</summary>
public sealed class TemplateException : Exception
{
    public TemplateException(TemplateErrorKind kind, string reason, int line, int column)
        : base($"Chat template, line {line}, column {column}: {reason}")
    {
        Kind = kind;
        Reason = reason;
        Line = line;
        Column = column;
    }

    public TemplateErrorKind Kind { get; }

    /// <summary>The message without the place.</summary>
    public string Reason { get; }

    /// <summary>From 1; <c>\r\n</c>, <c>\r</c> and <c>\n</c> end a line.</summary>
    public int Line { get; }

    /// <summary>From 1, in UTF-16 units.</summary>
    public int Column { get; }
}

/// <summary>Bounds on what one rendering may spend. Passing one is a <see cref="TemplateException"/> of kind Limit, never a hang.</summary>
public sealed record TemplateLimits
{
    public static TemplateLimits Default { get; } = new();

    /// <summary>Characters of source.</summary>
    public int SourceChars { get; init; } = 1 << 20;

    /// <summary>Evaluated nodes, iterations, and one per 64 characters or items that an operation walks over.</summary>
    public long Steps { get; init; } = 20_000_000;

    /// <summary>Characters of rendered text.</summary>
    public int OutputChars { get; init; } = 1 << 24;

    /// <summary>Characters made by all operations together, of which a value in a list or a mapping counts as 16.</summary>
    public long AllocatedChars { get; init; } = 1 << 26;

    /// <summary>Evaluations inside one another (expressions, blocks, macros, nested values).</summary>
    public int Depth { get; init; } = 1_000;
}
