using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Rewards.Tests.Rules;

/// <summary>The tables of docs/rewards.md, line by line.</summary>
public sealed partial class RewardsPageTests
{
    private static readonly string[] Page = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Fixtures", "rewards.md"));

    public static TheoryData<string, string, string?, string, string> Lines
    {
        get
        {
            var lines = new TheoryData<string, string, string?, string, string>();
            foreach (string[] cells in Table("| kind | settings | row's answer |"))
            {
                lines.Add(Code(cells[0]), Code(cells[1]), cells[2].Length == 0 ? null : Code(cells[2]), cells[3], cells[4]);
            }

            return lines;
        }
    }

    public static TheoryData<string, string, string, string, string> Chickens
    {
        get
        {
            var lines = new TheoryData<string, string, string, string, string>();
            foreach (string[] cells in Table("| completion | accuracy |"))
            {
                lines.Add(cells[0], cells[1], cells[2], cells[3], cells[4]);
            }

            return lines;
        }
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_completion_has_the_score_that_the_page_says(string kind, string settings, string? answer, string completion, string score) =>
        Assert.Equal(score == "abstains" ? null : float.Parse(score, CultureInfo.InvariantCulture), await Score(kind, settings, answer, completion));

    [Theory]
    [MemberData(nameof(Chickens))]
    public async Task The_hens_that_lay_are_277_not_305(string completion, string accuracy, string tags, string agrees, string sum)
    {
        const string Tags = "\"tags\": [\"reasoning\", \"answer\"]";
        float?[] scores =
        [
            await Score("number_answer", """{"right": 2}""", "277", completion),
            await Score("format", $$"""{{{Tags}}, "lines": true, "right": 0.5}""", "277", completion),
            await Score("consistency", $$"""{{{Tags}}, "right": 0.5}""", "277", completion),
        ];
        Assert.Equal(new[] { accuracy, tags, agrees }.Select(cell => (float?)float.Parse(cell, CultureInfo.InvariantCulture)), scores);
        Assert.Equal(float.Parse(sum, CultureInfo.InvariantCulture), scores.Sum());
    }

    [Fact]
    public void Every_rule_has_a_line() => Assert.Empty(
        Table("| kind | score | settings (default) | from |").Select(cells => Code(cells[0])).Except(Table("| kind | settings | row's answer |").Select(cells => Code(cells[0]))));

    [Theory]
    [InlineData("format", """{"tags":[]}""", "tags", "at least 1")]
    [InlineData("format", """{"tags":["<think>"]}""", "tags", "without brackets")]
    [InlineData("consistency", """{"tags":["answer"]}""", "tags", "at least 2")]
    [InlineData("tag_count", """{"tags":["a","a"]}""", "tags", "twice")]
    [InlineData("language_consistency", "{}", "language", "is missing")]
    [InlineData("fluency", """{"language":"klingon"}""", "language", "no language or script")]
    [InlineData("repetition_penalty", """{"max_penalty":1}""", "max_penalty", "at most 0")]
    [InlineData("word_filter", "{}", "words", "is empty, and so is patterns")]
    [InlineData("word_filter", """{"patterns":["("]}""", "patterns", "no regular expression")]
    [InlineData("word_filter", """{"patterns":["(?=a)b"]}""", "patterns", "look-around")]
    [InlineData("json_schema", "{}", "schema", "is missing, and so is column")]
    [InlineData("json_schema", """{"schema":{"type":12}}""", "schema", "no JSON schema")]
    [InlineData("cosine_scaled", """{"min_value_wrong":0}""", "min_value_wrong", "above max_value_wrong")]
    public void A_mistake_is_named_by_its_key(string kind, string settings, string key, string words)
    {
        ConfigError error = Assert.Single(RewardRegistry.BuiltIn.Make(kind, settings).Errors);
        Assert.Equal(key, error.Key);
        Assert.Contains(words, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_may_come_with_the_row_and_a_row_without_one_is_not_judged()
    {
        IReward reward = RewardRegistry.BuiltIn.Make("json_schema", """{"column":"form"}""").Reward!;
        RewardInput row = Input("```json\n[1, 2]\n```", null);
        Assert.Null(await reward.ScoreAsync(row, CancellationToken.None));
        Assert.Equal(1f, await reward.ScoreAsync(row with { Columns = row.Columns.Add("form", JsonSerializer.SerializeToElement(new { type = "array" })) }, CancellationToken.None));
        Assert.Equal(0f, await reward.ScoreAsync(row with { Columns = row.Columns.Add("form", JsonSerializer.SerializeToElement("""{"type":"object"}""")) }, CancellationToken.None));
    }

    [Fact]
    public async Task No_completion_makes_a_rule_fail_or_take_long()
    {
        string[] odd = ["", " ", "\0", "\uD800", new string('<', 50_000), string.Concat(Enumerable.Repeat("<think>", 10_000)), string.Concat(Enumerable.Repeat("</answer>1,", 10_000)), new string('[', 50_000), new string('9', 50_000)];
        foreach (string[] cells in Table("| kind | settings | row's answer |"))
        {
            IReward reward = RewardRegistry.BuiltIn.Make(Code(cells[0]), Code(cells[1])).Reward!;
            foreach (string completion in odd)
            {
                float? score = await reward.ScoreAsync(Input(completion, "4"), CancellationToken.None);
                Assert.True(score is null || float.IsFinite(score.Value), $"{reward.Name} of {completion[..Math.Min(20, completion.Length)]}");
            }
        }
    }

    private static async Task<float?> Score(string kind, string settings, string? answer, string completion)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make(kind, settings);
        Assert.Empty(made.Errors);
        Match length = Length().Match(completion);
        string text = completion[..(length.Success ? length.Index : completion.Length)].Trim();
        int tokens = length.Success ? int.Parse(length.Groups["tokens"].Value, CultureInfo.InvariantCulture) : 1;
        return await made.Reward!.ScoreAsync(Input(text.Length == 0 ? "" : Code(text).Replace('⏎', '\n'), answer) with { Tokens = tokens }, CancellationToken.None);
    }

    private static RewardInput Input(string completion, string? answer) => new("", completion, answer, ImmutableSortedDictionary<string, JsonElement>.Empty, 1, false);

    private static IEnumerable<string[]> Table(string head) => Page.SkipWhile(line => !line.StartsWith(head, StringComparison.Ordinal)).Skip(2)
        .TakeWhile(line => line.StartsWith('|')).Select(line => line[1..^1].Split('|', StringSplitOptions.TrimEntries));

    private static string Code(string cell) => Assert.IsType<string>(cell)[1..^1];

    [GeneratedRegex(@"\((?<tokens>[0-9]+) tokens\)$", RegexOptions.CultureInvariant)]
    private static partial Regex Length();
}
