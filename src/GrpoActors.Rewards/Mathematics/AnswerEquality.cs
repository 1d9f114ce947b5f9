namespace GrpoActors.Rewards.Mathematics;

/// <summary>What two answers have in common when they are equal.</summary>
public enum AnswerStrictness
{
    /// <summary>The value: 1/2 = 0.5 = 50%.</summary>
    Value,

    /// <summary>The value and the form: 1/2 is neither 2/4 nor 0.5.</summary>
    Strict,
}

/// <summary>How one side of a comparison was read.</summary>
/// <param name="Text">What was found in its place; empty if there is nothing that counts.</param>
/// <param name="Kind">Type of what it states: "whole number", "set", "text" for what is compared letter for letter.</param>
/// <param name="Reading">The value as it was understood.</param>
public sealed record AnswerReading(AnswerPlace Place, string Text, string Kind, string Reading)
{
    public override string ToString() => Place == AnswerPlace.None ? Reading : $"{Kind}: {Reading}  (from \"{Text}\", {Where})";

    private string Where => Place switch
    {
        AnswerPlace.Box => "in a box",
        AnswerPlace.Hashes => "behind ####",
        AnswerPlace.Tag => "in <answer>",
        AnswerPlace.Statement => "in a sentence",
        _ => "the whole text",
    };
}

/// <summary>How both sides of a comparison were read, and why they are equal or not.</summary>
public sealed record AnswerExplanation(bool Equal, AnswerReading Gold, AnswerReading Answer, string Why)
{
    public override string ToString() => $"reference  {Gold}\nanswer     {Answer}\n{(Equal ? "equal" : "not equal")}: {Why}";
}

/// <summary>
/// Whether an answer says what the reference says. Both are located, read as typed values and compared by the rules of their types; what cannot be read is
/// compared letter for letter, and a copy of the reference is always right. All rules: <c>README.md</c> beside this file.
/// </summary>
/// <remarks>
/// A pure function of its arguments; safe for many threads at once. Time is linear in the lengths of both; what is longer than 4,000 characters is compared
/// letter for letter.
/// </remarks>
public static class AnswerEquality
{
    /// <param name="gold">The reference: a bare answer, or a solution that ends with one (<c>#### 42</c>, <c>\boxed{42}</c>).</param>
    /// <param name="answer">What the model wrote, of any length.</param>
    public static bool Equal(string gold, string answer, AnswerStrictness strictness = AnswerStrictness.Value)
    {
        ArgumentNullException.ThrowIfNull(gold);
        ArgumentNullException.ThrowIfNull(answer);
        return Judge(AnswerReader.Reference(gold), AnswerReader.Anywhere(answer), strictness).Equal;
    }

    /// <summary>As <see cref="Equal"/>, with how both were read and why they are equal or not: for people who ask.</summary>
    public static AnswerExplanation Explain(string gold, string answer, AnswerStrictness strictness = AnswerStrictness.Value)
    {
        ArgumentNullException.ThrowIfNull(gold);
        ArgumentNullException.ThrowIfNull(answer);
        AnswerRead wanted = AnswerReader.Reference(gold), said = AnswerReader.Anywhere(answer);
        (bool equal, string why) = Judge(wanted, said, strictness);
        return new(equal, Described(wanted), Described(said), why);
    }

    private static AnswerReading Described(AnswerRead read) => new(
        read.Place, read.Text, read.Value?.Kind ?? (read.Place == AnswerPlace.None ? "none" : "text"), read.Place == AnswerPlace.None
            ? $"no answer: {read.Doubt}" : read.Value?.ToString() ?? LetterText.Of(read.Text));

    internal static (bool Equal, string Why) Judge(AnswerRead wanted, AnswerRead said, AnswerStrictness strictness)
    {
        if (wanted.Doubt is { } nothing)
        {
            return (false, $"the reference says nothing: {nothing}");
        }

        if (said.Doubt is { } doubt)
        {
            return (false, $"there is no answer: {doubt}");
        }

        // A blank makes two numbers of one: 1, 234.
        bool parted = wanted.Value is Value.Scalar && said.Value is Value.Several;
        string letters = LetterText.Of(wanted.Text);
        if (said.Copies.Any(copy => copy == wanted.Text || (!parted && letters.Length > 0 && letters == LetterText.Of(copy))))
        {
            return (true, "the same letters");
        }

        if ((wanted.Value ?? (said.Value is Value.Scalar or Value.Named ? AnswerParser.ReadProduct(wanted.Text) : null)) is not { } reference)
        {
            return (false, "the reference cannot be read as mathematics, and the letters differ");
        }

        if ((said.Value ?? (wanted.Value is Value.Scalar or Value.Named ? AnswerParser.ReadProduct(said.Text) : null)) is not { } value)
        {
            return (false, "the answer cannot be read as mathematics, and its letters are not the reference's");
        }

        var comparison = new ValueComparison();
        ValueComparison.Verdict verdict = comparison.Compare(reference, value);
        if (!verdict.Equal && reference is Value.Several or Value.Bracketed or Value.Set && said.Text.Contains(',') && said.AsList() is { } list)
        {
            verdict = comparison.Compare(reference, value = list) is { Equal: true } asList ? asList : verdict;
        }

        return verdict.Equal && strictness == AnswerStrictness.Strict && AnswerForm.Of(reference) != AnswerForm.Of(value)
            ? (false, "the same value in another form")
            : (verdict.Equal, verdict.Why);
    }
}
