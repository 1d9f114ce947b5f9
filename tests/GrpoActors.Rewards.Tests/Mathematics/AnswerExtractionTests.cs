using GrpoActors.Rewards.Mathematics;
using Xunit;

namespace GrpoActors.Rewards.Tests.Mathematics;

public sealed class AnswerExtractionTests
{
    [Theory]
    [InlineData("<think>a</think>b", "b")]
    [InlineData("a<think>b", "a")]
    [InlineData("a</think>b", "b")]
    [InlineData("<think>a</think>b<thinking>c</thinking>d", "d")]
    [InlineData("a < b", "a < b")]
    public void Thinking_is_cut_off(string text, string rest) => Assert.Equal(rest, AnswerExtraction.WithoutThinking(text));

    [Theory]
    [InlineData("a #### 1\nb #### 2 \nc", "2")]
    [InlineData("#### 1,000", "1,000")]
    [InlineData("no marks", null)]
    [InlineData("####", null)]
    public void The_last_hashes_count(string text, string? answer) => Assert.Equal(answer, AnswerExtraction.LastAfterHashes(text));

    [Theory]
    [InlineData("\\boxed{1} then \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}")]
    [InlineData("\\boxed{\\{1,2\\}}", "\\{1,2\\}")]
    [InlineData("\\boxed{1} and \\boxed{2", "1")]
    [InlineData("\\fbox{7}", "7")]
    [InlineData("\\boxed 5", "5")]
    [InlineData("\\boxed{3} or \\boxed{4}", "3 \\text{ or } 4")]
    [InlineData("no box", null)]
    public void The_last_complete_box_counts(string text, string? answer) => Assert.Equal(answer, AnswerExtraction.LastBoxed(text));

    [Theory]
    [InlineData("The answer is 3. No, the answer is 4.", "4")]
    [InlineData("Answer: 5\nbye", "5")]
    [InlineData("It is 5", null)]
    public void The_last_statement_counts(string text, string? answer) => Assert.Equal(answer, AnswerExtraction.LastStated(text));
}
