using System.Text.Json;

namespace GrpoActors.Text.Templates;

/// <summary>What a template is rendered with.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The conversation: an array of objects with <c>role</c>, <c>content</c> and whatever else the template reads.</summary>
    public required JsonElement Messages { get; init; }

    /// <summary>An array of tool schemas; absent is <c>none</c> for the template, as in transformers.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Ends the text with the opening of the assistant's turn.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary><c>bos_token</c>, <c>eos_token</c> and the like. Absent tokens are undefined, which most templates write as nothing.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>Further variables, such as <c>enable_thinking</c>. They come last, so they may replace any of the above.</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>What <c>strftime_now</c> reads. Absent, a template that asks for the date is refused: a rendering reads no clock.</summary>
    public DateTimeOffset? Now { get; init; }
}

/// <summary>A stretch of rendered text: UTF-16 offsets, the end behind the last.</summary>
public readonly record struct AssistantSpan(int Start, int End)
{
    internal static AssistantSpan[]? Joined(TextValue first, TextValue second) => first.Spans.Length + second.Spans.Length == 0
        ? null
        : [.. first.Spans, .. second.Spans.Select(s => new AssistantSpan(s.Start + first.Text.Length, s.End + first.Text.Length))];
}

/// <param name="Text">The rendered conversation.</param>
/// <param name="AssistantSpans">
/// What was written inside <c>generation</c> blocks, in the order of writing; empty for a template without. A span inside a macro's, a call's
/// or a set block's text survives output, <c>+</c>, <c>~</c> and <c>join</c>; any other operation on that text drops it.
/// </param>
public sealed record RenderedChat(string Text, IReadOnlyList<AssistantSpan> AssistantSpans);

/// <summary>
/// A chat template in the Jinja dialect that transformers renders (jinja2 3.1's immutable sandbox, <c>trim_blocks</c>,
/// <c>lstrip_blocks</c>, loop controls, <c>generation</c> blocks). Immutable; may be rendered from several threads.
/// </summary>
/// <remarks>
/// The same text as transformers 5.23 with jinja2 3.1.6, or an error where that errs. A template reaches nothing but its input, and
/// <see cref="TemplateLimits"/> bounds what it spends. Not of this dialect: include, import, extends, block, autoescape (a chat template
/// stands alone) and the filters listed in <c>README.md</c> beside this file.
/// </remarks>
public sealed class ChatTemplate
{
    private readonly Source _source;
    private readonly TemplateLimits _limits;
    private readonly Body _body;

    private ChatTemplate(Source source, TemplateLimits limits, Body body, bool marksAssistant)
    {
        _source = source;
        _limits = limits;
        _body = body;
        MarksAssistant = marksAssistant;
    }

    /// <summary>Whether the template has a <c>generation</c> block, so that a loss mask can be made of its spans.</summary>
    public bool MarksAssistant { get; }

    /// <exception cref="TemplateException">The source is no template, or too long.</exception>
    public static ChatTemplate Parse(string source, TemplateLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        limits ??= TemplateLimits.Default;
        if (source.Length > limits.SourceChars)
        {
            throw new TemplateException(TemplateErrorKind.Limit,
                $"The template has {source.Length} characters; {limits.SourceChars} are allowed.", 1, 1);
        }
        var text = new Source(source);
        var parser = new Parser(text);
        var body = parser.Template();
        return new ChatTemplate(text, limits, body, parser.SawGeneration);
    }

    /// <exception cref="TemplateException">The template errs on this input, refuses it, or passes a limit.</exception>
    public RenderedChat Render(ChatTemplateInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var x = new Execution(_source, _limits);
        var globals = new Scope(x, null);
        Globals.AddTo(globals, input.Now);
        var variables = globals.Inner();
        variables.Set("messages", Messages(input.Messages));
        variables.Set("tools", input.Tools is { } tools ? Value.FromJson(tools) : NoneValue.Instance);
        variables.Set("documents", NoneValue.Instance);
        variables.Set("add_generation_prompt", BoolValue.Of(input.AddGenerationPrompt));
        foreach (var (name, token) in input.SpecialTokens)
        {
            variables.Set(name, new TextValue(token));
        }
        foreach (var (name, value) in input.Variables)
        {
            variables.Set(name, Value.FromJson(value));
        }
        var output = new Output(x);
        _body.Render(variables.Inner(), output);
        return output.ToChat();
    }

    // As transformers 5 does: templates read a message's reasoning under one of two names, and data give it under the other.
    private static Value Messages(JsonElement json)
    {
        var messages = Value.FromJson(json);
        foreach (var message in messages is ListValue list ? list.Items.OfType<DictValue>() : [])
        {
            foreach (var (name, other) in (ReadOnlySpan<(string, string)>)[("reasoning_content", "thinking"), ("thinking", "reasoning_content")])
            {
                if (message.Find(name) is TextValue reasoning && message.Find(other) is null or NoneValue)
                {
                    message.Set(other, reasoning);
                }
            }
        }

        return messages;
    }
}
