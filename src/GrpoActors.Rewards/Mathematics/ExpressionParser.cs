using System.Collections.Frozen;
using System.Globalization;
using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Reads numbers and formulas, written in LaTeX, plain text or a mix. By descent, one token ahead; what it cannot read gives null, and the cursor stays
/// anywhere.
/// </summary>
internal sealed class ExpressionParser
{
    private const int DepthMax = 60;

    private readonly TokenCursor _cursor;
    private readonly NumberParser _numbers;
    private int _depth;
    private int _absoluteDepth;

    public ExpressionParser(TokenCursor cursor)
    {
        _cursor = cursor;
        _numbers = new(cursor, Argument);
    }

    /// <summary>Money whose sign stood in front of the number; the caller takes it.</summary>
    public Unit? Currency { get; set; }

    public Expression? Sum()
    {
        Expression? sum = _cursor.Current.IsAnyOf("±∓") ? null : Product();
        if (sum is null && !_cursor.Current.IsAnyOf("±∓"))
        {
            return null;
        }

        while (_cursor.Current.IsAnyOf("+-±∓"))
        {
            char sign = _cursor.Current.Text[0];
            if (IsHyphen())
            {
                break;
            }

            _cursor.At++;
            if (Product() is not { } next)
            {
                return null;
            }

            sum = sign is '±' or '∓' ? new Expression.PlusMinus(sum, next, sign == '∓') : new Expression.Binary(sign, sum!, next);
        }

        return sum;
    }

    /// <summary>"5-year": the word is a unit.</summary>
    private bool IsHyphen() => _cursor.Current.Is('-') && !_cursor.Current.Blank && _cursor.Ahead(1) is { Kind: TokenKind.Word, Blank: false } word
        && !IsMathWord(word.Text) && word.Text.Length > 3;

    public Expression? Product()
    {
        Expression? product = Signed();
        while (product is not null)
        {
            if (_cursor.Current.IsAnyOf("*×") || (_cursor.Current.Is('/') && !IsUnit(_cursor.Ahead(1), product, _cursor.Ahead(2))))
            {
                char operation = _cursor.Current.Is('/') ? '/' : '*';
                if (_cursor.Current.Is('×') && product.Any(static part => part is Expression.Variable { Name: var name }
                    && name.StartsWith("vec ", StringComparison.Ordinal)))
                {
                    return null; // a cross product
                }

                _cursor.At++;
                product = Signed() is { } next ? new Expression.Binary(operation, product, next) : null;
            }
            else if (IsTimes(product))
            {
                _cursor.At++;
                product = Signed() is { } next ? new Expression.Binary('*', product, next) : null;
            }
            else if (StartsFactor(product))
            {
                product = Powered() is { } next ? new Expression.Binary('*', product, next) : null;
            }
            else
            {
                break;
            }
        }

        return product;
    }

    /// <summary><c>3.2 x 10^5</c>: a letter x between two numbers multiplies.</summary>
    private bool IsTimes(Expression left) =>
        _cursor.Current is { Kind: TokenKind.Letter, Text: "x" or "X" } x && left.Literal is not null && _cursor.Ahead(1) is { Kind: TokenKind.Number } next
        && ((x.Blank && next.Blank) || _cursor.Ahead(2).Is('^'));

    private bool StartsFactor(Expression left)
    {
        Token token = _cursor.Current;
        return token.Kind switch
        {
            TokenKind.Number => left is Expression.Function { Name: "!" } && !token.Blank, // 3!7!
            TokenKind.Letter => !IsUnit(token, left, _cursor.Ahead(1)),
            TokenKind.Word => IsMathWord(token.Text) || (IsProductOfLetters(token) && !IsUnit(token, left, _cursor.Ahead(1))),
            TokenKind.Command => !IsUnitQuotient(left) && token.Text is not ("over" or "choose" or "pmod" or "bmod" or "mod" or "to")
                && !token.Text.StartsWith("begin") && !token.Text.StartsWith("end"),
            TokenKind.Symbol => (token.IsAnyOf("({[√∛⌊⌈") && !(token.Is('(') && (IsUnitInBrackets(left) || IsRemark(left))))
                || (token.Is('|') && _absoluteDepth == 0),
            _ => false,
        };
    }

    /// <summary><c>9.8 \frac{\text{m}}{\text{s}^2}</c></summary>
    private bool IsUnitQuotient(Expression left) => left.Literal is not null && _cursor.Current.IsCommand("frac") && _cursor.Ahead(1).Is('{')
        && _cursor.Ahead(2) is { InText: true, Kind: TokenKind.Word or TokenKind.Letter };

    /// <summary><c>36 (sq. inches)</c></summary>
    private bool IsUnitInBrackets(Expression left) => !left.HasVariables
        && _cursor.Ahead(1) is { Kind: TokenKind.Word } word && !IsMathWord(word.Text)
            && (word.Text.Length > 3 || IsUnit(word, left, _cursor.Ahead(2)) || _cursor.Ahead(2).Is('.'));

    /// <summary><c>72 (48 + 24)</c> says how 72 came about.</summary>
    private bool IsRemark(Expression left) => left.Literal is not null && _cursor.Current.Blank && _cursor.Closing(_cursor.At) is var close and > 0
        && _cursor.Tokens[_cursor.At..close].TrueForAll(static token => token.Kind is TokenKind.Number or TokenKind.Symbol);

    private static readonly FrozenSet<string> FunctionNames = new[]
    {
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "ln", "lg", "log", "exp",
    }.ToFrozenSet();

    private static readonly FrozenSet<string> GreekWords =
        new[] { "alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "phi", "sigma", "omega" }.ToFrozenSet();

    public static bool IsMathWord(string word) => FunctionNames.Contains(word) || GreekWords.Contains(word)
        || word is "pi" or "Pi" or "PI" or "sqrt" or "cbrt" or "infinity" or "inf" or "oo" or "abs" or "floor" or "ceil" || (SplitFunction(word) is not null);

    /// <summary><c>sinx</c></summary>
    private static string? SplitFunction(string word) =>
        word.Length is >= 3 and <= 5 && word[..^1] is "sin" or "cos" or "tan" or "ln" or "log" && char.IsAsciiLetterLower(word[^1])
            && word[^1] is 'x' or 'y' or 't' or 'n' ? word[..^1] : null;

    /// <summary>A unit behind a number: a word that is no mathematics, or the letter of a measure apart from its number (5 m, not 5m).</summary>
    private static bool IsUnit(Token token, Expression left, Token next) => token.Kind switch
    {
        TokenKind.Letter => Unit.IsMeasure(token.Text) && !left.HasVariables
            && (token.InText || (token.Blank && (next.Kind == TokenKind.End || next.IsAnyOf("/.,;)=") || (left.Literal is not null
                && (next.Is('^') || (next.Blank && (next.Kind == TokenKind.Number || (next.Kind == TokenKind.Letter && Unit.IsMeasure(next.Text))))))))),
        TokenKind.Word => !IsMathWord(token.Text) && (token.InText || token.Text == "in" || Unit.IsMeasure(token.Text) || !IsProductOfLetters(token, next)),
        _ => false,
    };

    private bool IsProductOfLetters(Token token) => IsProductOfLetters(token, _cursor.Ahead(1));

    /// <summary><c>2xy</c>, <c>xy + 1</c>: letters that touch their number or stand beside an operator. "no" alone is a word.</summary>
    private static bool IsProductOfLetters(Token token, Token next) =>
        token is { Kind: TokenKind.Word, InText: false, Text.Length: <= 3 } && token.Text.All(char.IsAsciiLetter)
        && !NumberWords.IsNumber(token.Text) && !token.IsWord("and") && !token.IsWord("or") && !token.IsWord("is") && !token.IsWord("to")
            && !token.IsWord("not")
        && (!token.Blank || next.IsAnyOf("+-*×/^_=<>≤≥("));

    private Expression? Signed()
    {
        if (!_cursor.Current.IsAnyOf("+-"))
        {
            return Powered();
        }

        bool minus = _cursor.Current.Is('-');
        _cursor.At++;
        return Deeper(Signed) is not { } of ? null : minus ? new Expression.Negative(of) : of;
    }

    private Expression? Deeper(Func<Expression?> parse)
    {
        if (++_depth > DepthMax)
        {
            return null;
        }

        Expression? result = parse();
        _depth--;
        return result;
    }

    private Expression? Powered()
    {
        Expression? value = Deeper(Primary);
        while (value is not null)
        {
            if (_cursor.Current.Is('^') && !IsOrdinal())
            {
                _cursor.At++;
                value = Deeper(Exponent) is { } exponent ? new Expression.Binary('^', value, exponent) : null;
            }
            else if (_cursor.Current.Is('!') && !_cursor.Current.Blank)
            {
                _cursor.At++;
                value = _cursor.Current.Is('!') ? null : new Expression.Function("!", value);
            }
            else if (_cursor.Current.Is('%'))
            {
                _cursor.At++;
                value = new Expression.Percent(value);
            }
            else if (_cursor.Current.Is('°') && !(_cursor.Ahead(1) is { Kind: TokenKind.Letter, Text: "C" or "F" }))
            {
                _cursor.At++;
                value = new Expression.Degrees(value);
            }
            else
            {
                break;
            }
        }

        return value;
    }

    /// <summary><c>5^{th}</c></summary>
    private bool IsOrdinal() => (_cursor.Ahead(1).Is('{') ? _cursor.Ahead(2) : _cursor.Ahead(1)) is
    {
        Kind: TokenKind.Word,
        Text: "th" or "st" or "nd" or "rd"
    };

    private Expression? Exponent()
    {
        if (_cursor.Take('-'))
        {
            return Exponent() is { } of ? new Expression.Negative(of) : null;
        }

        Expression? value = Primary();
        return value is not null && _cursor.Take('^') ? Deeper(Exponent) is { } power ? new Expression.Binary('^', value, power) : null : value;
    }

    private Expression? Primary()
    {
        Token token = _cursor.Current;
        switch (token.Kind)
        {
            case TokenKind.Number: return _numbers.Read();
            case TokenKind.Letter: return Letter();
            case TokenKind.Word: return Word();
            case TokenKind.Command: return Command();
            case TokenKind.Symbol: break;
            default: return null;
        }

        _cursor.At++;
        switch (token.Text[0])
        {
            case '(': return Closed(Sum(), ')');
            case '[': return Closed(Sum(), ']');
            case '{': return Group();
            case '|':
                _absoluteDepth++;
                Expression? inner = Closed(Sum(), '|');
                _absoluteDepth--;
                return inner is null ? null : new Expression.Function("abs", inner);
            case '⌊': return Closed(Sum(), '⌋') is { } floor ? new Expression.Function("floor", floor) : null;
            case '⌈': return Closed(Sum(), '⌉') is { } ceiling ? new Expression.Function("ceil", ceiling) : null;
            case '√': return Primary() is { } root ? new Expression.Root(root, 2) : null;
            case '∛': return Primary() is { } cube ? new Expression.Root(cube, 3) : null;
            case '∞': return new Expression.Constant(Expression.Known.Infinity);
            case '$' or '€' or '£' or '¥' or '₹':
                Currency = Unit.Of(token.Text);
                return Deeper(Signed);
            default: return null;
        }
    }

    private Expression? Closed(Expression? inner, char close) => inner is not null && _cursor.Take(close) ? inner : null;

    /// <summary>Behind its opening brace.</summary>
    private Expression? Group() => Closed(Whole(), '}');

    /// <summary>A sum, or <c>1 \over 2</c>, <c>5 \choose 2</c>.</summary>
    public Expression? Whole()
    {
        if (Sum() is not { } inner)
        {
            return null;
        }

        if (_cursor.Current is { Kind: TokenKind.Command, Text: "over" or "choose" } infix)
        {
            _cursor.At++;
            inner = Sum() is not { } below ? null : infix.Text == "over" ? new Expression.Binary('/', inner, below)
                : new Expression.Function("binom", inner, below);
        }

        return inner;
    }

    private Expression? Letter()
    {
        string letter = _cursor.Current.Text;
        int at = _cursor.At;
        if (letter is "a" && NumberWords.Read(_cursor.Tokens, ref at) is { } words)
        {
            _cursor.At = at;
            return words;
        }

        _cursor.At++;
        bool decorated = _cursor.Current.Is('_') || _cursor.Current.Is('\'');
        if (!decorated)
        {
            switch (letter)
            {
                case "pi": return new Expression.Constant(Expression.Known.Pi);
                case "e": return new Expression.Constant(Expression.Known.E);
                case "i": return new Expression.Constant(Expression.Known.I);
                case "f" or "g" or "h" when _cursor.Current.Is('(') && !_cursor.Current.Blank:
                    _cursor.At++;
                    return Closed(Sum(), ')') is { } of ? new Expression.Function(letter, of) : null;
            }
        }

        return Decorated(letter);
    }

    /// <summary><c>x_1</c>, <c>a_{n+1}</c>, <c>y'</c>: a name of its own.</summary>
    private Expression? Decorated(string name)
    {
        while (_cursor.Current.IsAnyOf("_'"))
        {
            bool index = _cursor.Current.Is('_');
            _cursor.At++;
            if (!index)
            {
                name += "'";
                continue;
            }

            if (_cursor.Current.Is('{'))
            {
                int close = _cursor.Closing(_cursor.At);
                if (close < 0 || close == _cursor.At + 1)
                {
                    return null;
                }

                name += "_" + string.Concat(_cursor.Tokens[(_cursor.At + 1)..close].Select(token => token.Text));
                _cursor.At = close + 1;
            }
            else if (_cursor.Current.Kind is TokenKind.Number or TokenKind.Letter or TokenKind.Word)
            {
                name += "_" + _cursor.Current.Text;
                _cursor.At++;
            }
            else
            {
                return null;
            }
        }

        return _cursor.Current.Is('(') && name.Contains('\'') ? null : new Expression.Variable(name);
    }

    private Expression? Word()
    {
        Token token = _cursor.Current;
        int at = _cursor.At;
        if (NumberWords.Read(_cursor.Tokens, ref at) is { } number)
        {
            _cursor.At = at;
            return number;
        }

        if (token.Text is "minus" or "negative" or "Minus" or "Negative")
        {
            _cursor.At++;
            return Deeper(Powered) is { } of ? new Expression.Negative(of) : null;
        }

        if (Unit.Of(token.Text) is { Bases.IsEmpty: false } currency && currency.Bases.Keys.First() is "usd" or "eur" or "jpy" or "inr" or "cny"
            && token.Text is not ("dollars" or "euros" or "cents"))
        {
            _cursor.At += _cursor.Ahead(1).Is('.') ? 2 : 1;
            Currency = currency;
            return _cursor.Current.Kind == TokenKind.Number || _cursor.Current.Is('-') ? Deeper(Signed) : null;
        }

        _cursor.At++;
        switch (token.Text)
        {
            case "US" when _cursor.Current.Is('$'): return Primary();
            case "pi" or "Pi" or "PI": return new Expression.Constant(Expression.Known.Pi);
            case "infinity" or "inf" or "oo": return new Expression.Constant(Expression.Known.Infinity);
            case "sqrt": return Primary() is { } root ? new Expression.Root(root, 2) : null;
            case "cbrt": return Primary() is { } cube ? new Expression.Root(cube, 3) : null;
            case "abs" or "floor" or "ceil" when _cursor.Take('('): return Closed(Sum(), ')') is { } of ? new Expression.Function(token.Text, of) : null;
        }

        if (FunctionNames.Contains(token.Text))
        {
            return Function(token.Text);
        }

        if (GreekWords.Contains(token.Text))
        {
            return Decorated(token.Text);
        }

        if (SplitFunction(token.Text) is { } function)
        {
            _cursor.Tokens.Insert(_cursor.At, token with { Kind = TokenKind.Letter, Text = token.Text[^1..], Blank = false });
            _cursor.Tokens[_cursor.At - 1] = token with { Text = function };
            return Function(function);
        }

        _cursor.At--;
        bool operatorBefore = _cursor.At > 0 && _cursor.Ahead(-1).IsAnyOf("+-*×/^=<>≤≥({");
        if (!IsProductOfLetters(token) && !(operatorBefore && IsProductOfLetters(token with { Blank = false })))
        {
            return null;
        }

        return Letters(token);
    }

    /// <summary>Cuts <c>xy</c> into its letters, for good.</summary>
    private Expression? Letters(Token word)
    {
        _cursor.Tokens.RemoveAt(_cursor.At);
        for (int i = word.Text.Length - 1; i >= 0; i--)
        {
            _cursor.Tokens.Insert(_cursor.At, word with
            {
                Kind = TokenKind.Letter,
                Text = word.Text.Substring(i, 1),
                Blank = i == 0
                && word.Blank,
                Start = word.Start + i,
                End = word.Start + i + 1
            });
        }

        return Letter();
    }

    private Expression? Command()
    {
        string name = _cursor.Current.Text;
        _cursor.At++;
        switch (name)
        {
            case "frac":
                return Argument() is { } up && Argument() is { } down ? new Expression.Binary('/', up, down) : null;
            case "binom":
                return Argument() is { } n && Argument() is { } k ? new Expression.Function("binom", n, k) : null;
            case "sqrt":
                int degree = 2;
                if (_cursor.Take('['))
                {
                    if (_cursor.Current is not { Kind: TokenKind.Number } token
                        || !int.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out degree)
                        || degree is < 1 or > Quantity.RootMax)
                    {
                        return null;
                    }

                    _cursor.At++;
                    if (!_cursor.Take(']'))
                    {
                        return null;
                    }
                }

                return Argument() is { } of ? new Expression.Root(of, degree) : null;
            case "vec" or "hat" or "overline" or "tilde" or "widehat" or "overrightarrow" or "dot":
                return Accented(name);
            default:
                return FunctionNames.Contains(name) ? Function(name) : null;
        }
    }

    /// <summary><c>\vec{v}</c>: a name.</summary>
    private Expression? Accented(string accent)
    {
        bool braced = _cursor.Take('{');
        if (_cursor.Current.Kind is not (TokenKind.Letter or TokenKind.Word))
        {
            return null;
        }

        string name = $"{accent} {_cursor.Current.Text}";
        _cursor.At++;
        return braced && !_cursor.Take('}') ? null : Decorated(name);
    }

    /// <summary>LaTeX's argument: a group, or a single digit, letter or command.</summary>
    private Expression? Argument()
    {
        if (_cursor.Current.Kind == TokenKind.Number)
        {
            _cursor.CutDigit();
            return _cursor.Current.IsDigits ? _numbers.Digits() : null;
        }

        return _cursor.Current.Is('{') || _cursor.Current.Kind is TokenKind.Letter or TokenKind.Command ? Deeper(Primary) : null;
    }

    /// <summary>Behind its name: <c>\sin^2 x</c>, <c>\log_2 8</c>, <c>\sin^{-1}(x)</c>, <c>\ln 2x</c>.</summary>
    private Expression? Function(string name)
    {
        Expression? based = null, power = null;
        if (name == "log" && _cursor.Take('_'))
        {
            based = _cursor.Current.Kind == TokenKind.Number ? Argument() : Deeper(Primary);
            if (based is null)
            {
                return null;
            }
        }

        if (_cursor.Take('^') && (power = Deeper(Exponent)) is null)
        {
            return null;
        }

        if (power is Expression.Negative { Of: Expression.Number { Value: var one } } && one == Rational.One)
        {
            if (name is not ("sin" or "cos" or "tan"))
            {
                return null;
            }

            (name, power) = ("arc" + name, null);
        }

        if (Deeper(FunctionArgument) is not { } of)
        {
            return null;
        }

        Expression value = name switch
        {
            "log" or "lg" => new Expression.Function("log", based ?? Expression.Integer(10), of),
            "asin" or "acos" or "atan" => new Expression.Function("arc" + name[1..], of),
            _ => new Expression.Function(name, of),
        };
        return power is null ? value : new Expression.Binary('^', value, power);
    }

    /// <summary>Brackets, or all factors up to the next operator or function; <c>\sin x/2</c> can be read in two ways and is not read.</summary>
    private Expression? FunctionArgument()
    {
        if (_cursor.Take('('))
        {
            return Closed(Sum(), ')');
        }

        if (_cursor.Take('{'))
        {
            return Group();
        }

        bool negative = _cursor.Take('-');
        Expression? product = Powered();
        while (product is not null && StartsFactor(product) && !_cursor.Current.IsAnyOf("([") && !IsFunction(_cursor.Current)
            && !(product.HasVariables && _cursor.Current is { Kind: TokenKind.Letter, Text: "e" }))
        {
            product = Powered() is { } next ? new Expression.Binary('*', product, next) : null;
        }

        return product is null || _cursor.Current.Is('/') ? null : negative ? new Expression.Negative(product) : product;
    }

    private static bool IsFunction(Token token) => token.Kind is TokenKind.Command or TokenKind.Word
        && (FunctionNames.Contains(token.Text) || SplitFunction(token.Text) is not null);
}
