using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Templates.Tests;

public sealed class ChatTemplateTests
{
    private static ChatTemplateInput Input(string messages = "[]", string variables = "{}") => new()
    {
        Messages = JsonDocument.Parse(messages).RootElement,
        Variables = JsonDocument.Parse(variables).RootElement.EnumerateObject().ToDictionary(v => v.Name, v => v.Value),
    };

    private static RenderedChat Render(string template, string messages = "[]", string variables = "{}") =>
        ChatTemplate.Parse(template).Render(Input(messages, variables));

    private static string[] Spoken(RenderedChat chat) => [.. chat.AssistantSpans.Select(s => chat.Text[s.Start..s.End])];

    private const string Dialogue = """[{"role":"user","content":"Q1"},{"role":"assistant","content":"A1"},{"role":"user","content":"Q2"},{"role":"assistant","content":"A2"}]""";

    [Theory]
    [InlineData("reasoning_content")]
    [InlineData("thinking")]
    public void Reasoning_reaches_the_template_under_both_of_its_names(string name) => Assert.Equal(
        "because|because",
        Render("{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}", $$"""[{"role":"assistant","content":"A","{{name}}":"because"}]""").Text);

    [Fact]
    public void Reasoning_given_under_both_names_stays_as_it_is() => Assert.Equal(
        "a|b|False",
        Render(
            "{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}|{{ messages[1].thinking is defined }}",
            """[{"role":"assistant","content":"A","reasoning_content":"a","thinking":"b"},{"role":"assistant","content":"A","reasoning_content":null}]""").Text);

    [Fact]
    public void Generation_blocks_mark_what_the_assistant_said()
    {
        var chat = Render(
            "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<end>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
            Dialogue);
        Assert.Equal("<user>Q1<assistant>A1<end><user>Q2<assistant>A2<end>", chat.Text);
        Assert.Equal(["A1<end>", "A2<end>"], Spoken(chat));
    }

    [Fact]
    public void Marks_inside_a_macro_a_call_or_a_set_block_arrive_where_their_text_does()
    {
        var chat = Render(
            "{% macro say(t) %}[{% generation %}{{ t }}{% endgeneration %}]{{ caller() if caller is defined else '' }}{% endmacro %}"
            + "ab{{ say('one') }}{% call say('two') %}-{% endcall %}{% set x %}.{{ say('three') }}{% endset %}{{ 'p' + x ~ 'q' }}{{ [x, x] | join(',') }}");
        Assert.Equal("ab[one][two]-p.[three]q.[three],.[three]", chat.Text);
        Assert.Equal(["one", "two", "three", "three", "three"], Spoken(chat));
    }

    [Fact]
    public void A_template_says_whether_it_marks_the_assistant()
    {
        Assert.True(ChatTemplate.Parse("{% generation %}x{% endgeneration %}").MarksAssistant);
        Assert.False(ChatTemplate.Parse("x").MarksAssistant);
    }

    [Fact]
    public void Tools_and_documents_are_none_when_absent_and_special_tokens_are_variables()
    {
        var chat = ChatTemplate.Parse("{{ tools is none }}{{ documents is none }}{{ tools is defined }}{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}")
            .Render(Input() with { SpecialTokens = new Dictionary<string, string> { ["bos_token"] = "<s>" }, AddGenerationPrompt = true });
        Assert.Equal("TrueTrueTrue<s>True", chat.Text);
    }

    [Theory]
    [InlineData("a\n  {{ x.y.z }}", 2, 7)]
    [InlineData("{{ 1 +\n   'a' }}", 1, 6)]
    [InlineData("a\r\nb\r\n{% foo %}", 3, 1)]
    [InlineData("{% if true %}\n\n  {{ 1 2 }}{% endif %}", 3, 8)]
    [InlineData("{{ 'abc }}", 1, 4)]
    [InlineData("{# abc", 1, 1)]
    public void An_error_names_its_line_and_column(string template, int line, int column)
    {
        var error = Assert.Throws<TemplateException>(() => Render(template));
        Assert.Equal((line, column), (error.Line, error.Column));
        Assert.StartsWith($"Chat template, line {line}, column {column}: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_template_refuses_is_told_from_what_breaks_it()
    {
        Assert.Equal(TemplateErrorKind.Raised, Assert.Throws<TemplateException>(() => Render("{{ raise_exception('no') }}")).Kind);
        Assert.Equal(TemplateErrorKind.Undefined, Assert.Throws<TemplateException>(() => Render("{{ a.b }}")).Kind);
        Assert.Equal(TemplateErrorKind.Value, Assert.Throws<TemplateException>(() => Render("{{ 1 + 'a' }}")).Kind);
        Assert.Equal(TemplateErrorKind.Syntax, Assert.Throws<TemplateException>(() => Render("{{")).Kind);
        Assert.Equal(TemplateErrorKind.Sandbox, Assert.Throws<TemplateException>(() => Render("{{ [].append(1) }}")).Kind);
    }

    [Fact]
    public void A_date_is_never_read_from_a_clock()
    {
        var template = ChatTemplate.Parse("{{ strftime_now('%d %B %Y') }}");
        Assert.Contains("given none", Assert.Throws<TemplateException>(() => template.Render(Input())).Message, StringComparison.Ordinal);
        Assert.Equal("06 July 2024", template.Render(Input() with { Now = new DateTimeOffset(2024, 7, 6, 0, 0, 0, TimeSpan.Zero) }).Text);
    }

    [Fact]
    public void Numbers_of_json_stay_what_they_were() => Assert.Equal(
        "[1, 1.0, 100000.0, 123456789012345678901234567890, -0.0, 1e-07]",
        Render("{{ v }}", variables: """{"v":[1,1.0,1e5,123456789012345678901234567890,-0.0,1e-7]}""").Text);

    [Fact]
    public void Half_a_surrogate_pair_passes_through() =>
        Assert.Equal("x\ud83dy|1|3", Render("{{ v }}|{{ v[1:2]|length }}|{{ v|length }}", variables: """{"v":"x\ud83dy"}""").Text);

    [Fact]
    public void Half_a_surrogate_pair_in_a_key_is_refused_in_one_sentence() =>
        Assert.Contains("surrogate", Assert.Throws<TemplateException>(() => Render("{{ v }}", variables: """{"v":{"\ud83d":1}}""")).Message, StringComparison.Ordinal);

    [Fact]
    public void One_template_renders_on_many_threads_alike()
    {
        var template = ChatTemplate.Parse("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ m.content }}{% endfor %}");
        var input = Input(Dialogue);
        Parallel.For(0, 200, _ => Assert.Equal("1Q12A13Q24A2", template.Render(input).Text));
    }
}
