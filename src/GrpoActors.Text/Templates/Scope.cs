using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>Names and their values; what is not here is looked for outside. A loop's body, a macro and the like open a scope, an if does not.</summary>
internal sealed class Scope(Execution execution, Scope? outer)
{
    private Dictionary<string, Value>? _names;

    public Execution Execution => execution;

    public Value? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._names is not null && scope._names.TryGetValue(name, out var value))
            {
                return value;
            }
        }
        return null;
    }

    private Scope? Outer => outer;

    public void Set(string name, Value value) => (_names ??= [])[name] = value;

    public Scope Inner() => new(execution, this);
}

/// <summary>Rendered text and, beside it, what of it the assistant said.</summary>
internal sealed class Output(Execution x)
{
    private readonly StringBuilder _text = new();
    private readonly List<AssistantSpan> _spans = [];

    public int Length => _text.Length;

    public void Write(string text)
    {
        if (_text.Length + (long)text.Length > x.Limits.OutputChars)
        {
            throw x.Error(TemplateErrorKind.Limit, $"The template writes more than {x.Limits.OutputChars} characters.");
        }
        x.Work(text.Length);
        _text.Append(text);
    }

    public void Write(Value value)
    {
        if (value is TextValue { Spans: { Length: > 0 } spans })
        {
            foreach (var span in spans)
            {
                x.Step();
                Mark(_text.Length + span.Start, _text.Length + span.End);
            }
        }
        Write(Representation.Str(x, value));
    }

    public void Mark(int start, int end)
    {
        if (end > start)
        {
            x.AllocateItem();
            _spans.Add(new AssistantSpan(start, end));
        }
    }

    public TextValue ToValue()
    {
        x.Allocate(_text.Length);
        return new TextValue(_text.ToString(), spans: _spans.Count == 0 ? null : [.. _spans]);
    }

    public RenderedChat ToChat() => new(_text.ToString(), [.. _spans]);
}
