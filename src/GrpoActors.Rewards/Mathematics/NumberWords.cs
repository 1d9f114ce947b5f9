using System.Collections.Frozen;
using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>English cardinals: "two thousand three hundred and five", "twenty-one", "three quarters", "two and a half", "five point two".</summary>
internal static class NumberWords
{
    private static readonly FrozenDictionary<string, int> Small = new[]
    {
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
        "sixteen", "seventeen", "eighteen", "nineteen",
    }.Select((word, value) => KeyValuePair.Create(word, value)).ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, int> Tens = new[] { "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety" }
        .Select((word, at) => KeyValuePair.Create(word, 20 + 10 * at)).ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, int> Scales = new Dictionary<string, int>
    {
        ["thousand"] = 3,
        ["million"] = 6,
        ["billion"] = 9,
        ["trillion"] = 12,
        ["quadrillion"] = 15,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, int> Parts = new Dictionary<string, int>
    {
        ["half"] = 2,
        ["halves"] = 2,
        ["third"] = 3,
        ["thirds"] = 3,
        ["quarter"] = 4,
        ["quarters"] = 4,
        ["fourth"] = 4,
        ["fourths"] = 4,
        ["fifth"] = 5,
        ["fifths"] = 5,
        ["sixth"] = 6,
        ["sixths"] = 6,
        ["seventh"] = 7,
        ["sevenths"] = 7,
        ["eighth"] = 8,
        ["eighths"] = 8,
        ["ninth"] = 9,
        ["ninths"] = 9,
        ["tenth"] = 10,
        ["tenths"] = 10,
        ["hundredths"] = 100,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, Rational> Multipliers = new Dictionary<string, Rational>
    {
        ["hundred"] = Rational.Of(100),
        ["thousand"] = Rational.Of(1_000),
        ["million"] = Rational.Of(1_000_000),
        ["billion"] = Rational.Of(1_000_000_000),
        ["trillion"] = Rational.Of(1_000_000_000_000),
        ["dozen"] = Rational.Of(12),
        ["dozens"] = Rational.Of(12),
        ["lakh"] = Rational.Of(100_000),
        ["crore"] = Rational.Of(10_000_000),
        ["thousands"] = Rational.Of(1_000),
        ["millions"] = Rational.Of(1_000_000),
        ["billions"] = Rational.Of(1_000_000_000),
        ["bn"] = Rational.Of(1_000_000_000),
        ["百"] = Rational.Of(100),
        ["千"] = Rational.Of(1_000),
        ["万"] = Rational.Of(10_000),
        ["亿"] = Rational.Of(100_000_000),
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    public static bool IsNumber(string word) => IsCardinal(word) || Scales.ContainsKey(word) || word.Equals("hundred", StringComparison.OrdinalIgnoreCase);

    /// <summary>What a number in words can begin with, but for "a".</summary>
    public static bool IsCardinal(string word) => Small.ContainsKey(word) || Tens.ContainsKey(word);

    public static bool IsPart(string word) => Parts.ContainsKey(word);

    /// <summary>Behind digits: 5 thousand, 1.2 million, 3 dozen.</summary>
    public static Rational? Multiplier(string word) => Multipliers.TryGetValue(word, out Rational by) ? by : null;

    /// <summary>
    /// Reads a number at <paramref name="at"/> and moves behind it; null, and nothing moved, if there is none, or words that make no number ("five five").
    /// </summary>
    public static Expression? Read(IReadOnlyList<Token> tokens, ref int at)
    {
        int next = at;
        Expression? read = Fraction(tokens, ref next);
        if (read is null && Cardinal(tokens, ref next) is { } whole)
        {
            read = WithFraction(tokens, ref next, whole) ?? Decimals(tokens, ref next, whole) ?? Expression.Integer(whole);
        }

        string behind = next < tokens.Count && tokens[next].Kind == TokenKind.Word ? tokens[next].Text : "";
        bool goesOn = (IsNumber(behind) && !(read is Expression.Mixed && Scales.ContainsKey(behind))) || IsPart(behind);
        // "one of them" counts nothing.
        if (read is null || goesOn || (behind == "of" && Word(tokens, at).Equals("one", StringComparison.OrdinalIgnoreCase)))
        {
            return null;
        }

        at = next;
        return read;
    }

    private static string Word(IReadOnlyList<Token> tokens, int at) => at < tokens.Count && tokens[at].Kind is TokenKind.Word or TokenKind.Letter
        ? tokens[at].Text : "";

    /// <summary>Skips the hyphen of "twenty-one".</summary>
    private static int Behind(IReadOnlyList<Token> tokens, int at, bool hyphen) => hyphen && at < tokens.Count && tokens[at].Is('-') && !tokens[at].Blank
        ? at + 1 : at;

    private static bool IsA(string word) => word is "a" or "an" or "A" or "An";

    /// <summary>"three quarters", "one-half", "a third", "half".</summary>
    public static Expression? Fraction(IReadOnlyList<Token> tokens, ref int at)
    {
        string first = Word(tokens, at);
        if (first.Equals("half", StringComparison.OrdinalIgnoreCase) && !IsA(Word(tokens, at + 1)))
        {
            at++;
            return Quotient(1, 2);
        }

        if (first.Equals("half", StringComparison.OrdinalIgnoreCase) && Word(tokens, at + 2).Equals("dozen", StringComparison.OrdinalIgnoreCase))
        {
            at += 3;
            return Expression.Integer(6);
        }

        if (IsA(first) && Word(tokens, at + 1).Equals("dozen", StringComparison.OrdinalIgnoreCase))
        {
            at += 2;
            return Expression.Integer(12);
        }

        bool isA = IsA(first), counts = Small.TryGetValue(first, out int up) && up > 0;
        int part = Behind(tokens, at + 1, hyphen: true);
        if ((!isA && !counts) || !Parts.TryGetValue(Word(tokens, part), out int down))
        {
            return null;
        }

        at = part + 1;
        return Quotient(isA ? 1 : up, down);
    }

    private static Expression Quotient(int up, int down) => new Expression.Binary('/', Expression.Integer(up), Expression.Integer(down));

    /// <summary>"two and a half", "three and three quarters".</summary>
    private static Expression? WithFraction(IReadOnlyList<Token> tokens, ref int at, BigInteger whole)
    {
        int next = at + 1;
        if (!Word(tokens, at).Equals("and", StringComparison.OrdinalIgnoreCase) || Fraction(tokens, ref next) is not { } part)
        {
            return null;
        }

        at = next;
        return new Expression.Mixed(Expression.Integer(whole), part);
    }

    /// <summary>"five point two five".</summary>
    private static Expression? Decimals(IReadOnlyList<Token> tokens, ref int at, BigInteger whole)
    {
        if (!Word(tokens, at).Equals("point", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        int next = at + 1, places = 0;
        BigInteger digits = whole;
        while (places < 30 && Small.TryGetValue(Word(tokens, next), out int digit) && digit < 10)
        {
            digits = digits * 10 + digit;
            places++;
            next++;
        }

        if (places == 0)
        {
            return null;
        }

        at = next;
        return new Expression.Number(Rational.Of(digits, BigInteger.Pow(10, places))!.Value, places, IsDecimal: true);
    }

    private static BigInteger? Cardinal(IReadOnlyList<Token> tokens, ref int at)
    {
        int next = at, scaleBefore = int.MaxValue;
        BigInteger total = 0;
        bool any = false;
        while (true)
        {
            int group = next;
            if (any && Word(tokens, group).Equals("and", StringComparison.OrdinalIgnoreCase) && scaleBefore is > 0 and < int.MaxValue)
            {
                group++;
            }

            bool comma = any && group < tokens.Count && tokens[group].Is(',');
            group += comma ? 1 : 0;
            if (BelowThousand(tokens, ref group) is not { } hundreds || (comma && hundreds < 100))
            {
                break; // "one thousand, two hundred" is one number, "one thousand, two" a list
            }

            if (Scales.TryGetValue(Word(tokens, group), out int scale))
            {
                group++;
            }
            else
            {
                scale = 0;
            }

            // Scales fall: "five thousand two thousand" is no number. Up to 9,999 may stand in hundreds: "nineteen hundred".
            if (scale >= scaleBefore || (hundreds > 999 && (scale > 0 || any)))
            {
                return null;
            }

            total += hundreds * BigInteger.Pow(10, scale);
            (any, scaleBefore, next) = (true, scale, group);
            if (scale == 0)
            {
                break;
            }
        }

        if (!any)
        {
            return null;
        }

        at = next;
        return total;
    }

    /// <summary>"three hundred and five", "a hundred", "twenty-one", "nineteen hundred".</summary>
    private static BigInteger? BelowThousand(IReadOnlyList<Token> tokens, ref int at)
    {
        int next = at;
        int? count = IsA(Word(tokens, next)) && (Word(tokens, next + 1) is var scale && (scale == "hundred" || Scales.ContainsKey(scale)))
            ? Moved(ref next, 1) : BelowHundred(tokens, ref next);
        if (count is not { } number)
        {
            return null;
        }

        if (number is > 0 and < 100 && Word(tokens, next).Equals("hundred", StringComparison.OrdinalIgnoreCase))
        {
            next++;
            number *= 100;
            int rest = Word(tokens, next).Equals("and", StringComparison.OrdinalIgnoreCase) ? next + 1 : next;
            if (BelowHundred(tokens, ref rest) is { } more and > 0 && !IsPart(Word(tokens, rest)))
            {
                number += more;
                next = rest;
            }
        }

        at = next;
        return number;
    }

    private static int Moved(ref int at, int value)
    {
        at++;
        return value;
    }

    private static int? BelowHundred(IReadOnlyList<Token> tokens, ref int at)
    {
        string word = Word(tokens, at);
        if (Small.TryGetValue(word, out int small))
        {
            at++;
            return small;
        }

        if (!Tens.TryGetValue(word, out int tens))
        {
            return null;
        }

        at++;
        int unit = Behind(tokens, at, hyphen: true);
        if (Small.TryGetValue(Word(tokens, unit), out int ones) && ones is > 0 and < 10)
        {
            at = unit + 1;
            return tens + ones;
        }

        return tens;
    }
}
