using GrpoActors.Runtime.Evaluations;
using Xunit;

namespace GrpoActors.Runtime.Tests.Evaluations;

public sealed class AnswerStatisticsTests
{
    [Theory]
    [InlineData(4, 1, 1, 0.25)]
    [InlineData(4, 1, 2, 0.5)]
    [InlineData(4, 2, 2, 1 - (1.0 / 6))] // 1 of C(4, 2) = 6 pairs has no right one
    [InlineData(4, 0, 4, 0)]
    [InlineData(4, 1, 4, 1)]
    [InlineData(1, 1, 1, 1)]
    [InlineData(5, 3, 3, 1)] // 3 answers cannot all be among 2 wrong ones
    public void Pass_at_k_counts_the_subsets_with_a_right_answer(int n, int c, int k, double expected) =>
        Assert.Equal(expected, AnswerStatistics.PassAtK(n, c, k), 12);

    [Fact]
    public void Pass_at_k_of_many_samples_is_finite() => Assert.InRange(AnswerStatistics.PassAtK(4096, 40, 1024), 0.99, 1);

    [Fact]
    public void Pass_at_k_is_the_mean_over_all_subsets()
    {
        for (int n = 1; n <= 8; n++)
        {
            for (int c = 0; c <= n; c++)
            {
                for (int k = 1; k <= n; k++)
                {
                    int[] subsets = [.. Enumerable.Range(0, 1 << n).Where(set => int.PopCount(set) == k)];
                    double share = (double)subsets.Count(set => (set & ((1 << c) - 1)) != 0) / subsets.Length;
                    Assert.Equal(share, AnswerStatistics.PassAtK(n, c, k), 12);
                }
            }
        }
    }

    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(2, 3, 1)]
    [InlineData(2, -1, 1)]
    [InlineData(2, 1, 3)]
    [InlineData(2, 1, 0)]
    public void What_cannot_be_is_refused(int n, int c, int k) => Assert.ThrowsAny<ArgumentOutOfRangeException>(() => AnswerStatistics.PassAtK(n, c, k));

    [Theory]
    [InlineData(1, "#### 3", "so \\boxed{4}", "the answer is 4.0", "#### 5")]
    [InlineData(0, "#### 3", "#### 4")] // a tie: the first
    [InlineData(1, "x", "yes", "Yes.")]
    [InlineData(0, "")]
    public void The_majority_counts_answers_that_are_equal_as_mathematics(int expected, params string[] answers) => Assert.Equal(expected, AnswerStatistics.Majority(answers));
}
