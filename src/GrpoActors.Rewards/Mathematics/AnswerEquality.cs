namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Whether an answer says what the reference says: 1,000 = 1000 = 1000.0 = $1,000 = 1000 dollars, 1/2 = \frac{1}{2} = 0.5 = 50%, minus 3 = -3,
/// 2\sqrt{3} = \sqrt{12}, sets in any order, tuples and intervals in theirs, x = 5 as 5.
/// </summary>
/// <remarks>
/// Compared with math-verify 0.9.0; where they differ and why stands in <c>README.md</c> beside this file. A pure function of its
/// two arguments; time linear in their lengths (an expression of more than 1,000 characters is compared as text).
/// </remarks>
public static class AnswerEquality
{
    /// <param name="gold">The reference: a bare answer, or a solution that ends with one (<c>#### 42</c>, <c>\boxed{42}</c>).</param>
    /// <param name="answer">What the model wrote, of any length. Its final answer counts; if that is no mathematics, its last number.</param>
    public static bool Equal(string gold, string answer)
    {
        ArgumentNullException.ThrowIfNull(gold);
        ArgumentNullException.ThrowIfNull(answer);
        string wanted = AnswerExtraction.Final(gold), found = AnswerExtraction.Final(answer);
        if (MathParser.Parse(wanted) is not { } reference)
        {
            return Words(wanted) is { Length: > 0 } words && words == Words(found);
        }
        var said = MathParser.Parse(found) ?? LastNumber(found);
        return said is not null && (Equal(reference, said) || EqualButForUnit(reference, said, found));
    }

    /// <summary>Letters behind a number are a unit where the reference has no variable: 5 m/s.</summary>
    private static bool EqualButForUnit(MathExpression reference, MathExpression said, string found) =>
        said.HasVariables && !reference.HasVariables
        && MathParser.ParseWithoutUnit(found) is { } bare && Equal(reference, bare);

    private static MathExpression? LastNumber(string text) =>
        AnswerExtraction.LastNumber(text) is { } number ? MathParser.Parse(number) : null;

    /// <summary>"25" answers a question for a percentage whose reference is 25%; but 0.5% never answers 0.5.</summary>
    private static bool Equal(MathExpression reference, MathExpression said) => MathExpression.Equal(reference, said)
        || (reference is MathExpression.Percent percent && said is not MathExpression.Percent && MathExpression.Equal(percent.Of, said));

    /// <summary>A verbal answer without case, blanks and marks.</summary>
    private static string Words(string text)
    {
        foreach (string command in (string[])["\\text", "\\mathrm", "\\textbf"])
        {
            text = text.Replace(command, "", StringComparison.Ordinal);
        }
        return string.Concat(text.Where(c => char.IsLetterOrDigit(c) || char.IsSymbol(c))).ToLowerInvariant();
    }
}
