using System.Text.RegularExpressions;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Tests.Mathematics;

/// <summary>The tables of rules in the README of Mathematics say what the code does.</summary>
public sealed partial class RuleTableTests
{
    private readonly record struct Example(string Rule, string Gold, string Answer, bool Expected, AnswerStrictness Strictness);

    [GeneratedRegex("`([^`]+)` = `([^`]+)`")]
    private static partial Regex Pair();

    private static List<Example> Examples()
    {
        var examples = new List<Example>();
        AnswerStrictness strictness = AnswerStrictness.Value;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Fixtures", "rules.md")))
        {
            strictness = line.StartsWith("## ", StringComparison.Ordinal) ? line == "## Strict comparison" ? AnswerStrictness.Strict
                : AnswerStrictness.Value : strictness;
            string[] cells = line.Split(" | ");
            if (line.StartsWith("| ", StringComparison.Ordinal) && cells.Length == 3)
            {
                for (int cell = 1; cell <= 2; cell++)
                {
                    foreach (Match pair in Pair().Matches(cells[cell]))
                    {
                        examples.Add(new(cells[0], pair.Groups[1].Value.Replace("⏎", "\n"), pair.Groups[2].Value.Replace("⏎", "\n"), cell == 1, strictness));
                    }
                }
            }
        }

        return examples;
    }

    [Fact]
    public void Every_rule_has_an_example_and_a_counter_example_that_hold()
    {
        List<Example> examples = Examples();
        Assert.All(examples.GroupBy(static example => example.Rule), static rule =>
            Assert.Equal([true, false], rule.Select(static example => example.Expected)));
        Assert.True(examples.Count > 100, $"{examples.Count} examples");
        string lies = string.Join("\n\n", examples.Where(static x => AnswerEquality.Equal(x.Gold, x.Answer, x.Strictness) != x.Expected)
            .Select(static x => $"{x.Rule}\nexpected {(x.Expected ? "right" : "wrong")}\n{AnswerEquality.Explain(x.Gold, x.Answer, x.Strictness)}"));
        Assert.True(lies.Length == 0, lies);
    }

    [Fact]
    public void What_strict_comparison_refuses_for_its_form_has_the_same_value() =>
        Assert.All(Examples().Where(static x => x is { Strictness: AnswerStrictness.Strict, Expected: false }), static x =>
            Assert.True(AnswerEquality.Equal(x.Gold, x.Answer), x.Rule));
}
