using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using GrpoActors.Rewards.Mathematics;
using GrpoActors.Text.Tests;
using Xunit;

namespace GrpoActors.Rewards.Tests.Mathematics;

public sealed class AnswerEqualityTests
{
    /// <summary>Rows on which math-verify 0.9.0 says "different" and this says "equal"; the reasons stand in the room's README.</summary>
    private static readonly HashSet<(string Gold, string Answer)> OursAlone =
    [
        ("(1,2)", "(1, 2)"), ("-3", "- 3"), ("0", "zero"), ("10^{6}", "1e6"), ("25\\%", "0.25"), ("\\frac{3}{4}", "75\\%"), ("\\pi", "\\pi"),
        ("\\{1,2,3\\}", "\\{3,2,1\\}"),
    ];

    [Fact]
    public void Equality_agrees_with_math_verify_but_for_the_listed_rows()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", "math.json")));
        var rows = golden.RootElement.GetProperty("rows").EnumerateArray()
            .Select(r => (Gold: r.GetProperty("gold").GetString()!, Answer: r.GetProperty("answer").GetString()!, Equal: r.GetProperty("equal").GetBoolean()))
            .ToList();
        Assert.Equal(607, rows.Count);
        var differing = rows.Where(r => AnswerEquality.Equal(r.Gold, r.Answer) != r.Equal).ToList();
        Assert.All(differing, r => Assert.False(r.Equal, $"{r.Gold} = {r.Answer} was missed"));
        string Listed(IEnumerable<(string Gold, string Answer)> pairs) =>
            string.Join("\n", pairs.Distinct().Select(p => $"{p.Gold}   {p.Answer}").Order(StringComparer.Ordinal));
        Assert.True(Listed(OursAlone) == Listed(differing.Select(r => (r.Gold, r.Answer))), Listed(differing.Select(r => (r.Gold, r.Answer))));
    }

    [Theory]
    [InlineData("1000", "1,000")]
    [InlineData("1000", "1000.0")]
    [InlineData("1,234,567", "1234567")]
    [InlineData("1000", "$1,000")]
    [InlineData("1000", "1{,}000")]
    [InlineData("1000", "1\\,000 \\text{ dollars}")]
    [InlineData("72", "So 48 + 24 = 72\n#### 72")]
    [InlineData("She sold 72.\n#### 72", "\\boxed{72}")]
    [InlineData("72", "First 24, then 48, so the answer is 72 clips.")]
    [InlineData("72", "**Answer:** 72")]
    [InlineData("<think>\\boxed{71}?</think>The answer is 72.", "72")]
    [InlineData("1/2", "\\dfrac{1}{2}")]
    [InlineData("1/2", "\\frac12")]
    [InlineData("\\frac{1}{2}", "0.5")]
    [InlineData("-\\frac{1}{2}", "\\frac{-1}{2}")]
    [InlineData("7\\frac{1}{2}", "7 1/2")]
    [InlineData("-7\\frac{1}{2}", "-7.5")]
    [InlineData("50\\%", "50")]
    [InlineData("50%", "1/2")]
    [InlineData("-3", "negative 3")]
    [InlineData("-3", "minus three")]
    [InlineData("-3", "\u22123")]
    [InlineData("42", "forty-two")]
    [InlineData("2,305", "two thousand three hundred and five")]
    [InlineData("5", "5 cm^2")]
    [InlineData("5", "5 m")]
    [InlineData("5", "5\\text{ m/s}")]
    [InlineData("90", "90^\\circ")]
    [InlineData("2\\sqrt{3}", "\\sqrt{12}")]
    [InlineData("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}")]
    [InlineData("\\sqrt[3]{8}", "2")]
    [InlineData("4\\pi", "\\pi \\cdot 4")]
    [InlineData("2^{10}", "1024")]
    [InlineData("10^{6}", "1000000")]
    [InlineData("1.5e3", "1500")]
    [InlineData("2x+3", "3+2x")]
    [InlineData("(x+1)^2", "x^2+2x+1")]
    [InlineData("x=5", "x = 5")]
    [InlineData("1, -2", "-2, 1")]
    [InlineData("(-\\infty, 3] \\cup [5, \\infty)", "(-\\infty,3]\\cup[5,\\infty)")]
    [InlineData("\\text{Tuesday}", "tuesday")]
    [InlineData("\\text{(B)}", "\\boxed{B}")]
    [InlineData("1/3", "0.333333")]
    public void What_says_the_same_is_equal(string gold, string answer) => Assert.True(AnswerEquality.Equal(gold, answer));

    [Theory]
    [InlineData("72", "7 2")]
    [InlineData("72", "720")]
    [InlineData("72", "72.0000001")]
    [InlineData("72", "")]
    [InlineData("72", "no idea")]
    [InlineData("72", "(7, 2)")]
    [InlineData("0.5", "0.5%")]
    [InlineData("1/3", "0.33")]
    [InlineData("0", "0.0000001")]
    [InlineData("1/3000000", "0")]
    [InlineData("3.14", "\\pi")]
    [InlineData("3", "-3")]
    [InlineData("(1,2)", "(2,1)")]
    [InlineData("(1,2)", "[1,2]")]
    [InlineData("{1,2}", "{1,2,2}")]
    [InlineData("2x", "2y")]
    [InlineData("x^2", "x^3")]
    [InlineData("Tuesday", "Wednesday")]
    [InlineData("", "")]
    [InlineData("5", "1/0")]
    [InlineData("5", "The answer is 5 or 6")]
    public void What_says_something_else_is_not(string gold, string answer) => Assert.False(AnswerEquality.Equal(gold, answer));

    [Fact]
    public void Every_number_equals_itself_however_it_is_written() => Prop.ForAll<int>(n =>
        AnswerEquality.Equal(n.ToString(), $"so we get \\boxed{{{n:N0}}}.")
        && AnswerEquality.Equal($"{n}.00", $"#### {n}")
        && AnswerEquality.Equal($"\\frac{{{2L * n}}}{{2}}", $"{n}")
        && !AnswerEquality.Equal($"{n}", $"{n + 1L}")).QuickCheckThrowOnFailure();

    private static readonly string[] Pieces =
    [
        "1", "2", "0", "99", ".", ",", "-", "+", "*", "/", "^", "(", ")", "[", "]", "{", "}", "\\{", "\\}", "\\frac", "\\sqrt", "\\boxed{", "####", "x", "y",
            "=", "%",
        "\\%", "$", " ", "\\pi", "\\infty", "\\cup", "e", "answer is ", "\\text{", "minus ", "seven", "\n", "\\", "\ud83d", "é",
    ];

    [Fact]
    public void Garbage_is_compared_without_throwing()
    {
        var text = Gen.Choose(0, 25).SelectMany(n => Gen.ArrayOf(Gen.Elements(Pieces), n)).Select(parts => string.Concat(parts));
        Prop.ForAll(Gen.Zip(text, text).ToArbitrary(), pair =>
        {
            AnswerEquality.Equal(pair.Item1, pair.Item2);
        }).Check(Cases.Of(5_000));
    }
}
