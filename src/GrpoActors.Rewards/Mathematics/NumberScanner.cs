using System.Globalization;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Cuts a number out of a text: <c>12.5</c>, <c>1.5e3</c>, <c>1.234,56</c>, <c>0.1\overline{6}</c>; dates and addresses are told apart from it. Groups of
/// thousands are several numbers here: what parts them may part items of a list too (<see cref="NumberParser"/>).
/// </summary>
internal ref struct NumberScanner(string text, int at)
{
    private readonly string _text = text;
    private int _at = at;

    public readonly int At => _at;

    private readonly char Current => Ahead(0);

    private readonly char Ahead(int by) => _at + by < _text.Length ? _text[_at + by] : '\0';

    private readonly bool Follows(string what) => string.CompareOrdinal(_text, _at, what, 0, what.Length) == 0;

    /// <summary>Reads what begins with a digit or a point at <see cref="At"/> and moves behind it.</summary>
    public (TokenKind Kind, string Text) Read()
    {
        int start = _at;
        if (DateLength(out string? date) is var length and > 0)
        {
            _at += length;
            return (TokenKind.Opaque, date!);
        }

        int points = 0;
        while (char.IsAsciiDigit(Current) || (Current == '.' && char.IsAsciiDigit(Ahead(1))))
        {
            points += Current == '.' ? 1 : 0;
            _at++;
        }

        string digits = _text[start.._at];
        if (points > 1 && !ArePointsThousands(digits))
        {
            return (TokenKind.Opaque, digits);
        }

        digits = points > 1 || IsEuropean(digits) ? EuropeanDecimals(digits.Replace(".", "")) : digits;
        digits = Repeating(digits) ?? digits + Exponent();
        return (TokenKind.Number, digits);
    }

    /// <summary><c>1.234.567</c></summary>
    private static bool ArePointsThousands(string digits)
    {
        string[] groups = digits.Split('.');
        return groups[0].Length is >= 1 and <= 3 && groups[0][0] != '0' && groups.Skip(1).All(group => group.Length == 3);
    }

    /// <summary><c>1.234,56</c>: a point in front of three digits, then a comma in front of any other number of digits.</summary>
    private bool IsEuropean(string digits)
    {
        int point = digits.IndexOf('.');
        if (point is < 1 or > 3 || digits.Length - point != 4 || Current != ',')
        {
            return false;
        }

        int places = DigitsFrom(_at + 1);
        return places > 0 && places != 3 && !(_at + 1 + places < _text.Length && _text[_at + 1 + places] is ',' or '.' && DigitsFrom(_at + 2 + places) > 0);
    }

    private string EuropeanDecimals(string digits)
    {
        int places = Current == ',' ? DigitsFrom(_at + 1) : 0;
        if (places == 0)
        {
            return digits;
        }

        string decimals = _text.Substring(_at + 1, places);
        _at += 1 + places;
        return digits + "." + decimals;
    }

    /// <summary><c>2024-01-15</c>, <c>15/01/2024</c>, <c>1/15/2024</c>; what can be read in two ways stays as it is written.</summary>
    private int DateLength(out string? date)
    {
        date = null;
        int first = DigitsFrom(_at);
        char separator = Ahead(first);
        if (first is < 1 or > 4 || separator is not ('-' or '/') || (_at > 0 && _text[_at - 1] is '-' or '/' or '.'))
        {
            return 0;
        }

        int second = DigitsFrom(_at + first + 1), third = DigitsFrom(_at + first + second + 2);
        int length = first + second + third + 2;
        if (second is < 1 or > 2 || third < 1 || Ahead(first + second + 1) != separator || Ahead(length) is '-' or '/'
            || (Ahead(length) == '.' && char.IsAsciiDigit(Ahead(length + 1))))
        {
            return 0;
        }

        int a = Digits(_at, first), b = Digits(_at + first + 1, second), c = Digits(_at + first + second + 2, third);
        if (separator == '-' && first == 4 && third <= 2 && a is >= 1_000 and < 3_000 && b is >= 1 and <= 12 && c is >= 1 and <= 31)
        {
            date = Iso(a, b, c);
        }
        else if (separator == '/' && first <= 2 && third == 4 && a is >= 1 and <= 31 && b is >= 1 and <= 31 && (a <= 12 || b <= 12)
            && c is >= 1_000 and < 3_000)
        {
            date = a == b || b > 12 ? Iso(c, a, b) : a > 12 ? Iso(c, b, a) : $"{a}/{b}/{c}";
        }

        return date is null ? 0 : length;
    }

    private static string Iso(int year, int month, int day) => string.Create(CultureInfo.InvariantCulture, $"{year:0000}-{month:00}-{day:00}");

    private int Digits(int at, int length) => length > 4 ? 0 : int.Parse(_text.AsSpan(at, length), CultureInfo.InvariantCulture);

    /// <summary><c>0.1\overline{6}</c>, <c>0.1(6)</c>, <c>0.\dot{3}</c>, <c>0.333...</c>: decimals that repeat without end; null if these do not.</summary>
    private string? Repeating(string digits)
    {
        int after = _at;
        bool point = digits.Contains('.');
        if (!point)
        {
            if (Current != '.' || Ahead(1) is not ('\\' or '('))
            {
                return null;
            }

            after++;
        }

        string repeated = "";
        int end = after;
        foreach (string opening in (string[])["\\overline{", "\\bar{", "\\overline ", "\\dot{", "("])
        {
            if (string.CompareOrdinal(_text, after, opening, 0, opening.Length) == 0)
            {
                int length = DigitsFrom(after + opening.Length);
                end = after + opening.Length + length;
                repeated = length > 0 ? _text.Substring(after + opening.Length, length) : "";
                bool closes = opening[^1] == ' ' || (end < _text.Length && _text[end] == (opening[^1] == '(' ? ')' : '}'));
                end += opening[^1] == ' ' ? 0 : 1;
                if (!closes)
                {
                    return null;
                }

                if (opening[1..] == "dot{")
                {
                    repeated += DottedUntil(ref end);
                }

                break;
            }
        }

        if (repeated.Length > 0)
        {
            _at = end;
            return $"{(point ? digits : digits + ".")}r{repeated}";
        }

        int dots = Follows("...") ? 3 : Current == '…' ? 1 : Follows("\\ldots") ? 6 : Follows("\\dots") ? 5 : Follows("\\cdots") ? 6 : 0;
        if (!point || dots == 0 || Period(digits.AsSpan(digits.IndexOf('.') + 1)) is not { } period)
        {
            return null;
        }

        _at += dots;
        return $"{digits[..^period]}r{digits[^period..]}";
    }

    /// <summary><c>\dot{1}4285\dot{7}</c>: all from the first dot to the second.</summary>
    private string DottedUntil(ref int end)
    {
        int between = DigitsFrom(end);
        const string Opening = "\\dot{";
        if (string.CompareOrdinal(_text, end + between, Opening, 0, Opening.Length) != 0 || DigitsFrom(end + between + Opening.Length) != 1)
        {
            return "";
        }

        string rest = _text.Substring(end, between) + _text[end + between + Opening.Length];
        end += between + Opening.Length + 2;
        return rest;
    }

    /// <summary>Length of what the last digits repeat: thrice if it is one digit, twice if it is several.</summary>
    private static int? Period(ReadOnlySpan<char> decimals)
    {
        for (int period = 1; period <= decimals.Length / 2; period++)
        {
            int times = period == 1 ? 3 : 2;
            if (period * times > decimals.Length)
            {
                continue;
            }

            bool repeats = true;
            for (int i = 1; i <= period * (times - 1); i++)
            {
                repeats &= decimals[^i] == decimals[^(i + period)];
            }

            if (repeats)
            {
                return period;
            }
        }

        return null;
    }

    /// <summary><c>e6</c> of 1e6; empty if there is none.</summary>
    private string Exponent()
    {
        if (Current is not ('e' or 'E'))
        {
            return "";
        }

        int sign = Ahead(1) is '+' or '-' ? 1 : 0, digits = DigitsFrom(_at + 1 + sign);
        if (digits is 0 or > 5 || char.IsLetter(Ahead(1 + sign + digits)))
        {
            return "";
        }

        string exponent = _text.Substring(_at + 1, sign + digits);
        _at += 1 + sign + digits;
        return "e" + exponent;
    }

    private int DigitsFrom(int at)
    {
        int end = at;
        while (end < _text.Length && char.IsAsciiDigit(_text[end]))
        {
            end++;
        }

        return end - at;
    }
}
