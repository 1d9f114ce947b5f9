using System.Runtime.CompilerServices;

namespace GrpoActors.Text.Templates;

/// <summary>One rendering: where it stands, what it has spent, and how it fails. One thread.</summary>
internal sealed class Execution(Source source, TemplateLimits limits)
{
    private long _steps;
    private long _allocatedChars;
    private int _depth;

    /// <summary>Offset of the node at work; errors carry it.</summary>
    public int At { get; set; }

    public TemplateLimits Limits => limits;

    public TemplateException Error(TemplateErrorKind kind, string reason) => source.Error(kind, reason, At);

    public TemplateException TypeError(string reason) => Error(TemplateErrorKind.Value, reason);

    public TemplateException Undefined(UndefinedValue value) => Error(value.Kind, value.Message);

    /// <summary>Goes one level down; <see cref="Leave"/> comes back (an exception ends the rendering, so needs no way back).</summary>
    public void Enter()
    {
        Step();
        if (++_depth > limits.Depth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Error(TemplateErrorKind.Limit, $"The template nests deeper than {limits.Depth} levels; a macro may be calling itself for ever.");
        }
    }

    public void Leave() => _depth--;

    public void Step()
    {
        if (++_steps > limits.Steps)
        {
            throw TooManySteps();
        }
    }

    /// <summary>Charges for walking over <paramref name="chars"/> characters or items.</summary>
    public void Work(long chars)
    {
        _steps += chars >> 6;
        if (_steps > limits.Steps)
        {
            throw TooManySteps();
        }
    }

    private TemplateException TooManySteps() =>
        Error(TemplateErrorKind.Limit, $"The template took more than {limits.Steps} steps; it may be looping for ever.");

    /// <summary>Charges for a search whose worst case is the product of both lengths.</summary>
    public void Search(string text, string what) => Work(text.Length + (long)text.Length * what.Length / 64);

    /// <summary>Charges for new characters. Called before they are made.</summary>
    public void Allocate(long chars)
    {
        Work(chars);
        _allocatedChars += chars;
        if (_allocatedChars > limits.AllocatedChars)
        {
            throw Error(TemplateErrorKind.Limit, $"The template made more than {limits.AllocatedChars} characters of intermediate values.");
        }
    }

    public void AllocateItem()
    {
        Step();
        Allocate(16);
    }

    public TextValue Text(string text)
    {
        Allocate(text.Length);
        return new TextValue(text);
    }

    /// <summary>Text that stays markup where <paramref name="like"/> is.</summary>
    public TextValue Text(string text, TextValue like)
    {
        Allocate(text.Length);
        return new TextValue(text, like.IsMarkup);
    }

    /// <summary>Makes a list, charging per item while it is made.</summary>
    public List<Value> List(IEnumerable<Value> items)
    {
        var list = new List<Value>();
        foreach (var item in items)
        {
            AllocateItem();
            list.Add(item);
        }
        return list;
    }
}
