using System.Diagnostics;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Tests.Mathematics;

/// <summary>What a model may write by chance or to gain time costs little and throws nothing.</summary>
public sealed class HostileAnswerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(0.1);

    private static string Repeated(string part, int length) => string.Concat(Enumerable.Repeat(part, length / part.Length + 1));

    private const int Megabyte = 1 << 20;

    public static TheoryData<string> Parts =>
    [
        "{", "}", "(", "\\{", "\\boxed{", "\\boxed{1}", "\\boxed{1} and ", "\\boxed ", "\\boxed 1 ", "\\fbox{", "\\frac{1}{", "\\frac11", "\\sqrt{",
            "\\sqrt[99]{", "9^", "9^{", "9", "0.1", "-",
        "1,", ",", "1/", "1=", "x=", "####", "#### 1\n", "answer ", "answer is ", "The answer is 1. ", "It is 5. ", "<think>", "</think>", "<think></think>",
            "<answer>", "<answer></answer>", "$", "$1 ",
        "\\", "\\text{", "\\left(", "\\color{", "\\begin{pmatrix}", "1&", "²", "½", "\n", " ", ".", ". ", "five ", "<<", "<<1=1>>", "a", "word ", "or ",
            "(a, ", "[1,2]\\cup", "5!", "0.\\overline{3}", "**1",
        "`", "~1", "\ud83d", "1e9999", "|", "±1",
    ];

    [Theory]
    [MemberData(nameof(Parts))]
    public void A_megabyte_takes_less_than_a_tenth_of_a_second(string part)
    {
        string text = Repeated(part, Megabyte / 2), boxed = "\\boxed{" + text + "}", closed = text + Repeated("}", text.Length);
        foreach (string answer in (string[])[text + text, boxed, closed, "The answer is " + text])
        {
            Check(() => AnswerEquality.Equal("72", answer), part);
        }

        string asReference = Repeated(part, 3_900);
        Check(() => AnswerEquality.Equal(asReference, text), part);
        Check(() => AnswerEquality.Equal(asReference, asReference + "1"), part);
    }

    public static TheoryData<string> Deep =>
    [
        Repeated("9^", 3_900) + "9", Repeated("99999^9999*", 3_900) + "1", Repeated("x^{99}", 3_900), Repeated("\\frac{1}{", 500) + "1" + Repeated("}", 55),
            Repeated("\\sin(", 250) + "x" + Repeated(")", 50),
        Repeated("\\sqrt{2+", 300) + "2" + Repeated("}", 37), Repeated("1.7^{999}/", 3_900) + "1", Repeated("\\{1,", 200),
            Repeated("(1,2),", 3_900) + "(1,2)", Repeated("999!*", 3_900) + "1",
        string.Join("\\cup ", Enumerable.Range(0, 200).Select(static i => $"[{2 * i},{2 * i + 1}]")), Repeated("\\binom{999}{500}*", 3_900) + "1",
            Repeated("\\log_2 ", 3_900) + "x",
        Repeated("e^", 60) + "x", Repeated("x^", 40) + "x", Repeated("\\sin(x+y)+", 3_900) + "x", Repeated("x^{y}+", 3_900) + "x",
            Repeated("((", 100) + "1" + Repeated("))", 100),
        Repeated("one hundred ", 3_900), Repeated("x=1,", 3_900) + "x=1", Repeated("5 m per s per ", 3_900), Repeated("x_", 3_900) + "1",
            Repeated("1'", 3_900), Repeated("12,", 3_900) + "345",
        "\\boxed{" + Repeated("9", 3_900) + "}" + Repeated(" ", Megabyte),
    ];

    [Theory]
    [MemberData(nameof(Deep))]
    public void What_is_short_enough_to_be_read_takes_no_longer(string text)
    {
        Check(() => AnswerEquality.Equal(text, text + "+1"), text[..20]);
        Check(() => AnswerEquality.Equal("72", text), text[..20]);
        Check(() => AnswerEquality.Equal("x^2+y", text), text[..20]);
    }

    /// <summary>The fastest of a few: other work on the machine is not the text's fault.</summary>
    private static void Check(Action compare, string what)
    {
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < 20 && fastest > Limit; i++)
        {
            var clock = Stopwatch.StartNew();
            compare();
            fastest = clock.Elapsed < fastest ? clock.Elapsed : fastest;
        }

        Assert.True(fastest < Limit, $"{what}: {fastest.TotalMilliseconds:F0} ms");
    }
}
