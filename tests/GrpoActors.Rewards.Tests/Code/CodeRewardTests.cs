using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards.Code;
using static GrpoActors.Rewards.Tests.Code.CodeCalls;

namespace GrpoActors.Rewards.Tests.Code;

public sealed class CodeRewardTests
{
    private const string Doubles = """[{"input": "2\n", "output": "4"}, {"input": "-3\n", "output": "-6"}]""";

    [CodeTheory]
    [InlineData(Doubles, "print(int(input()) * 2)", 1f)]
    [InlineData(Doubles, "print(abs(int(input())) * 2)", 0.5f)]
    [InlineData(Doubles, "print(int(input()) * 2, end='  \\n\\n')", 1f)] // white space at the ends of lines does not count
    [InlineData(Doubles, "print('4')\nprint('-6')", 0f)]
    [InlineData(Doubles, "this is no program", 0f)]
    [InlineData("""{"inputs": ["1\n"], "outputs": ["2\n"]}""", "print(int(input()) * 2)", 1f)]
    [InlineData("""["assert f(2) == 4", "assert f(3) == 7"]""", "def f(x): return 2 * x", 0.5f)]
    [InlineData("""[{"assert": "assert f(2) == 5"}]""", "import sys\nsys.exit(0)", 0f)] // an early exit passes nothing
    [InlineData("""[{"assert": "assert f(2) == 5"}]""", "import os\nos._exit(0)", 0f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 4"}]""", "def f(x): return 2 * x", 1f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 5"}]""", "def f(x): return 2 * x", 0f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 5"}]""", "raise SystemExit(0)", 0f)]
    public async Task The_score_is_the_share_of_tests_passed(string tests, string code, float expected) => Assert.Equal(expected, await Score("{}", tests, code));

    [CodeFact]
    public async Task All_or_nothing_and_other_languages_by_command()
    {
        Assert.Equal(0f, await Score("""{"partial": false}""", Doubles, "print(abs(int(input())) * 2)"));
        Assert.Equal(1f, await Score("""{"language": "bash"}""", Doubles, "read x; echo $((x * 2))"));
        Assert.Equal(1f, await Score("""{"command": ["sh", "-c", "tr 23 46 < /dev/stdin"], "file": "x"}""", Doubles, "unused"));
    }

    [CodeFact]
    public async Task A_row_without_tests_is_not_judged_one_with_broken_tests_is_a_fault_and_no_code_passes_nothing()
    {
        IReward reward = Make("{}");
        Assert.Null(await reward.ScoreAsync(Input("print(1)", "null"), CancellationToken.None));
        Assert.Equal(0f, await reward.ScoreAsync(Input("", Doubles) with { Completion = "It is 4." }, CancellationToken.None));
        foreach (string broken in (string[])["[]", "7", """[{"in": 1}]""", """[{"file": "../x", "content": ""}]""", "\"no json\""])
        {
            await Assert.ThrowsAsync<FormatException>(async () => await reward.ScoreAsync(Input("print(1)", broken), CancellationToken.None));
        }
    }

    [CodeFact]
    public async Task Each_test_says_why_it_failed()
    {
        var reward = (CodeReward)Make("""{"test_seconds": 4}""");
        ImmutableArray<CodeOutcome>? outcomes = await reward.Outcomes(
            Input("x = input()\nif x == '1': print(1)\nif x == '2': raise ValueError('two')\nif x == '4':\n  while True: pass", """{"inputs": ["1", "2", "3", "4", "5"], "outputs": [1, 2, 3, 4, 5]}"""), CancellationToken.None);
        Assert.Equal(
            [(true, ""), (false, "ended with exit code 1: ValueError: two"), (false, "printed something else"), (false, "no end within 4 s (test_seconds)"), (false, "not run: a test before it ran out of time")],
            outcomes!.Value.Select(outcome => (outcome.Passed, outcome.Why)));
    }

    [CodeFact]
    public async Task The_scratch_folder_is_of_one_test()
    {
        const string Code = "import os\nprint(len(os.listdir('.')))\nopen('left', 'w').write('x')";
        Assert.Equal(1f, await Score("{}", """[{"output": "1"}, {"output": "1"}]""", Code));
    }

    [CodeFact]
    public async Task A_call_that_is_late_is_late_whatever_its_tests_allow()
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Make("""{"test_seconds": 60}""").ScoreAsync(Input("while True: pass", Doubles), late.Token));
    }

    [CodeTheory]
    [InlineData("""{"language": "cobol"}""", "language", "none known here")]
    [InlineData("""{"file": "../x"}""", "file", "without folder")]
    [InlineData("""{"command": []}""", "command", "is empty")]
    [InlineData("""{"paths": ["home"]}""", "paths", "no full path")]
    [InlineData("""{"test_seconds": 0}""", "test_seconds", "at least 1")]
    public void A_mistake_is_named_by_its_key(string settings, string key, string words)
    {
        ConfigError error = Assert.Single(RewardRegistry.BuiltIn.Make("code", settings).Errors);
        Assert.Equal(key, error.Key);
        Assert.Contains(words, error.ToString(), StringComparison.Ordinal);
    }
}
