using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Cuts a normalised text (<see cref="Spelling"/>) into tokens. White space and LaTeX dressing go: <c>\left</c>, <c>\,</c>, <c>$...$</c>, founts, colours,
/// <c>\text{}</c>'s braces (its words are marked). Signs, points, separators and brackets all stay.
/// </summary>
/// <remarks>Linear in the text's length.</remarks>
internal sealed class Lexer
{
    public const int LengthMax = 4_000;

    private const int TokensMax = 1_500;

    private enum Brace
    {
        Group,
        Text,
        Dropped,
    }

    private readonly string _text;
    private readonly List<Token> _tokens = [];
    private readonly Stack<Brace> _braces = new();
    private int _at;
    private bool _blank;
    private int _textDepth;
    private int _mathCloses = -1;
    private bool _noneCloses;
    private int _aligned;

    private Lexer(string text) => _text = text;

    /// <param name="text">Normalised.</param>
    /// <returns>Null if the text is too long to be read.</returns>
    public static List<Token>? Tokens(string text)
    {
        if (text.Length > LengthMax)
        {
            return null;
        }

        var lexer = new Lexer(text);
        while (lexer._at < text.Length && lexer._tokens.Count <= TokensMax)
        {
            lexer.Next();
        }

        return lexer._tokens.Count > TokensMax ? null : lexer._tokens;
    }

    private char Current => Ahead(0);

    private char Ahead(int by) => _at + by < _text.Length ? _text[_at + by] : '\0';

    private bool Follows(string what) => string.CompareOrdinal(_text, _at, what, 0, what.Length) == 0;

    private void Add(TokenKind kind, string text, int start)
    {
        _tokens.Add(new(kind, text, _blank || _tokens.Count == 0, _textDepth > 0, start, _at));
        _blank = false;
    }

    private void Symbol(char symbol, int length)
    {
        int start = _at;
        _at += length;
        Add(TokenKind.Symbol, OneCharacter(symbol), start);
    }

    private static string OneCharacter(char c) => c < 0x80 ? Ascii[c] : c.ToString();

    private static readonly string[] Ascii = [.. Enumerable.Range(0, 0x80).Select(c => ((char)c).ToString())];

    private void Next()
    {
        char c = Current;
        if (char.IsWhiteSpace(c) || c == '`')
        {
            _blank = true;
            _at++;
        }
        else if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(Ahead(1)) && !IsDigitBefore()))
        {
            int start = _at;
            var scanner = new NumberScanner(_text, _at);
            (TokenKind kind, string number) = scanner.Read();
            _at = scanner.At;
            Add(kind, number, start);
        }
        else if (char.IsLetter(c) || char.IsSurrogate(c))
        {
            Letters();
        }
        else
        {
            switch (c)
            {
                case '\\': Backslash(); break;
                case '{' when Follows("{\\rm"):
                    Open(Brace.Text); // {\rm km}
                    break;
                case '{': Open(Brace.Group); break;
                case '}': Close(); break;
                case '$': Dollar(); break;
                case '&' when _aligned > 0:
                    _at++;
                    break;
                case '*': Stars(); break;
                case '~': Tilde(); break;
                case '<' when Ahead(1) == '=': Symbol('≤', 2); break;
                case '>' when Ahead(1) == '=': Symbol('≥', 2); break;
                case '=' when Ahead(1) == '=': Symbol('=', 2); break;
                case '=' when Ahead(1) == '<': Symbol('≤', 2); break;
                case '!' when Ahead(1) == '=' && (_blank || !IsFactorialBefore()): Symbol('≠', 2); break;
                case '+' when Follows("+/-"): Symbol('±', 3); break;
                case '.' when Follows("..."):
                    Symbol('…', 3);
                    while (Current == '.')
                    {
                        _at++;
                    }

                    break;
                case '^' when DegreesLength() is var length and > 0: Symbol('°', length); break;
                default: Symbol(c, 1); break;
            }
        }
    }

    private bool IsDigitBefore() => _at > 0 && char.IsAsciiDigit(_text[_at - 1]);

    /// <summary><c>5!=120</c> says that 5! is 120.</summary>
    private bool IsFactorialBefore() => _tokens.Count > 0 && (_tokens[^1].Kind == TokenKind.Number || _tokens[^1].Is(')'));

    /// <summary><c>^\circ</c>, <c>^{\circ}</c>, <c>^o</c>.</summary>
    private int DegreesLength() => Follows("^\\circ") ? 6 : Follows("^{\\circ}") ? 8 : Follows("^{o}") ? 4 : Follows("^\\degree") ? 8
        : Follows("^{\\degree}") ? 10 : 0;

    private void Open(Brace kind)
    {
        _braces.Push(kind);
        switch (kind)
        {
            case Brace.Group:
                Symbol('{', 1);
                return;
            case Brace.Text:
                _textDepth++;
                _blank = true;
                break;
        }

        _at++;
    }

    private void Close()
    {
        switch (_braces.Count > 0 ? _braces.Pop() : Brace.Group)
        {
            case Brace.Group:
                Symbol('}', 1);
                return;
            case Brace.Text:
                _textDepth--;
                _blank = true;
                break;
        }

        _at++;
    }

    /// <summary>
    /// A dollar sign opens mathematics under Pandoc's rule (no blank behind it; a closing one with no blank in front and no digit behind); else it is money.
    /// </summary>
    private void Dollar()
    {
        if (Ahead(1) == '$')
        {
            _blank = true;
            _at += 2;
            return;
        }

        if (_at == _mathCloses)
        {
            _at++;
            return;
        }

        int close = _noneCloses || char.IsWhiteSpace(Ahead(1)) ? -1 : _text.IndexOf('$', _at + 1);
        while (close > 0 && (_text[close - 1] == '\\' || char.IsWhiteSpace(_text[close - 1])
            || (close + 1 < _text.Length && char.IsAsciiDigit(_text[close + 1]))))
        {
            close = _text.IndexOf('$', close + 1);
        }

        if (close < 0)
        {
            _noneCloses |= !char.IsWhiteSpace(Ahead(1)); // so none does further on
            Symbol('$', 1);
            return;
        }

        _mathCloses = close;
        _at++;
    }

    /// <summary><c>2**3</c> is a power, <c>**72**</c> emphasis.</summary>
    private void Stars()
    {
        if (Ahead(1) != '*')
        {
            Symbol('*', 1);
            return;
        }

        bool power = _tokens.Count > 0 && (_tokens[^1].Kind is TokenKind.Number or TokenKind.Letter || _tokens[^1].Is(')')) && !_blank
            && (char.IsLetterOrDigit(Ahead(2)) || Ahead(2) is '(' or '-');
        if (power)
        {
            Symbol('^', 2);
            return;
        }

        _blank = true;
        _at += 2;
    }

    /// <summary><c>~7</c> is about 7; elsewhere a blank of LaTeX's.</summary>
    private void Tilde()
    {
        if ((_blank || _tokens.Count == 0) && _text.IndexOf('~', _at + 1) < 0 && (char.IsAsciiDigit(Ahead(1)) || Ahead(1) is '$' or '-'))
        {
            Symbol('≈', 1);
            return;
        }

        _blank = true;
        _at++;
    }

    private void Letters()
    {
        int start = _at;
        char c = Current;
        int greek = LatexCommands.GreekLetters.IndexOf(c);
        if (greek >= 0 || c is 'π' or 'ℝ')
        {
            _at++;
            Add(c == 'ℝ' ? TokenKind.Symbol : TokenKind.Letter, c == 'π' ? "pi" : c == 'ℝ' ? "ℝ" : LatexCommands.GreekNames[greek], start);
            return;
        }

        if (c is 'a' or 'A' or 'p' or 'P' && Ahead(1) == '.' && Ahead(2) is 'm' or 'M' && !char.IsLetter(Ahead(3)))
        {
            _at += Ahead(3) == '.' ? 4 : 3;
            Add(TokenKind.Word, c is 'a' or 'A' ? "am" : "pm", start);
            return;
        }

        while (IsWordCharacter(Current) || (Current == '\'' && _at - start > 1 && char.IsAsciiLetter(Ahead(1))))
        {
            _at++;
        }

        string word = _text[start.._at];
        if (word.Length > 1 || !char.IsAscii(word[0]))
        {
            Add(TokenKind.Word, word, start);
            return;
        }

        Add(TokenKind.Letter, OneCharacter(word[0]), start);
    }

    private static bool IsWordCharacter(char c) => char.IsAscii(c) ? char.IsAsciiLetter(c) : char.IsLetter(c) && !LatexCommands.GreekLetters.Contains(c)
        && c is not ('π' or 'ℝ') || char.IsSurrogate(c);

    private void Backslash()
    {
        char c = Ahead(1);
        if (!char.IsAsciiLetter(c))
        {
            Escape(c);
            return;
        }

        int start = _at++;
        while (char.IsAsciiLetter(Current))
        {
            _at++;
        }

        string name = _text[(start + 1).._at];
        int after = _at;
        _at = start;
        if (LatexCommands.Symbols.TryGetValue(name, out char symbol))
        {
            Symbol(symbol, after - start);
            return;
        }

        _at = after;
        if (name == "pi" || LatexCommands.Greek.Contains(name))
        {
            Add(TokenKind.Letter, name, start);
        }
        else if (name == "Pi")
        {
            Add(TokenKind.Command, name, start);
        }
        else if (LatexCommands.Dressing.Contains(name))
        {
            Undress(name);
        }
        else if (LatexCommands.TextCommands.Contains(name))
        {
            OpenText(roman: false);
        }
        else if (LatexCommands.RomanCommands.Contains(name))
        {
            OpenText(roman: true);
        }
        else if (name is "mathbb" or "Bbb")
        {
            Blackboard(start);
        }
        else if (name is "begin" or "end")
        {
            Environment(name, start);
        }
        else
        {
            Add(TokenKind.Command, name is "dfrac" or "tfrac" or "cfrac" ? "frac" : name is "dbinom" or "tbinom" ? "binom" : name is "overline" or "bar"
                ? "overline" : name, start);
        }
    }

    private void Escape(char c)
    {
        switch (c)
        {
            case '{': Symbol('⦃', 2); break;
            case '}': Symbol('⦄', 2); break;
            case '$' or '%' or '#' or '&' or '_' or '|': Symbol(c, 2); break;
            case '\\' when _aligned > 0: AlignedRow(); break;
            case '\\': Symbol('⏎', 2); break;
            case '!':
                _at += 2;
                SkipBlanks();
                break;
            case '\0':
                _at++; // what is left of "\ " at the end
                break;
            case ',' or ';' or ':' or ' ' or '(' or ')' or '[' or ']' or '>' or '/' or '\n' or '\t' or '\r':
                _blank = true;
                _at += 2;
                break;
            default: Symbol('\\', 1); break;
        }
    }

    /// <summary>A row of <c>align</c> goes on with the chain of the one above, or is a further item.</summary>
    private void AlignedRow()
    {
        int row = _at, next = _at + 2;
        while (next < _text.Length && (char.IsWhiteSpace(_text[next]) || _text[next] == '&'))
        {
            next++;
        }

        bool ends = next >= _text.Length || string.CompareOrdinal(_text, next, "\\end", 0, 4) == 0;
        if (!ends && !"=<>≤≥≈".Contains(_text[next]))
        {
            Symbol(',', 2);
        }

        _at = row + 2;
        _blank = true;
    }

    private void Undress(string name)
    {
        if (name is "left" or "right" && Current == '.')
        {
            _at++;
        }

        if (name is "quad" or "qquad" or "space" or "enspace")
        {
            _blank = true;
        }

        if (LatexCommands.TakesDroppedArgument.Contains(name))
        {
            SkipBlanks();
            SkipGroup();
        }
    }

    private void SkipBlanks()
    {
        while (char.IsWhiteSpace(Current))
        {
            _at++;
        }
    }

    private void SkipGroup()
    {
        if (Current != '{')
        {
            return;
        }

        int depth = 0;
        do
        {
            depth += Current == '{' ? 1 : Current == '}' ? -1 : 0;
            _at++;
        }
        while (depth > 0 && _at < _text.Length);
    }

    /// <param name="roman">A single roman letter is the mathematics that it looks like: \mathrm{e}.</param>
    private void OpenText(bool roman)
    {
        if (Current == '*')
        {
            _at++; // \operatorname*
        }

        SkipBlanks();
        if (Current != '{')
        {
            return;
        }

        Open(roman && Ahead(2) == '}' ? Brace.Dropped : Brace.Text);
    }

    private void Blackboard(int start)
    {
        SkipBlanks();
        bool braced = Current == '{';
        char c = braced ? Ahead(1) : Current;
        _at += braced ? Ahead(2) == '}' ? 3 : 2 : 1;
        _at = Math.Min(_at, _text.Length);
        Add(c == 'R' ? TokenKind.Symbol : TokenKind.Command, c == 'R' ? "ℝ" : $"mathbb {c}", start);
    }

    private void Environment(string name, int start)
    {
        SkipBlanks();
        int open = _at;
        SkipGroup();
        string which = _at > open + 2 ? _text[(open + 1)..(_at - 1)].Trim() : "";
        if (LatexCommands.DroppedEnvironments.Contains(which))
        {
            _aligned += name == "begin" ? 1 : -1;
            _blank = true;
            return;
        }

        if (name == "begin" && which is "array" or "tabular")
        {
            SkipBlanks();
            SkipGroup(); // columns
        }

        Add(TokenKind.Command, $"{name} {which}", start);
    }
}
