using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using GrpoActors.Text.Tests;
using Xunit;

namespace GrpoActors.Text.Templates.Tests;

/// <summary>No template reaches out, loops for ever, eats memory or overflows the stack: each ends in text or in a TemplateException.</summary>
public sealed class HostileTemplateTests
{
    private static readonly JsonElement Messages =
        JsonDocument.Parse("""[{"role":"user","content":"hi"},{"role":"assistant","content":"yo","tool_calls":[{"a":1}]}]""").RootElement;

    public static TheoryData<string> Greedy =>
    [
        // time
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(0) }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == [ns.x, ns.x, 1] }}{{ ns.x }}",
        "{% set ns = namespace(x=[1], y=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson | length }}",
        "{% set s = 'a' * 4000000 %}{% for a in range(99999) %}{{ 'b' in s }}{% endfor %}",
        "{% set s = 'a' * 4000000 %}{{ ('a' * 2000000 + 'b') in s }}",
        "{% set s = 'a' * 4000000 %}{{ s.replace('a' * 2000000 + 'b', 'c') }}",
        "{% for a in range(99999) %}{{ [range(99999)] | sum(start=[]) }}{% endfor %}",
        "{% set l = range(99999) | list %}{% for a in l %}{% if l == l[:] %}{% endif %}{{ l | sort | first }}{% endfor %}",
        "{% for a in [[]] recursive %}{{ loop([[]]) }}{% endfor %}",
        // memory
        "{{ 'a' * 99999999999 }}",
        "{{ [1] * 99999999999 }}",
        "{{ [[1] * 1000000] * 1000000 }}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(l=[1]) %}{% for a in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l }}",
        "{{ 'a'.center(2000000000) }}", "{{ 'a'.ljust(2000000000) }}", "{{ 'a'.zfill(2000000000) }}", "{{ '\t'.expandtabs(2000000000) }}",
        "{{ '%2000000000d' % 1 }}", "{{ '%.2000000000f' % 1 }}", "{{ '{:2000000000}'.format(1) }}", "{{ 'a' | center(2000000000) }}",
        "{{ 'a' | indent(2000000000, true) * 100000 }}", "{{ [1] | batch(2000000000, 'x') | list }}", "{{ [1] | slice(2000000000) | list }}",
        "{{ range(99999) | list | tojson(indent=1000) }}",
        "{{ 9 ** 999999999 }}", "{{ 9 ** (9 ** 9) }}", "{% set ns = namespace(i=9) %}{% for a in range(99) %}{% set ns.i = ns.i * ns.i %}{% endfor %}{{ ns.i }}",
        "{{ 'a'.join(range(99999) | map('string')).replace('', 'b' * 100000) }}", "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
        "{{ ('a ' * 4000000).split(' ') | length }}{{ ('a ' * 4000000).split(' ') | length }}",
        "{% for a in range(99999) %}{{ 'a' * 100000 }}{% endfor %}",
        "{% macro m(a) %}{{ m(a + a) }}{% endmacro %}{{ m('aaaaaaaaaaaaa') }}",
        // stack
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{% if true %}{% for x in [1] %}{% call a() %}{% endcall %}{% endfor %}{% endif %}{{ caller }}{% endmacro %}{{ a() }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for a in range(50000) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for a in range(50000) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x < ns.y }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = ns.x | map('string') %}{% endfor %}{{ ns.x | list }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(99999) %}{% set ns.x = ns.x | select %}{% endfor %}{{ ns.x | list }}",
    ];

    [Theory]
    [MemberData(nameof(Greedy))]
    public void A_greedy_template_ends_in_a_sentence(string template)
    {
        var error = Assert.Throws<TemplateException>(() => Render(template));
        Assert.True(error.Kind == TemplateErrorKind.Limit || error.Reason.Length > 0, error.Message);
    }

    public static TheoryData<string, int> Deep => new()
    {
        { "(", 100_000 }, { "[", 100_000 }, { "{'a':", 100_000 }, { "-", 100_000 }, { "not ", 100_000 }, { "a(", 100_000 }, { "a[", 100_000 },
        { "1 if 1 else ", 50_000 }, { "1+", 100_000 }, { "1~", 100_000 }, { "1<", 100_000 }, { "1 and ", 100_000 }, { "2**", 100_000 }, { "x is in ", 50_000 },
    };

    [Theory]
    [MemberData(nameof(Deep))]
    public void A_deep_or_long_expression_ends_in_text_or_a_sentence(string part, int times)
    {
        Ends("{{ " + string.Concat(Enumerable.Repeat(part, times)) + "1 }}");
        Ends("{{ 1" + string.Concat(Enumerable.Repeat("|abs", times / 2)) + " }}");
        Ends("{{ a" + string.Concat(Enumerable.Repeat(".a", times / 2)) + " }}");
        Ends("{% set " + string.Concat(Enumerable.Repeat("(", times / 2)) + "a %}");
    }

    [Theory]
    [InlineData("{% if 1 %}")]
    [InlineData("{% for a in [1] %}")]
    [InlineData("{% macro m() %}")]
    [InlineData("{% set x %}")]
    [InlineData("{% generation %}")]
    [InlineData("{% filter upper %}")]
    [InlineData("{% if 1 %}{% elif 1 %}{% else %}")]
    public void Blocks_in_blocks_end_in_a_sentence(string block) => Ends(string.Concat(Enumerable.Repeat(block, 20_000)));

    [Theory]
    [InlineData("{{ ''.__class__.__mro__ }}")]
    [InlineData("{{ messages.__init__.__globals__ }}")]
    [InlineData("{{ raise_exception.__globals__['os'] }}")]
    [InlineData("{{ '{0.__class__.__mro__}'.format(1) }}")]
    [InlineData("{{ messages.append(1) }}")]
    [InlineData("{{ messages[0].update({'a': 1}) }}")]
    [InlineData("{{ namespace.__init__() }}")]
    [InlineData("{% include '/etc/passwd' %}")]
    [InlineData("{% import 'os' as os %}")]
    [InlineData("{% extends 'x' %}")]
    public void A_template_reaches_nothing(string template) => Assert.Throws<TemplateException>(() => Render(template));

    [Fact]
    public void A_template_longer_than_the_limit_is_refused() =>
        Assert.Equal(TemplateErrorKind.Limit, Assert.Throws<TemplateException>(() => ChatTemplate.Parse(new string('a', 2_000_000))).Kind);

    private static readonly string[] Pieces =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "{%-", "-%}", "{{-", "-}}", " ", "\n", "a", "x", "messages", "loop", "ns", "if", "elif", "else", "endif",
        "for", "in", "endfor", "set", "endset", "macro", "endmacro", "call", "endcall", "filter", "endfilter", "with", "endwith", "raw", "endraw", "generation",
        "endgeneration", "break", "continue", "is", "not", "and", "or", "defined", "none", "true", "1", "0", "2.5", "99999", "'s'", "\"t\"", "(", ")", "[", "]",
        "{", "}", ".", ",", ":", "|", "~", "*", "**", "/", "//", "%", "=", "==", "!=", "<", ">", "<=", "upper", "length", "tojson", "list", "map", "sort", "join",
        "range", "namespace", "content", "role", "items", "split", "replace", "strip", "\\", "'", "\"", "\ud83d", "\0", "é", "😀", "recursive",
        "{% for a in messages %}", "{% endfor %}", "{{ a }}", "{% if a %}", "{% endif %}", "{% set a = ", " %}", "{% macro m(a) %}", "{% endmacro %}", "{{ m(",
    ];

    [Fact]
    public void Garbage_ends_in_text_or_a_sentence()
    {
        var piece = Gen.Elements(Pieces);
        var template = Gen.Choose(1, 60).SelectMany(n => Gen.ArrayOf(piece, n)).Select(parts => string.Concat(parts));
        Prop.ForAll(template.ToArbitrary(), text => Ends(text)).Check(Cases.Of(3_000));
    }

    [Fact]
    public void Garbage_expressions_end_in_text_or_a_sentence()
    {
        var piece = Gen.Elements(Pieces.Where(p => !p.Contains("{%") && !p.Contains("%}") && !p.Contains("{{") && !p.Contains("}}")).ToArray());
        var template = Gen.Choose(1, 12).SelectMany(n => Gen.ArrayOf(piece, n)).Select(parts => "{{ " + string.Join(' ', parts) + " }}");
        Prop.ForAll(template.ToArbitrary(), text => Ends(text)).Check(Cases.Of(5_000));
    }

    [Fact]
    public void A_cut_or_garbled_template_ends_in_text_or_a_sentence()
    {
        const string Whole = "{%- macro m(a, b=[1]) -%}{{ a|upper ~ b }}{%- endmacro -%}{% for m2 in messages %}{% if m2.role == 'user' and loop.first %}"
            + "{{ m(m2['content'][::-1], {'x': 1.5}|tojson(indent=2)) }}{% elif m2 is mapping %}{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}"
            + "{% generation %}{{ '%05.2f' % ns.n }}{% endgeneration %}{% else %}{% continue %}{% endif %}{% endfor %}{# c #}{% raw %}{{{% endraw %}";
        for (int i = 0; i < Whole.Length; i++)
        {
            Ends(Whole[..i]);
            Ends(Whole[i..]);
            Ends(Whole.Remove(i, 1));
            foreach (char c in "{}%-'(|é")
            {
                Ends(new StringBuilder(Whole) { [i] = c }.ToString());
            }
        }
    }

    private static string Render(string template) => ChatTemplate.Parse(template).Render(new ChatTemplateInput { Messages = Messages }).Text;

    private static void Ends(string template)
    {
        try
        {
            Render(template);
        }
        catch (TemplateException)
        {
        }
    }
}
