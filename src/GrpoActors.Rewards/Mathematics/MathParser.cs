using System.Globalization;
using System.Numerics;
using System.Text;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Reads an answer written in LaTeX, plain text or a mix: numbers with thousands separators, fractions, roots, powers, percent, currency
/// signs, units, tuples, sets, intervals and unions, formulas in one-letter variables. A text that is none of these gives null.
/// </summary>
internal sealed class MathParser
{
    private const int LengthMax = 1_000;
    private const int DepthMax = 40;
    private const int ItemsMax = 64;

    private readonly string _text;
    private int _at;
    private int _depth;

    private MathParser(string text) => _text = text;

    public static MathExpression? Parse(string text)
    {
        if (text.Length > LengthMax)
        {
            return null;
        }
        string plain = Plain(text);
        if (plain.Length == 0)
        {
            return null;
        }
        var whole = new MathParser(plain).Whole() ?? NumberWords.Parse(plain);
        return whole ?? (WithoutUnit(plain) is { } bare ? new MathParser(bare).Whole() : null);
    }

    /// <summary>The number in front of a unit; null if there is none.</summary>
    public static MathExpression? ParseWithoutUnit(string text) =>
        text.Length <= LengthMax && WithoutUnit(Plain(text)) is { } bare ? new MathParser(bare).Whole() : null;

    private static readonly (string From, string To)[] Spellings =
    [
        ("\\left", ""), ("\\right", ""), ("\\displaystyle", ""), ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\cfrac", "\\frac"),
        ("{,}", ""), ("\\,", ""), ("\\!", ""), ("\\;", " "), ("\\:", " "), ("\\ ", " "), ("~", " "), ("\\quad", " "),
        ("\\%", "%"), ("\\$", ""), ("$", ""), ("€", ""), ("£", ""), ("¥", ""), ("\\(", ""), ("\\)", ""), ("\\[", ""), ("\\]", ""),
        ("\\cdot", "*"), ("\\times", "*"), ("×", "*"), ("·", "*"), ("\\div", "/"), ("÷", "/"), ("−", "-"), ("–", "-"),
        ("^{\\circ}", ""), ("^\\circ", ""), ("°", ""), ("\\pi", "π"), ("\\infty", "∞"), ("\\cup", "∪"), ("√", "\\sqrt"),
        ("\\lbrace", "\\{"), ("\\rbrace", "\\}"), ("\\{", "⦃"), ("\\}", "⦄"), ("**", "^"), ("\\bigl", ""), ("\\bigr", ""), ("\u00a0", " "),
    ];

    /// <summary>One spelling for each thing; text commands become plain words.</summary>
    private static string Plain(string text)
    {
        foreach (var (from, to) in Spellings)
        {
            text = text.Replace(from, to, StringComparison.Ordinal);
        }
        foreach (string command in (string[])["\\text", "\\mathrm", "\\textbf", "\\mathbf", "\\mbox", "\\operatorname"])
        {
            text = text.Replace(command + "{", " {", StringComparison.Ordinal);
        }
        text = text.Trim().TrimEnd('.', ',', ';', ':', '!').Trim();
        foreach (string word in (string[])["minus ", "negative "])
        {
            text = text.StartsWith(word, StringComparison.OrdinalIgnoreCase) ? "-" + text[word.Length..].TrimStart() : text;
        }
        return text;
    }

    /// <summary><c>5 cm^2</c>, <c>72 clips</c>, <c>3 {m/s}</c>: the number in front of a unit, if no further number follows.</summary>
    private static string? WithoutUnit(string text)
    {
        int unit = text.Length;
        for (int i = 1; i < text.Length && unit == text.Length; i++)
        {
            bool letter = char.IsLetter(text[i]) && text[i] != 'π';
            bool opens = text[i] == '{' && i + 1 < text.Length && (char.IsLetter(text[i + 1]) || text[i + 1] == ' ');
            bool inCommand = text[i - 1] == '\\' || (char.IsLetter(text[i - 1]) && text[i - 1] != 'π');
            bool inNumber = text[i] is 'e' or 'E' && i + 1 < text.Length && (char.IsAsciiDigit(text[i + 1]) || text[i + 1] is '-' or '+');
            unit = (letter || opens) && !inCommand && !inNumber ? i : unit;
        }
        if (unit == text.Length)
        {
            return null;
        }
        for (int i = unit; i < text.Length; i++)
        {
            if (char.IsDigit(text[i]) && text[i - 1] != '^' && text[i - 1] != '{' && text[i - 1] != '-')
            {
                return null;
            }
        }
        string bare = text[..unit].Trim();
        return bare.Length > 0 && !bare.Contains('=') ? bare : null;
    }

    private MathExpression? Whole()
    {
        var items = new List<MathExpression>();
        do
        {
            if (items.Count == ItemsMax || Equation() is not { } item)
            {
                return null;
            }
            items.Add(item);
        }
        while (Take(','));
        return _at == _text.Length ? items.Count == 1 ? items[0] : new MathExpression.Set(items) : null;
    }

    /// <summary><c>x = 5</c> says 5.</summary>
    private MathExpression? Equation()
    {
        var left = Unions();
        if (left is null || !Take('='))
        {
            return left;
        }
        return left is MathExpression.Variable ? Unions() : null;
    }

    private MathExpression? Unions()
    {
        if (Sum() is not { } first)
        {
            return null;
        }
        var parts = new List<MathExpression> { first };
        while (Take('∪'))
        {
            if (parts.Count == ItemsMax || Sum() is not { } part)
            {
                return null;
            }
            parts.Add(part);
        }
        return parts.Count == 1 ? first : new MathExpression.Union(parts);
    }

    private MathExpression? Sum()
    {
        var sum = Product();
        while (sum is not null)
        {
            bool minus = Peek('-');
            if (!Take('+') && !Take('-'))
            {
                break;
            }
            sum = Product() is { } next
                ? new MathExpression.Binary('+', sum, minus ? new MathExpression.Negative(next) : next)
                : null;
        }
        return sum;
    }

    private MathExpression? Product()
    {
        var product = Signed();
        while (product is not null)
        {
            bool divides = Peek('/');
            if (Take('*') || Take('/'))
            {
                product = Signed() is { } next ? new MathExpression.Binary(divides ? '/' : '*', product, next) : null;
            }
            else if (StartsFactor())
            {
                product = Juxtaposed(product);
            }
            else
            {
                break;
            }
        }
        return product;
    }

    /// <summary><c>2x</c> is a product; a whole number in front of a fraction of whole numbers is a mixed number; <c>7 2</c> is neither.</summary>
    private MathExpression? Juxtaposed(MathExpression left)
    {
        int start = _at;
        bool digits = char.IsAsciiDigit(Current) || Current == '.';
        var right = Powered();
        if (right is null || IsCollection(left) || IsCollection(right))
        {
            return null;
        }
        bool afterWhole = (left is MathExpression.Negative n ? n.Of : left) is MathExpression.Number { Value: { IsExact: true } whole } && whole.Denominator.IsOne;
        bool isFraction = !digits && _text.AsSpan(start).StartsWith("\\frac") && right is MathExpression.Binary
        {
            Operation: '/', Left: MathExpression.Number, Right: MathExpression.Number,
        };
        if (digits)
        {
            // "7 1/2"
            bool mixed = afterWhole && Peek('/') && right is MathExpression.Number;
            if (!mixed || !Take('/') || Powered() is not MathExpression.Number below)
            {
                return null;
            }
            right = new MathExpression.Binary('/', right, below);
            isFraction = true;
        }
        return !(afterWhole && isFraction) ? new MathExpression.Binary('*', left, right)
            : left is MathExpression.Negative negative ? new MathExpression.Negative(new MathExpression.Binary('+', negative.Of, right))
            : new MathExpression.Binary('+', left, right);
    }

    private static bool IsCollection(MathExpression x) => x is MathExpression.Bracketed or MathExpression.Set or MathExpression.Union;

    private bool StartsFactor()
    {
        SkipSpace();
        return _at < _text.Length && (char.IsLetterOrDigit(Current) || Current is '\\' or '(' or '.' or 'π' or '{');
    }

    private MathExpression? Signed()
    {
        if (Take('-'))
        {
            return Deeper(Signed) is { } of ? new MathExpression.Negative(of) : null;
        }
        return Take('+') ? Deeper(Signed) : Powered();
    }

    private MathExpression? Powered()
    {
        var value = Primary();
        if (value is not null && Take('^'))
        {
            value = Deeper(Exponent) is { } exponent ? new MathExpression.Binary('^', value, exponent) : null;
        }
        while (value is not null && Take('%'))
        {
            value = new MathExpression.Percent(value);
        }
        return value;
    }

    private MathExpression? Exponent()
    {
        SkipSpace();
        return Current == '{' ? Group() : Take('-') ? Primary() is { } x ? new MathExpression.Negative(x) : null : Primary();
    }

    private MathExpression? Deeper(Func<MathExpression?> parse)
    {
        if (++_depth > DepthMax)
        {
            return null;
        }
        var result = parse();
        _depth--;
        return result;
    }

    private MathExpression? Primary()
    {
        SkipSpace();
        char c = Current;
        if (char.IsAsciiDigit(c) || c == '.')
        {
            return Number();
        }
        switch (c)
        {
            case '(' or '[' or '⦃': return Deeper(Brackets);
            case '{': return Deeper(Group);
            case 'π':
                _at++;
                return new MathExpression.Number(Quantity.Pi);
            case '∞':
                _at++;
                return new MathExpression.Infinity();
            case '\\': return Deeper(Command);
        }
        // A word of several letters is no product of variables.
        bool alone = char.IsAsciiLetter(c) && (_at + 1 == _text.Length || !char.IsAsciiLetter(_text[_at + 1]));
        if (!alone)
        {
            return null;
        }
        _at++;
        return new MathExpression.Variable(c.ToString());
    }

    private MathExpression? Group()
    {
        if (!Take('{'))
        {
            return null;
        }
        var inner = Sum();
        return inner is not null && Take('}') ? inner : null;
    }

    private MathExpression? Brackets()
    {
        char open = Current;
        _at++;
        var items = new List<MathExpression>();
        do
        {
            if (items.Count == ItemsMax || Equation() is not { } item)
            {
                return null;
            }
            items.Add(item);
        }
        while (Take(','));
        SkipSpace();
        char close = Current;
        bool closes = open == '⦃' ? close == '⦄' : close is ')' or ']';
        if (!closes)
        {
            return null;
        }
        _at++;
        return open == '⦃' ? new MathExpression.Set(items)
            : items.Count > 1 || open == '[' || close == ']' ? new MathExpression.Bracketed(open, close, items)
            : items[0];
    }

    private MathExpression? Command()
    {
        int start = ++_at;
        while (_at < _text.Length && char.IsAsciiLetter(_text[_at]))
        {
            _at++;
        }
        switch (_text[start.._at])
        {
            case "frac":
                return Argument() is { } up && Argument() is { } down ? new MathExpression.Binary('/', up, down) : null;
            case "sqrt":
                int degree = 2;
                if (Take('['))
                {
                    if (Number() is not MathExpression.Number { Value: { IsExact: true } wanted } || !wanted.Denominator.IsOne
                        || wanted.Numerator > 100 || !Take(']'))
                    {
                        return null;
                    }
                    degree = (int)wanted.Numerator;
                }
                return Argument() is { } of ? new MathExpression.Root(of, degree) : null;
            default:
                return null;
        }
    }

    /// <summary>LaTeX's argument: a group, or a single digit, letter or command; for a plain <c>√12</c> the whole number.</summary>
    private MathExpression? Argument()
    {
        SkipSpace();
        if (char.IsAsciiDigit(Current))
        {
            _at++;
            return new MathExpression.Number(Quantity.Of(_text[_at - 1] - '0'));
        }
        return Current == '{' ? Deeper(Group) : Deeper(Primary);
    }

    private MathExpression.Number? Number()
    {
        SkipSpace();
        var digits = new StringBuilder();
        ReadDigits(digits);
        // A comma belongs to the number if exactly three digits follow, again and again.
        while (digits.Length is > 0 and < 400 && Current == ',' && IsThousands(_at + 1))
        {
            _at++;
            ReadDigits(digits);
        }
        int places = 0;
        if (Current == '.')
        {
            _at++;
            int before = digits.Length;
            ReadDigits(digits);
            places = digits.Length - before;
        }
        if (digits.Length is 0 or > 400)
        {
            return null;
        }
        int exponent = ReadExponent();
        var number = BigInteger.Parse(digits.ToString(), CultureInfo.InvariantCulture);
        var scale = BigInteger.Pow(10, Math.Abs(exponent - places));
        var value = exponent >= places ? Quantity.Fraction(number * scale, 1) : Quantity.Fraction(number, scale);
        return value is { } v ? new MathExpression.Number(v) : null;
    }

    private bool IsThousands(int at)
    {
        for (int i = 0; i < 3; i++)
        {
            if (at + i >= _text.Length || !char.IsAsciiDigit(_text[at + i]))
            {
                return false;
            }
        }
        return at + 3 >= _text.Length || !char.IsAsciiDigit(_text[at + 3]);
    }

    private void ReadDigits(StringBuilder digits)
    {
        while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
        {
            digits.Append(_text[_at++]);
        }
    }

    private int ReadExponent()
    {
        if (Current is not ('e' or 'E'))
        {
            return 0;
        }
        int at = _at + 1;
        bool signed = at < _text.Length && _text[at] is '+' or '-';
        int start = signed ? at + 1 : at;
        int end = start;
        while (end < _text.Length && end - start < 4 && char.IsAsciiDigit(_text[end]))
        {
            end++;
        }
        if (end == start || (end < _text.Length && char.IsLetterOrDigit(_text[end])))
        {
            return 0;
        }
        int exponent = int.Parse(_text.AsSpan(start, end - start), CultureInfo.InvariantCulture);
        _at = end;
        return signed && _text[at] == '-' ? -exponent : exponent;
    }

    private char Current => _at < _text.Length ? _text[_at] : '\0';

    private void SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
        {
            _at++;
        }
    }

    private bool Peek(char c)
    {
        SkipSpace();
        return Current == c;
    }

    private bool Take(char c)
    {
        bool there = Peek(c);
        _at += there ? 1 : 0;
        return there;
    }
}
