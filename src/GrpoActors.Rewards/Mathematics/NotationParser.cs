using System.Globalization;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Reads what is written in digits and is no plain number: dates, times, ratios, numbers of another base.</summary>
internal sealed class NotationParser(TokenCursor cursor, ExpressionParser expressions)
{
    /// <returns>Null, and the cursor where it was, if there is none of these up to the end of an item.</returns>
    public Value? Read() => Calendar() ?? Clock() ?? OtherBase();

    private Token Current => cursor.Current;

    private bool EndsItem => cursor.IsAtEnd || Current.IsAnyOf(",;)]⦄=&") || Current.IsWord("and") || Current.IsWord("or");

    private T? Attempt<T>(Func<T?> read)
        where T : class
    {
        int at = cursor.At;
        T? result = read();
        if (result is null || !EndsItem)
        {
            cursor.At = at;
            return null;
        }

        return result;
    }

    private static readonly string[] Months =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

    private static int Month(Token token) => token.Kind != TokenKind.Word || token.Text.Length < 3 ? 0
        : 1 + Array.FindIndex(Months, month => month.Equals(token.Text, StringComparison.OrdinalIgnoreCase)
            || (token.Text.Length <= 4 && month.StartsWith(token.Text, StringComparison.OrdinalIgnoreCase)));

    /// <summary><c>2024-01-15</c>, "January 15, 2024", "15th of January 2024", "Jan. 15"; addresses.</summary>
    private Value? Calendar()
    {
        if (Current.Kind == TokenKind.Opaque)
        {
            string text = Current.Text;
            cursor.At++;
            return new Value.Written(text);
        }

        bool monthFirst = Month(Current) > 0;
        if (!monthFirst && !(Current.IsDigits && Current.Text.Length <= 2))
        {
            return null;
        }

        return Attempt(() =>
        {
            int month = Month(Current), day = 0;
            if (monthFirst)
            {
                cursor.At++;
                _ = cursor.Take('.');
                day = Day();
            }
            else
            {
                day = Day();
                _ = cursor.TakeWord("of");
                month = Month(Current);
                cursor.At++;
                _ = cursor.Take('.');
            }

            if (day == 0 || month == 0)
            {
                return null;
            }

            bool comma = Current.Is(',') && cursor.Ahead(1) is { IsDigits: true, Text.Length: 4 };
            cursor.At += comma ? 1 : 0;
            string year = "----";
            if (Current is { IsDigits: true, Text.Length: 4 })
            {
                year = Current.Text;
                cursor.At++;
            }

            return new Value.Written(string.Create(CultureInfo.InvariantCulture, $"{year}-{month:00}-{day:00}"));
        });
    }

    private int Day()
    {
        if (Current is not { IsDigits: true, Text.Length: <= 2 } || int.Parse(Current.Text, CultureInfo.InvariantCulture) is not (>= 1 and <= 31) and var _)
        {
            return 0;
        }

        int day = int.Parse(Current.Text, CultureInfo.InvariantCulture);
        cursor.At++;
        cursor.At += Current.Kind == TokenKind.Word && Current.Text is "st" or "nd" or "rd" or "th" ? 1 : 0;
        return day;
    }

    /// <summary><c>11:00</c>, "4:30 p.m.", "11 AM"; with other numbers round the colon a ratio.</summary>
    private Value? Clock()
    {
        if (Current is { IsDigits: true, Text.Length: <= 2 } && (cursor.Ahead(1).Is(':')
            || (cursor.Ahead(1).Kind == TokenKind.Word && IsHalf(cursor.Ahead(1).Text))))
        {
            if (Attempt(Time) is { } time)
            {
                return time;
            }
        }

        return Current.Kind is TokenKind.Number or TokenKind.Letter || Current.IsAnyOf("{(") || Current.IsCommand("frac") || Current.IsCommand("sqrt")
            ? HasColon() && !IsLabel(cursor) ? Attempt(Ratio) : cursor.Ahead(1).IsWord("to") ? Attempt(Ratio) : null
            : null;
    }

    private bool HasColon() => cursor.Outside(cursor.At, cursor.Tokens.Count, ":,;=<>≤≥≈") is var at and >= 0 && cursor.Tokens[at].Is(':');

    /// <summary>"A: 72" is no ratio.</summary>
    public static bool IsLabel(TokenCursor cursor) => cursor.Current.Kind == TokenKind.Letter && cursor.Ahead(1) is { Blank: false } colon && colon.Is(':')
        && cursor.Ahead(2).Blank;

    private static bool IsHalf(string word) => word.Equals("am", StringComparison.OrdinalIgnoreCase) || word.Equals("pm", StringComparison.OrdinalIgnoreCase);

    private Value.Time? Time()
    {
        int[] parts = [0, 0, 0];
        int count = 0;
        do
        {
            if (count == 3 || !Current.IsDigits || Current.Text.Length > 2 || (count > 0 && Current.Text.Length != 2))
            {
                return null;
            }

            parts[count++] = int.Parse(Current.Text, CultureInfo.InvariantCulture);
            cursor.At++;
        }
        while (cursor.Take(':'));
        string half = "";
        if (Current.Kind == TokenKind.Word && IsHalf(Current.Text))
        {
            half = Current.Text.ToLowerInvariant();
            cursor.At++;
        }

        bool valid = parts[0] <= (half.Length > 0 ? 12 : 24) && parts[1] < 60 && parts[2] < 60 && (count > 1 || half.Length > 0);
        return valid ? new Value.Time(parts[0], parts[1], parts[2], half) : null;
    }

    private Value.Ratio? Ratio()
    {
        var terms = new List<Expression>();
        do
        {
            if (terms.Count == TermsMax || expressions.Product() is not { } term || expressions.Currency is not null)
            {
                return null;
            }

            terms.Add(term);
        }
        while (cursor.Take(':') || cursor.TakeWord("to"));
        return terms.Count > 1 ? new Value.Ratio(terms) : null;
    }

    /// <summary><c>2516_8</c>, <c>(1010)_{2}</c>, <c>-11_{\text{two}}</c>, <c>FF_{16}</c>.</summary>
    private Value.InBase? OtherBase()
    {
        int at = cursor.At;
        bool minus = cursor.Take('-'), bracket = cursor.Take('(');
        string number = "";
        Value.InBase? result = null;
        while (Current is { Kind: TokenKind.Number or TokenKind.Letter or TokenKind.Word } part && (number.Length == 0 || !part.Blank)
            && part.Text.All(char.IsAsciiLetterOrDigit))
        {
            number += part.Text.ToUpperInvariant();
            cursor.At++;
        }

        // A_{12} is a name.
        if (number.Length > 1 || (number.Length == 1 && char.IsAsciiDigit(number[0])))
        {
            bool closed = !bracket || cursor.Take(')');
            if (closed && cursor.Take('_'))
            {
                bool braced = cursor.Take('{');
                int which = cursor.At;
                int? radix = Current.IsDigits && Current.Text.Length <= 2 ? int.Parse(Current.Text, CultureInfo.InvariantCulture)
                    : NumberWords.Read(cursor.Tokens, ref which) is Expression.Number { Value: { IsWhole: true } word } && word.Bits < 8
                        ? (int)word.Numerator : null;
                cursor.At = radix is null || Current.IsDigits ? cursor.At + 1 : which;
                bool valid = radix is >= 2 and <= 36 && (!braced || cursor.Take('}'))
                    && number.All(digit => (char.IsAsciiDigit(digit) ? digit - '0' : digit - 'A' + 10) < radix);
                string digits = number.TrimStart('0');
                result = valid ? new(digits.Length == 0 ? "0" : digits, radix!.Value, minus) : null;
            }
        }

        if (result is null || !EndsItem)
        {
            cursor.At = at;
            return null;
        }

        return result;
    }

    private const int TermsMax = 64;
}
