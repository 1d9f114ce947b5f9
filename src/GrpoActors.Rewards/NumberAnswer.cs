using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Rewards;

/// <summary>
/// Kind <c>number_answer</c>: does the completion's final answer say what the row's answer says? Compared as mathematics:
/// 1,000 = 1000.0 = $1,000, 1/2 = 0.5 = 50%.
/// </summary>
/// <remarks>
/// Settings: <c>place</c>, where the completion's answer must stand: <c>any</c> (default: boxed, after ####, in &lt;answer&gt;, after "the answer is", the
/// whole text, or the only value of its last sentence), <c>hashes</c> (a line <c>#### 42</c>, as GSM8K writes it) or <c>boxed</c> (<c>\boxed{42}</c>);
/// <c>strictness</c>: <c>value</c> (default) or <c>strict</c> (value and form); <c>right</c> (1), <c>wrong</c> (0). The row's answer may be bare or a whole
/// solution that ends with <c>#### 42</c> or <c>\boxed{42}</c>. Thinking is no answer. A completion without an answer in its place is wrong; a row without
/// one makes the reward abstain. Comparison: <see cref="AnswerEquality"/>.
/// </remarks>
public sealed class NumberAnswer : IReward
{
    public const string Kind = "number_answer";

    private static readonly string[] Places = ["any", "hashes", "boxed"];

    private static readonly string[] Strictnesses = ["value", "strict"];

    private readonly Func<string, AnswerRead> _read;
    private readonly AnswerStrictness _strictness;
    private readonly float _right;
    private readonly float _wrong;

    private NumberAnswer(Func<string, AnswerRead> read, AnswerStrictness strictness, float right, float wrong) =>
        (_read, _strictness, _right, _wrong) = (read, strictness, right, wrong);

    public string Name => Kind;

    public int Revision => 2;

    public bool NeedsAnswer => true;

    public static IReward? From(RewardSettings settings)
    {
        string place = settings.Text("place") ?? Places[0], strictness = settings.Text("strictness") ?? Strictnesses[0];
        if (!Places.Contains(place))
        {
            settings.Wrong("place", $"is \"{place}\", which is no place for an answer.", $"Choose one of {string.Join(", ", Places)}.");
        }

        if (!Strictnesses.Contains(strictness))
        {
            settings.Wrong("strictness", $"is \"{strictness}\", which is no strictness.", $"Choose one of {string.Join(", ", Strictnesses)}.");
        }

        Func<string, AnswerRead> read = place switch
        {
            "hashes" => AnswerReader.BehindHashes,
            "boxed" => AnswerReader.Boxed,
            _ => AnswerReader.Anywhere,
        };
        return new NumberAnswer(read, strictness == "strict" ? AnswerStrictness.Strict : AnswerStrictness.Value, settings.Score("right", 1), settings.Score("wrong", 0));
    }

    public ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation)
    {
        if (input.Answer is not { } gold)
        {
            return ValueTask.FromResult<float?>(null);
        }

        bool right = AnswerEquality.Judge(AnswerReader.Reference(gold), _read(input.Completion), _strictness).Equal;
        return ValueTask.FromResult<float?>(right ? _right : _wrong);
    }
}
