using System.Globalization;
using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Reads numbers in digits: groups of thousands, mixed numbers (<c>7\frac12</c>, <c>7 1/2</c>, "7 and a half"), exponents and repeating decimals.
/// </summary>
/// <param name="argument">Reads LaTeX's next argument.</param>
internal sealed class NumberParser(TokenCursor cursor, Func<Expression?> argument)
{
    private const int DigitsMax = 4_000;

    public Expression? Read()
    {
        string digits = cursor.Current.Text;
        cursor.At++;
        if (digits.Length is <= 3 && cursor.Ahead(-1).IsDigits)
        {
            digits = Grouped(digits);
        }

        // "7 2" is no number, and no product; "2516_8" is one of another base.
        if (digits.Length > DigitsMax || cursor.Current.Is('_') || Literal(digits) is not { } number)
        {
            return null;
        }

        bool whole = number.Value.IsWhole && !number.IsDecimal;
        if (whole && cursor.Current.IsCommand("frac") && !(cursor.Ahead(2) is { InText: true, Kind: not TokenKind.Number }))
        {
            return WithFraction(number);
        }

        if (cursor.Current is { Kind: TokenKind.Number } next)
        {
            return whole && next.IsDigits && next.Blank && cursor.Ahead(1).Is('/') && cursor.Ahead(2).IsDigits ? WithPlainFraction(number) : null;
        }

        int part = cursor.At + 1;
        if (whole && cursor.Current.IsWord("and") && NumberWords.Fraction(cursor.Tokens, ref part) is { } fraction)
        {
            cursor.At = part;
            return new Expression.Mixed(number, fraction);
        }

        return whole && cursor.Current.IsWord("and") && cursor.Ahead(1).IsDigits && cursor.Ahead(2).Is('/') && cursor.Ahead(3).IsDigits && cursor.At++ > 0
            ? WithPlainFraction(number) : number;
    }

    /// <summary><c>7\frac12</c>; of letters it is a product; with a top that is not below its bottom it is neither for certain.</summary>
    private Expression? WithFraction(Expression.Number whole)
    {
        cursor.At++;
        if (argument() is not { } up || argument() is not { } down)
        {
            return null;
        }

        var fraction = new Expression.Binary('/', up, down);
        return up is not Expression.Number { Value: var a } || down is not Expression.Number { Value: var b } ? new Expression.Binary('*', whole, fraction)
            : a.CompareTo(b) < 0 ? new Expression.Mixed(whole, fraction)
            : null;
    }

    private Expression? WithPlainFraction(Expression.Number whole)
    {
        Expression up = Digits();
        cursor.At++;
        Expression down = Digits();
        return up is Expression.Number { Value: var a } && down is Expression.Number { Value: var b } && a.CompareTo(b) < 0
            && cursor.Current.Kind != TokenKind.Number
            ? new Expression.Mixed(whole, new Expression.Binary('/', up, down)) : null;
    }

    /// <summary>
    /// Digits in groups: 1,234,567; 1{,}234; 1'234'567; 1 234 567; 12,34,567. What no grouping explains stays as it is, and its comma parts two items.
    /// </summary>
    private string Grouped(string first)
    {
        foreach (char separator in ",'{ ")
        {
            int step = separator == '{' ? 4 : separator == ' ' ? 1 : 2, at = cursor.At;
            var groups = new List<string> { first };
            while (groups.Count < DigitsMax && IsGroup(at, separator))
            {
                groups.Add(cursor.Tokens[at + step - 1].Text);
                at += step;
            }

            if (groups.Count == 1)
            {
                continue;
            }

            if (separator == ' ' && at < cursor.Tokens.Count && cursor.Tokens[at].Is('/'))
            {
                return first; // 7 100/200
            }

            if ((separator == ',' && !cursor.CommasGroup) || !AreThousands(groups, indian: separator == ','))
            {
                return first;
            }

            cursor.At = at;
            return string.Concat(groups);
        }

        return first;
    }

    private bool IsGroup(int at, char separator)
    {
        List<Token> tokens = cursor.Tokens;
        bool Number(int i, bool blank) => i < tokens.Count && tokens[i].Kind == TokenKind.Number && tokens[i].Blank == blank
            && !tokens[i].Text.AsSpan().ContainsAny('e', 'r');
        return separator switch
        {
            ' ' => Number(at, true),
            '{' => at + 3 < tokens.Count && tokens[at].Is('{') && tokens[at + 1].Is(',') && tokens[at + 2].Is('}') && Number(at + 3, tokens[at + 3].Blank),
            _ => at + 1 < tokens.Count && tokens[at].Is(separator) && !tokens[at].Blank && Number(at + 1, false),
        };
    }

    /// <param name="indian">Groups of two up to the last: 12,34,567.</param>
    private static bool AreThousands(List<string> groups, bool indian)
    {
        if (groups[0].Length > 3 || groups[0][0] == '0')
        {
            return false;
        }

        bool threes = true, twos = indian && groups.Count > 2 && groups[0].Length <= 2;
        for (int i = 1; i < groups.Count; i++)
        {
            bool last = i == groups.Count - 1;
            int point = groups[i].IndexOf('.'), length = point < 0 ? groups[i].Length : point;
            if (point >= 0 && !last)
            {
                return false;
            }

            threes &= length == 3;
            twos &= length == (last ? 3 : 2);
        }

        return threes || twos;
    }

    private static Expression.Number? Literal(string digits)
    {
        int exponentAt = digits.IndexOf('e'), repeatAt = digits.IndexOf('r');
        if (repeatAt >= 0)
        {
            return Repeating(digits, repeatAt);
        }

        int exponent = exponentAt < 0 ? 0 : int.Parse(digits.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = exponentAt < 0 ? digits : digits[..exponentAt];
        int point = mantissa.IndexOf('.'), places = (point < 0 ? 0 : mantissa.Length - point - 1) - exponent;
        var number = BigInteger.Parse(point < 0 ? mantissa : mantissa.Remove(point, 1), CultureInfo.InvariantCulture);
        if (Math.Abs(places) > DigitsMax)
        {
            return null;
        }

        BigInteger scale = BigInteger.Pow(10, Math.Abs(places));
        return Rational.Of(places > 0 ? number : number * scale, places > 0 ? scale : 1) is { } value
            ? new Expression.Number(value, places, point >= 0 || exponentAt >= 0) : null;
    }

    /// <summary>0.1(6) = (16 - 1) / 90.</summary>
    private static Expression.Number? Repeating(string digits, int repeatAt)
    {
        string fixedDigits = digits[..repeatAt], repeated = digits[(repeatAt + 1)..];
        int places = fixedDigits.Length - fixedDigits.IndexOf('.') - 1;
        var head = BigInteger.Parse("0" + fixedDigits.Replace(".", ""), CultureInfo.InvariantCulture);
        BigInteger period = BigInteger.Pow(10, repeated.Length) - 1;
        return Rational.Of(head * period + BigInteger.Parse(repeated, CultureInfo.InvariantCulture), period * BigInteger.Pow(10, places)) is { } value
            ? new Expression.Number(value, places, IsDecimal: true, Repeats: true) : null;
    }

    public Expression Digits()
    {
        var digits = Expression.Integer(BigInteger.Parse(cursor.Current.Text, CultureInfo.InvariantCulture));
        cursor.At++;
        return digits;
    }
}
