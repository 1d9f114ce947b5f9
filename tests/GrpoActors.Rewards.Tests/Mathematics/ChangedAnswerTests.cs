using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Tests.Mathematics;

/// <summary>A single change of a sign, point, digit, bracket or relation makes a right answer wrong, wherever it stands.</summary>
public sealed class ChangedAnswerTests
{
    /// <summary>Changes after which the value is what it was.</summary>
    private static readonly HashSet<(string Gold, string Changed)> SameValue =
    [
        ("0", "-0"), ("0,123", "-0,123"), ("3.0", "3-0"), ("3.0", "3."), ("1,234.50", "1,234.5-0"), ("\\$5.50", "\\$5.5-0"), ("\\$18.90", "\\$18.9-0"),
            ("+1.5V", "1.5V"), ("+5", "5"), ("\\$12.50", "\\$12.5-0"),
        ("3:00 p.m.", "3:00 pm."), ("3:00 p.m.", "3:00 p.m"), ("3:00 p.m.", "3:00 p.m,"), ("\\cos 60^\\circ", "\\cos 660^\\circ"),
            ("dy/dx = 2x", "dydx = 2x"), ("0.\\overline{3}", "0.\\overline{33}"), ("0.\\overline{9}", "0.\\overline{99}"),
        ("0.1\\overline{6}", "0.1\\overline{66}"), ("0.(3)", "0.(33)"), ("0.333...", "0.3333..."), ("\\binom{10}{3}", "\\binom{10}{7}"),
            ("|3-4i|", "|3+4i|"), ("[1,2]\\cup[2,3]", "[1,3]\\cup[2,3]"), ("[1,2]\\cup[2,3]", "[1,2]\\cup[1,3]"),
        ("\\$3.20", "\\$3.2-0"), ("9:05 a.m.", "9:05 am."), ("9:05 a.m.", "9:05 a.m,"), ("9:05 a.m.", "9:05 a.m"),
            ("\\binom{6}{2}", "\\binom{6}{4}"), ("\\dbinom{6}{2}", "\\dbinom{6}{4}"), ("{6 \\choose 4}", "{6 \\choose 2}"),
            ("0.1\\overline{3}", "0.1\\overline{33}"), ("0.\\dot{6}", "0.\\dot{66}"),
        ("[1,2]\\cup[2,3]", "[1,2)\\cup[2,3]"), ("[1,2]\\cup[2,3]", "[1,2]\\cup(2,3]"),
    ];

    private static IEnumerable<string> Changes(string text)
    {
        yield return text.StartsWith('-') ? text[1..] : "-" + text;
        foreach (string relation in (string[])["<", ">", "\\le ", "\\ge ", "\\ne "])
        {
            yield return relation + text;
        }

        for (int i = 0; i < text.Length; i++)
        {
            (char c, string before, string after) = (text[i], text[..i], text[(i + 1)..]);
            if (char.IsAsciiDigit(c))
            {
                foreach (char digit in "0123456789".Replace(c.ToString(), ""))
                {
                    yield return before + digit + after;
                }

                if (i > 0 && char.IsAsciiDigit(text[i - 1]))
                {
                    foreach (char mark in ".-/:^")
                    {
                        yield return before + mark + c + after;
                    }
                }

                // Zeros in front of a number, and behind its decimals, change nothing.
                if (c != '0')
                {
                    yield return before + c + c + after;
                    yield return before + after;
                }
            }

            foreach ((char mark, string others) in ((char, string)[])[('.', ",-/"), ('-', "+."), ('+', "-"), ('/', "*"), ('<', ">="), ('>', "<="),
                ('=', "<>"), ('(', "["), ('[', "("), (')', "]"), (']', ")")])
            {
                if (c == mark)
                {
                    foreach (char other in others)
                    {
                        yield return before + other + after;
                    }

                    if (".-/".Contains(c))
                    {
                        yield return before + after;
                    }
                }
            }
        }

        foreach ((string from, string to) in ((string, string)[])[("\\le", "\\ge"), ("\\ge", "\\le"), ("\\cup", "\\cap"), ("\\pm", ""),
            ("\\infty", "-\\infty"), ("\\sin", "\\cos"), ("\\frac", "")])
        {
            int at = text.IndexOf(from, StringComparison.Ordinal);
            if (at >= 0)
            {
                yield return text[..at] + to + text[(at + from.Length)..];
            }
        }
    }

    [Fact]
    public void Changed_answers_to_GSM8K_are_wrong_wherever_they_stand()
    {
        foreach (string gold in AnswerFixtures.Gsm8k)
        {
            foreach (string changed in Changes(gold).Where(changed => !SameValue.Contains((gold, changed))))
            {
                foreach (string answer in (string[])[changed, $"#### {changed}", $"\\boxed{{{changed}}}", $"The answer is {changed}."])
                {
                    Assert.False(AnswerEquality.Equal(gold, answer), $"{gold}   {answer}");
                }
            }
        }
    }

    [Fact]
    public void Changed_answers_of_every_type_are_wrong()
    {
        var changes = AnswerFixtures.Own.Select(static pair => pair.Gold).Distinct()
            .SelectMany(static gold => Changes(gold).Where(changed => changed != gold && !SameValue.Contains((gold, changed)))
                .Select(changed => (Gold: gold, Changed: changed))).ToList();
        var equal = changes.AsParallel().Where(static (x, i) => AnswerEquality.Equal(x.Gold, i % 4 == 0 ? $"\\boxed{{{x.Changed}}}" : x.Changed))
            .Select(static x => $"{x.Gold}   {x.Changed}   {AnswerEquality.Explain(x.Gold, x.Changed).Why}").ToList();
        Assert.True(equal.Count == 0, string.Join("\n", equal));
        Assert.True(changes.Count > 10_000, $"{changes.Count} changes");
    }
}
