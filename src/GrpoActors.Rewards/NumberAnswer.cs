using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards;

/// <summary>
/// Kind <c>number_answer</c>: does the completion's final answer say what the row's answer says? Compared as mathematics:
/// 1,000 = 1000.0 = $1,000, 1/2 = 0.5 = 50%.
/// </summary>
/// <remarks>
/// Settings: <c>place</c>, where the completion's answer must stand: <c>any</c> (default: boxed, after ####, after "answer is", or the whole text; of text, its last
/// number), <c>hashes</c> (a line <c>#### 42</c>, as GSM8K writes it) or <c>boxed</c> (<c>\boxed{42}</c>); <c>right</c> (1), <c>wrong</c> (0).
/// The row's answer may be bare or a whole solution that ends with <c>#### 42</c> or <c>\boxed{42}</c>. A completion without an answer in its place is wrong; a
/// row without one makes the reward abstain. Comparison: <see cref="AnswerEquality"/>.
/// </remarks>
public sealed class NumberAnswer : IReward
{
    public const string Kind = "number_answer";

    private static readonly string[] Places = ["any", "hashes", "boxed"];

    private readonly Func<string, string?> _extract;
    private readonly float _right;
    private readonly float _wrong;

    private NumberAnswer(Func<string, string?> extract, float right, float wrong) => (_extract, _right, _wrong) = (extract, right, wrong);

    public string Name => Kind;

    public int Revision => 1;

    public static IReward? From(RewardSettings settings)
    {
        string place = settings.Text("place") ?? Places[0];
        if (!Places.Contains(place))
        {
            settings.Wrong("place", $"is \"{place}\", which is no place for an answer.", $"Choose one of {string.Join(", ", Places)}.");
        }

        Func<string, string?> extract = place switch
        {
            "hashes" => AnswerExtraction.LastAfterHashes,
            "boxed" => AnswerExtraction.LastBoxed,
            _ => static text => text,
        };
        return new NumberAnswer(extract, settings.Score("right", 1), settings.Score("wrong", 0));
    }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation)
    {
        if (input.Answer is not { } gold)
        {
            return ValueTask.FromResult<float?>(null);
        }

        bool right = _extract(input.Completion) is { } given && AnswerEquality.Equal(gold, given);
        return ValueTask.FromResult<float?>(right ? _right : _wrong);
    }
}
