using System.Globalization;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Reads a number or formula with what it measures: "5 cm", "$5 million", "6 hours 30 minutes".</summary>
internal sealed class MeasureParser(TokenCursor cursor, ExpressionParser expressions)
{
    /// <summary>A number or formula with what it measures.</summary>
    public Value? Read()
    {
        if (Measured() is not { } scalar)
        {
            return null;
        }

        // 6 hours 30 minutes; 5 feet 3 inches
        while (scalar.Measure is { Bases.IsEmpty: false } && cursor.Current.Kind == TokenKind.Number)
        {
            if (Measured() is not { } smaller || Added(scalar, smaller) is not { } sum)
            {
                return null;
            }

            scalar = sum;
        }

        return scalar.Of.Any(static part => part is Expression.PlusMinus) ? new Value.PlusMinus(scalar) : scalar;
    }

    private Value.Scalar? Measured()
    {
        expressions.Currency = null;
        if (expressions.Whole() is not { } of)
        {
            return null;
        }

        while (cursor.Current.Kind == TokenKind.Word && NumberWords.Multiplier(cursor.Current.Text) is { } by
            && of is Expression.Number or Expression.Mixed or Expression.Negative { Of: Expression.Number })
        {
            cursor.At++;
            of = Multiplied(of, by);
        }

        if (cursor.Current.IsWord("percent") || cursor.Current.IsWord("pct") || (cursor.Current.IsWord("per") && cursor.Ahead(1).IsWord("cent")))
        {
            cursor.At += cursor.Current.IsWord("per") ? 2 : 1;
            of = new Expression.Percent(of);
        }

        if (of is Expression.Number && (cursor.Current.IsWord("squared") || cursor.Current.IsWord("cubed")))
        {
            of = new Expression.Binary('^', of, Expression.Integer(cursor.Current.IsWord("squared") ? 2 : 3));
            cursor.At++;
        }

        Unit? unit = expressions.Currency;
        if (of is Expression.Degrees or Expression.Negative { Of: Expression.Degrees })
        {
            unit = Unit.Degree;
            of = of is Expression.Degrees degrees ? degrees.Of : new Expression.Negative(((Expression.Degrees)((Expression.Negative)of).Of).Of);
        }

        var phrase = new UnitPhrase(cursor);
        if (phrase.Read() is not { } written)
        {
            return null;
        }

        bool twice = unit is not null && written.Bases.Count == 1 && unit.Bases.ContainsKey(written.Bases.Keys.First()) && written.Words.IsEmpty;
        unit = unit is null ? written : twice ? unit : unit.Times(written);
        return unit.IsNone ? new(of) : new(of, unit);
    }

    private static Expression Multiplied(Expression of, Rational by)
    {
        if (of is Expression.Mixed)
        {
            return new Expression.Binary('*', of, new Expression.Number(by));
        }

        var number = (Expression.Number)(of is Expression.Negative negative ? negative.Of : of);
        Rational value = Rational.Multiply(number.Value, by) ?? number.Value;
        int zeros = by.Numerator.ToString(CultureInfo.InvariantCulture).Count(static c => c == '0');
        Expression result = new Expression.Number(value, number.Places - zeros, number.IsDecimal || !value.IsWhole);
        return of is Expression.Negative ? new Expression.Negative(result) : result;
    }

    /// <summary>A larger unit, then a smaller one of the same measure; null for two measures of one unit.</summary>
    public static Value.Scalar? Added(Value.Scalar large, Value.Scalar small) =>
        large.Measure is { Bases.IsEmpty: false } unit && small.Measure is { Bases.IsEmpty: false } && Unit.Ratio(unit, small.Measure) is { } ratio
            && ratio.CompareTo(Rational.One) < 0 && small.Of.Literal is { Value.Sign: >= 0 } && large.Of is not Expression.Number { IsDecimal: true }
            ? large with { Of = new Expression.Binary('+', large.Of, new Expression.Binary('*', small.Of, new Expression.Number(ratio))) }
            : null;
}
