namespace GrpoActors.Rewards.Rules;

/// <summary>Kind <c>cosine_scaled</c>: a right answer is worth more the shorter it is, a wrong one costs less the longer it is.</summary>
/// <remarks>
/// <c>low + (high - low) (1 + cos(pi n / max_len)) / 2</c> with n tokens, from <c>max_value_correct</c> down to <c>min_value_correct</c>, or from <c>min_value_wrong</c> up to
/// <c>max_value_wrong</c> (arXiv:2502.03373; Open-R1 <c>get_cosine_scaled_reward</c>, whose names and defaults these are). Open-R1 counts characters and lets the cosine turn round behind
/// max_len; here n is in tokens, at most max_len, and <c>exceed_length</c> is the paper's score of what is longer. Right is what <see cref="NumberAnswer"/> says is right.
/// </remarks>
internal static class CosineLength
{
    public const string Kind = "cosine_scaled";

    public static IReward? From(RewardSettings settings)
    {
        (float Least, float Most) right = (settings.Score("min_value_correct", 0.5f), settings.Score("max_value_correct", 1)), wrong = (settings.Score("min_value_wrong", -1), settings.Score("max_value_wrong", -0.5f));
        int longest = settings.Count("max_len", min: 1) ?? 1000;
        float? exceeded = settings.Has("exceed_length") ? settings.Score("exceed_length", 0) : null;
        if (right.Least > right.Most)
        {
            settings.Wrong("min_value_correct", $"is {right.Least}, above max_value_correct ({right.Most}).", "Exchange them.");
        }

        if (wrong.Least > wrong.Most)
        {
            settings.Wrong("min_value_wrong", $"is {wrong.Least}, above max_value_wrong ({wrong.Most}).", "Exchange them.");
        }

        return new AnswerReward(Kind, (input, correct) =>
        {
            if (input.Tokens > longest && exceeded is { } score)
            {
                return score;
            }

            (double near, double far) = correct ? (right.Most, right.Least) : (wrong.Least, wrong.Most);
            double cosine = Math.Cos(Math.PI * Math.Min(input.Tokens, longest) / longest);
            return (float)(far + (near - far) * (1 + cosine) / 2);
        });
    }
}
