using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards.Tests.Mathematics;

public sealed class AnswerPairTests
{
    public static TheoryData<string> Kinds => [.. AnswerFixtures.Kinds];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Reported_pairs_are_judged_as_people_judge_them(string kind)
    {
        bool exact = kind.StartsWith("exact-answer", StringComparison.Ordinal);
        IReward reward = RewardRegistry.BuiltIn.Make(exact ? "exact_answer" : "number_answer", exact ? """{"numeric":true}""" : "{}").Reward!;
        foreach (AnswerFixtures.Pair pair in AnswerFixtures.Reported(kind))
        {
            var input = new RewardInput("", pair.Answer, "", ImmutableSortedDictionary<string, JsonElement>.Empty, 1, false) { Answer = pair.Gold };
            Assert.True(await reward.ScoreAsync(input, CancellationToken.None) == (pair.Expected ? 1 : 0), pair.ToString());
        }
    }

    [Fact]
    public void Further_members_of_the_reported_kinds_are_judged_alike()
    {
        List<AnswerFixtures.Pair> pairs = AnswerFixtures.Own;
        Assert.True(pairs.Count > 1_000, $"{pairs.Count} pairs");
        string wrong = string.Join("\n\n", pairs.Where(static pair => AnswerEquality.Equal(pair.Gold, pair.Answer) != pair.Expected)
            .Select(static pair => $"{pair}\n{AnswerEquality.Explain(pair.Gold, pair.Answer)}"));
        Assert.True(wrong.Length == 0, wrong);
    }

    public static IEnumerable<string> References => AnswerFixtures.Own.Select(static pair => pair.Gold).Concat(AnswerFixtures.Gsm8k).Distinct();

    [Fact]
    public void A_copy_of_the_reference_is_right_bare_and_in_a_box()
    {
        foreach (string gold in References)
        {
            Assert.True(AnswerEquality.Equal(gold, gold) && AnswerEquality.Equal(gold, $"So it is \\boxed{{{gold}}}."),
                AnswerEquality.Explain(gold, gold).ToString());
        }
    }

    [Fact]
    public void A_copy_is_right_under_strict_comparison_too() =>
        Assert.All(References, static gold => Assert.True(AnswerEquality.Equal(gold, gold, AnswerStrictness.Strict), gold));
}
