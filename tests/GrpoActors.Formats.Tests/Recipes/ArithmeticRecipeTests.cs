using System.Text.RegularExpressions;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Formats.Tests.Recipes;

public sealed partial class ArithmeticRecipeTests
{
    private static readonly string Folder = Path.Combine(Assets.RepositoryRoot, "recipes", "arithmetic");

    /// <summary>With GRPO_WRITE_RECIPES=1 in the environment the files are written instead of compared.</summary>
    [Fact]
    public void The_files_are_those_that_the_generator_makes()
    {
        foreach ((string file, byte[] bytes) in ArithmeticProblems.Files())
        {
            string path = Path.Combine(Folder, file);
            if (Environment.GetEnvironmentVariable("GRPO_WRITE_RECIPES") == "1")
            {
                File.WriteAllBytes(path, bytes);
            }

            Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(bytes), $"{path} differs from what the generator makes.");
        }
    }

    [Fact]
    public void No_held_out_problem_is_asked_in_training_in_either_order_of_its_operands()
    {
        HashSet<string> training = [.. Rows("worked.jsonl").Concat(Rows("prompts.jsonl")).Select(row => row.Prompt!)];
        List<JsonlRow> heldOut = Rows("heldout.jsonl");
        Assert.Equal(400, heldOut.Select(row => row.Prompt).Distinct().Count());
        foreach (JsonlRow row in heldOut)
        {
            (int a, char sign, int b) = Parse(row.Prompt!);
            Assert.DoesNotContain(row.Prompt!, training);
            Assert.False(sign == '+' && training.Contains($"{b}+{a}="), row.Prompt);
        }
    }

    [Theory]
    [InlineData("prompts.jsonl")]
    [InlineData("heldout.jsonl")]
    public void Every_answer_is_right_and_no_problem_stands_twice(string file)
    {
        List<JsonlRow> rows = Rows(file);
        Assert.Equal(rows.Count, rows.Select(row => row.Prompt).Distinct().Count());
        Assert.All(rows, row => Assert.Equal(Solve(row.Prompt!), int.Parse(row.Answer!)));
    }

    [Fact]
    public void Every_worked_example_has_the_digits_backwards_and_the_right_answer_and_differences_have_tags()
    {
        int taggedSums = 0, sums = 0;
        foreach (JsonlRow row in Rows("worked.jsonl"))
        {
            Match match = Worked().Match(row.Completion!);
            Assert.True(match.Success, row.Completion);
            Assert.Equal(Solve(row.Prompt!).ToString(), match.Groups["answer"].Value);
            Assert.Equal(string.Concat(match.Groups["answer"].Value.Reverse()), match.Groups["think"].Value);
            bool tagged = match.Groups["tag"].Success, sum = Parse(row.Prompt!).Sign == '+';
            Assert.True(tagged || sum, row.Completion);
            taggedSums += tagged && sum ? 1 : 0;
            sums += sum ? 1 : 0;
        }

        Assert.InRange(taggedSums, 0.09 * sums, 0.11 * sums);
    }

    [Fact]
    public void The_files_stay_small() =>
        Assert.InRange(Directory.EnumerateFiles(Folder, "*.jsonl").Sum(path => new FileInfo(path).Length), 1, 1_500_000);

    [GeneratedRegex("^<think>(?<think>[0-9]{1,3})</think>((?<tag><answer>)(?<answer>[0-9]{1,3})</answer>|(?<answer>[0-9]{1,3}))$", RegexOptions.ExplicitCapture)]
    private static partial Regex Worked();

    [GeneratedRegex("^(?<a>[1-9][0-9])(?<sign>[+-])(?<b>[1-9][0-9])=$", RegexOptions.ExplicitCapture)]
    private static partial Regex Asked();

    private static (int A, char Sign, int B) Parse(string prompt)
    {
        Match match = Asked().Match(prompt);
        Assert.True(match.Success, prompt);
        return (int.Parse(match.Groups["a"].Value), match.Groups["sign"].Value[0], int.Parse(match.Groups["b"].Value));
    }

    private static int Solve(string prompt)
    {
        (int a, char sign, int b) = Parse(prompt);
        return sign == '+' ? a + b : a - b;
    }

    private static List<JsonlRow> Rows(string file) => [.. DataFileReader.Read(Path.Combine(Folder, file))];
}
