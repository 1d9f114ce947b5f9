using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Plans;

namespace GrpoActors.Rewards.Tests;

public sealed class BuiltInRewardTests
{
    [Theory]
    [InlineData("{}", "<think>86</think><answer>68</answer>", "68", 1f)]
    [InlineData("{}", "<answer> 68\n</answer>", "68", 1f)]
    [InlineData("{}", "<answer>67</answer><answer>68</answer>", "68", 1f)] // the last one counts
    [InlineData("{}", "<answer>68</answer><answer>67</answer>", "68", 0f)]
    [InlineData("{}", "<answer>68", "68", 0f)]
    [InlineData("{}", "68</answer>", "68", 0f)]
    [InlineData("{}", "</answer><answer>68", "68", 0f)]
    [InlineData("{}", "68", "68", 0f)]
    [InlineData("{}", "<answer>68.0</answer>", "68", 0f)]
    [InlineData("""{"numeric":true}""", "<answer>68.0</answer>", "68", 1f)]
    [InlineData("""{"numeric":true}""", "<answer>1,068</answer>", "+1068.00", 1f)]
    [InlineData("""{"numeric":true}""", "<answer>1,2</answer>", "12", 0f)] // a list is no number
    [InlineData("""{"numeric":true}""", "<answer>12,34</answer>", "1234", 0f)]
    [InlineData("""{"numeric":true}""", "<answer>1, 068</answer>", "1068", 0f)]
    [InlineData("""{"numeric":true}""", "<answer>\u22125</answer>", "-5", 1f)] // a typographic minus is a minus
    [InlineData("""{"numeric":true}""", "<answer>-5</answer>", "\u22125.0", 1f)]
    [InlineData("""{"numeric":true}""", "<answer>\u22125</answer>", "5", 0f)]
    [InlineData("""{"numeric":true}""", "<answer>x</answer>", "x", 1f)]
    [InlineData("""{"numeric":true}""", "<answer>x</answer>", "y", 0f)]
    [InlineData("""{"tag":"a","right":2,"wrong":-1}""", "<a>x</a>", "x", 2f)]
    [InlineData("""{"tag":"a","right":2,"wrong":-1}""", "<answer>x</answer>", "x", -1f)]
    [InlineData("""{"pattern":"#### *(-?[0-9]+)"}""", "so\n#### 41\n#### 42", "42", 1f)]
    [InlineData("""{"pattern":"[0-9]+"}""", "6 and 42", "42", 1f)]
    [InlineData("""{"pattern":"IS (?<answer>x+)", "ignore_case":true}""", "it is xx", "xx", 1f)]
    [InlineData("{}", "<answer>68</answer>", null, null)]
    public async Task Exact_answer_compares_what_stands_in_its_place(string settings, string completion, string? answer, float? expected) =>
        Assert.Equal(expected, await Score("exact_answer", settings, Input(completion) with { Answer = answer }));

    [Theory]
    [InlineData("{}", "so it is\n#### 1,000", "#### 1000", 1f)]
    [InlineData("{}", "The answer is $18.", "She makes 9 * 2 = $<<9*2=18>>18.\n#### 18", 1f)]
    [InlineData("{}", "First 17, then one more, so 18.", "#### 18", 1f)] // the only value of the last clause
    [InlineData("{}", "I think 17, no, 18", "#### 18", 0f)]
    [InlineData("{}", "0.5", "\\frac{1}{2}", 1f)]
    [InlineData("""{"strictness":"strict"}""", "0.5", "\\frac{1}{2}", 0f)]
    [InlineData("""{"strictness":"strict"}""", "\\boxed{\\dfrac12}", "\\frac{1}{2}", 1f)]
    [InlineData("{}", "\\boxed{\\frac{1}{2}}", "0.5", 1f)]
    [InlineData("{}", "no idea", "#### 18", 0f)]
    [InlineData("""{"place":"hashes"}""", "The answer is 18.", "#### 18", 0f)]
    [InlineData("""{"place":"hashes"}""", "#### 17\n#### 18 apples\nor 19", "#### 18", 1f)]
    [InlineData("""{"place":"hashes"}""", "####", "#### 18", 0f)]
    [InlineData("""{"place":"boxed","right":2,"wrong":-1}""", "\\boxed{18}", "18", 2f)]
    [InlineData("""{"place":"boxed","right":2,"wrong":-1}""", "#### 18", "18", -1f)]
    [InlineData("{}", "#### 18", null, null)]
    public async Task Number_answer_compares_as_mathematics_what_stands_in_its_place(string settings, string completion, string? answer, float? expected) =>
        Assert.Equal(expected, await Score("number_answer", settings, Input(completion) with { Answer = answer }));

    [Theory]
    [InlineData("<think>86</think><answer>68</answer>", 1f)]
    [InlineData("<think>8\n6</think><answer>68</answer>", 1f)]
    [InlineData("<think>86</think><answer>68</answer> ", 0f)]
    [InlineData("x<think>86</think><answer>68</answer>", 0f)]
    [InlineData("", 0f)]
    public async Task Regex_format_asks_for_the_whole_completion(string completion, float expected) =>
        Assert.Equal(expected, await Score("regex_format", """{"pattern":"<think>.*?</think><answer>.*?</answer>"}""", Input(completion)));

    [Theory]
    [InlineData("a|b", "ab", 0f)]
    [InlineData("a|b", "b", 1f)]
    [InlineData("(?!.*x).*", "abc", 1f)] // look-ahead: matched by backtracking
    [InlineData("(?!.*x).*", "abx", 0f)]
    public async Task Alternatives_do_not_escape_the_whole_match(string pattern, string completion, float expected) =>
        Assert.Equal(expected, await Score("regex_format", JsonSerializer.Serialize(new { pattern }), Input(completion)));

    [Fact]
    public async Task A_pattern_without_backtracking_takes_any_text_in_linear_time() =>
        Assert.Equal(0f, await Score("regex_format", """{"pattern":"(x+x+)+y"}""", Input(new string('x', 20_000))));

    [Theory]
    [InlineData(80, 0f)]
    [InlineData(81, -0.05f)]
    [InlineData(90, -0.5f)]
    [InlineData(100, -1f)]
    [InlineData(101, -1f)]
    public async Task The_soft_overlong_penalty_is_DAPOs(int tokens, float expected) =>
        Assert.Equal(expected, await Score("length", """{"max_completion_length":100,"soft_punish_cache":20}""", Input("") with { Tokens = tokens }));

    [Theory]
    [InlineData(50, 0f)]
    [InlineData(25, -0.5f)]
    [InlineData(60, -0.2f)]
    [InlineData(500, -1f)]
    public async Task A_target_length_costs_its_relative_distance(int tokens, float expected) =>
        Assert.Equal(expected, await Score("length", """{"target":50}""", Input("") with { Tokens = tokens }));

    [Theory]
    [InlineData("exact_anser", "{}", "", "There are code, coherence, completeness, consistency, cosine_scaled, exact_answer, ")]
    [InlineData("exact_answer", "{\"tga\":\"x\"}", "tga", "There are ignore_case, numeric, pattern, right, tag, wrong.")]
    [InlineData("exact_answer", "{\"tag\":1}", "tag", "text is expected")]
    [InlineData("exact_answer", "{\"tag\":\"a\",\"pattern\":\"b\"}", "pattern", "only one of them")]
    [InlineData("exact_answer", "{\"right\":1e99}", "right", "finite number")]
    [InlineData("exact_answer", "{\"numeric\":\"yes\"}", "numeric", "true or false")]
    [InlineData("exact_answer", "[]", "", "an object is expected")]
    [InlineData("exact_answer", "{", "", "broken JSON")]
    [InlineData("number_answer", "{\"place\":\"end\"}", "place", "Choose one of any, hashes, boxed.")]
    [InlineData("number_answer", "{\"strictness\":\"very\"}", "strictness", "Choose one of value, strict.")]
    [InlineData("regex_format", "{}", "pattern", "is missing")]
    [InlineData("regex_format", "{\"pattern\":\"(\"}", "pattern", "no regular expression")]
    [InlineData("regex_format", "{\"pattern\":\"a)|(?:b\"}", "pattern", "no regular expression")]
    [InlineData("regex_format", "{\"pattern\":\"a(b\"}", "pattern", "a ( is never closed")]
    [InlineData("regex_format", "{\"pattern\":\"(?P<n>a)\"}", "pattern", "Python's (?P<name>...) is written (?<name>...)")]
    [InlineData("regex_format", "{\"pattern\":\"a++\"}", "pattern", "Python's possessive a++ is written (?>a+)")]
    [InlineData("regex_format", "{\"pattern\":\"x{,3}\"}", "pattern", "Write {0,3} for the repetition, or \\{,3} for the characters.")]
    [InlineData("exact_answer", "{\"pattern\":\"[a-z]{,12}\"}", "pattern", "Write {0,12}")]
    [InlineData("length", "{}", "target", "is missing")]
    [InlineData("length", "{\"target\":0}", "target", "at least 1")]
    [InlineData("length", "{\"target\":5,\"soft_punish_cache\":3}", "target", "stands beside")]
    [InlineData("length", "{\"max_completion_length\":5}", "soft_punish_cache", "is missing")]
    [InlineData("length", "{\"max_completion_length\":5,\"soft_punish_cache\":6}", "soft_punish_cache", "exceeds max_completion_length (5)")]
    public void A_wrong_setting_is_named_by_its_key(string kind, string settings, string key, string expected)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make(kind, settings);
        Assert.Null(made.Reward);
        ConfigError error = Assert.Single(made.Errors);
        Assert.Equal(key, error.Key);
        Assert.Contains(expected, error.ToString());
    }

    [Theory]
    [InlineData(@"\{,3}")]
    [InlineData("[{,3}]")]
    [InlineData("[]{,3}]")]
    [InlineData("x{0,3}")]
    [InlineData("{,}")]
    public void A_brace_that_means_itself_in_Python_too_is_no_mistake(string pattern)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make("regex_format", JsonSerializer.Serialize(new { pattern }));
        Assert.Empty(made.Errors);
        Assert.Empty(made.Warnings);
    }

    [Theory]
    [InlineData("(?!.*x).*")]
    [InlineData(@"(a)\1")]
    [InlineData("(?>a+)b")]
    public void A_pattern_whose_matching_may_take_long_is_allowed_and_told(string pattern)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make("regex_format", JsonSerializer.Serialize(new { pattern }));
        Assert.NotNull(made.Reward);
        Assert.StartsWith("pattern has look-around", Assert.Single(made.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once() =>
        Assert.Equal(["right", "wrong", "pattern", "colour"], RewardRegistry.BuiltIn.Make("regex_format", """{"right":"x","wrong":[],"colour":1}""").Errors.Select(error => error.Key));

    [Fact]
    public async Task A_function_of_the_users_own_is_found_by_its_name()
    {
        RewardRegistry registry = RewardRegistry.BuiltIn.With(new DelegateReward("short", 3, input => input.Tokens < 5 ? 1 : 0));
        IReward reward = registry.Make("short", "").Reward!;
        Assert.Equal(3, reward.Revision);
        Assert.Equal(1f, await reward.ScoreAsync(Input(""), CancellationToken.None));
        Assert.Single(registry.Make("short", """{"x":1}""").Errors);
        Assert.Throws<ArgumentException>(() => registry.With(new DelegateReward("length", 1, _ => 0)));
    }

    [Fact]
    public async Task Rewards_see_the_rows_further_columns()
    {
        var level = new DelegateReward("level", 1, input => input.Columns["level"].GetSingle());
        ImmutableSortedDictionary<string, JsonElement> columns = ImmutableSortedDictionary<string, JsonElement>.Empty.Add("level", JsonSerializer.SerializeToElement(3));
        Assert.Equal(3f, await level.ScoreAsync(Input("") with { Columns = columns }, CancellationToken.None));
    }

    private static ValueTask<float?> Score(string kind, string settings, RewardInput input)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make(kind, settings);
        Assert.Empty(made.Errors);
        return made.Reward!.ScoreAsync(input, CancellationToken.None);
    }

    private static RewardInput Input(string completion) => new("", completion, "", ImmutableSortedDictionary<string, JsonElement>.Empty, 1, false);
}
