using System.Globalization;
using System.Numerics;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>
/// Cuts a template into tokens under the rules that chat templates are written for: <c>trim_blocks</c> (the newline after a block or a
/// comment goes) and <c>lstrip_blocks</c> (blanks between the start of a line and a block or a comment go); <c>-</c> takes all white
/// space on its side, <c>+</c> keeps it.
/// </summary>
internal sealed class Lexer
{
    private readonly Source _source;
    private readonly string _text;
    private readonly List<Token> _tokens = [];
    private int _at;
    private bool _lineStarting = true;

    private Lexer(Source source)
    {
        _source = source;
        _text = source.Text;
    }

    public static List<Token> Tokens(Source source)
    {
        var lexer = new Lexer(source);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_at < _text.Length)
        {
            int tag = NextTag(_at);
            if (tag < 0)
            {
                AddData(_text[_at..], _at);
                break;
            }
            char kind = _text[tag + 1];
            int raw = kind == '%' ? RawBegin(tag) : -1;
            char sign = tag + 2 < _text.Length && _text[tag + 2] is '-' or '+' ? _text[tag + 2] : '\0';
            AddData(Stripped(_text[_at..tag], sign, strips: kind != '{'), _at);
            _at = tag + (sign == '\0' ? 2 : 3);
            _lineStarting = false;
            if (raw >= 0)
            {
                _at = raw;
                ReadRaw(tag);
            }
            else if (kind == '#')
            {
                ReadComment(tag);
            }
            else
            {
                ReadTag(tag, kind == '{');
            }
        }
        _tokens.Add(new Token(TokenKind.End, "", _text.Length));
    }

    private int NextTag(int from)
    {
        while (true)
        {
            int brace = _text.IndexOf('{', from);
            if (brace < 0 || brace + 1 >= _text.Length)
            {
                return -1;
            }
            if (_text[brace + 1] is '{' or '%' or '#')
            {
                return brace;
            }
            from = brace + 1;
        }
    }

    private void AddData(string data, int at)
    {
        if (data.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, data, at));
        }
    }

    private string Stripped(string data, char sign, bool strips)
    {
        if (sign == '-')
        {
            return PythonText.RightStrip(data);
        }
        if (sign == '+' || !strips)
        {
            return data;
        }
        int line = data.LastIndexOf('\n') + 1;
        bool starts = line > 0 || _lineStarting;
        return starts && PythonText.IsBlank(data.AsSpan(line)) ? data[..line] : data;
    }

    /// <summary>The offset behind <c>{% raw %}</c>, or -1 if the tag at <paramref name="tag"/> is another.</summary>
    private int RawBegin(int tag)
    {
        int at = tag + 2;
        if (at < _text.Length && _text[at] is '-' or '+')
        {
            at++;
        }
        at = PastBlanks(at);
        if (!Follows(at, "raw"))
        {
            return -1;
        }
        at = PastBlanks(at + 3);
        return Follows(at, "-%}") ? PastBlanks(at + 3) : Follows(at, "%}") ? at + 2 : -1;
    }

    private void ReadRaw(int tag)
    {
        for (int from = _at; ; from++)
        {
            from = _text.IndexOf("{%", from, StringComparison.Ordinal);
            if (from < 0)
            {
                throw _source.SyntaxError("Missing end of raw directive.", tag);
            }
            char sign = from + 2 < _text.Length && _text[from + 2] is '-' or '+' ? _text[from + 2] : '\0';
            int at = PastBlanks(from + (sign == '\0' ? 2 : 3));
            if (!Follows(at, "endraw"))
            {
                continue;
            }
            at = PastBlanks(at + 6);
            int end = BlockEnd(at);
            if (end < 0)
            {
                continue;
            }
            AddData(Stripped(_text[_at..from], sign, strips: true), _at);
            MoveTo(end);
            return;
        }
    }

    private void ReadComment(int tag)
    {
        int end = _text.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw _source.SyntaxError("Missing end of comment tag.", tag);
        }
        char sign = end > _at ? _text[end - 1] : '\0';
        int after = end + 2;
        MoveTo(sign switch
        {
            '-' => PastBlanks(after),
            '+' => after,
            _ => PastNewline(after),
        });
    }

    private void ReadTag(int tag, bool output)
    {
        _tokens.Add(new Token(output ? TokenKind.OutputBegin : TokenKind.BlockBegin, "", tag));
        var open = new Stack<char>();
        while (true)
        {
            _at = PastBlanks(_at);
            if (_at >= _text.Length)
            {
                throw _source.SyntaxError($"Unexpected end of template: the {(output ? "{{" : "{%")} here is never closed.", tag);
            }
            if (open.Count == 0)
            {
                int end = output ? OutputEnd(_at) : BlockEnd(_at);
                if (end >= 0)
                {
                    _tokens.Add(new Token(output ? TokenKind.OutputEnd : TokenKind.BlockEnd, "", _at));
                    MoveTo(end);
                    return;
                }
            }
            ReadToken(open);
        }
    }

    /// <summary>The offset behind the end of a block that stands at <paramref name="at"/>, or -1.</summary>
    private int BlockEnd(int at) =>
        Follows(at, "+%}") ? at + 3 : Follows(at, "-%}") ? PastBlanks(at + 3) : Follows(at, "%}") ? PastNewline(at + 2) : -1;

    private int OutputEnd(int at) => Follows(at, "-}}") ? PastBlanks(at + 3) : Follows(at, "}}") ? at + 2 : -1;

    private void MoveTo(int end)
    {
        _lineStarting = end > 0 && _text[end - 1] == '\n';
        _at = end;
    }

    private bool Follows(int at, string what) => string.CompareOrdinal(_text, at, what, 0, what.Length) == 0;

    private int PastBlanks(int at)
    {
        while (at < _text.Length && PythonText.IsSpace(_text[at]))
        {
            at++;
        }
        return at;
    }

    private int PastNewline(int at) => at < _text.Length && _text[at] == '\n' ? at + 1 : at;

    private void ReadToken(Stack<char> open)
    {
        char c = _text[_at];
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (c == '_' || char.IsLetter(c))
        {
            int start = _at;
            while (_at < _text.Length && (_text[_at] == '_' || char.IsLetterOrDigit(_text[_at])))
            {
                _at++;
            }
            _tokens.Add(new Token(TokenKind.Name, _text[start.._at], start));
        }
        else if (c is '\'' or '"')
        {
            ReadText(c);
        }
        else
        {
            ReadOperator(open);
        }
    }

    private static readonly string[] Pairs = ["//", "**", "==", "!=", ">=", "<="];

    private void ReadOperator(Stack<char> open)
    {
        string? pair = Array.Find(Pairs, p => Follows(_at, p));
        char c = _text[_at];
        if (pair is null && !"+-/*%~[](){}><=.:|,;".Contains(c))
        {
            throw _source.SyntaxError($"Unexpected character {PythonText.Repr(c.ToString())}.", _at);
        }
        if (c is '(' or '[' or '{')
        {
            open.Push(c == '(' ? ')' : c == '[' ? ']' : '}');
        }
        else if (c is ')' or ']' or '}' && (!open.TryPop(out char expected) || expected != c))
        {
            throw _source.SyntaxError($"Unexpected '{c}': it closes nothing that was opened.", _at);
        }
        string text = pair ?? c.ToString();
        _tokens.Add(new Token(TokenKind.Operator, text, _at));
        _at += text.Length;
    }

    private void ReadNumber()
    {
        int start = _at;
        if (_text[_at] == '0' && _at + 2 < _text.Length && char.ToLowerInvariant(_text[_at + 1]) is 'x' or 'o' or 'b')
        {
            int radix = char.ToLowerInvariant(_text[_at + 1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
            if (DigitOf(_text[_at + 2]) < radix)
            {
                ReadRadix(start, radix);
                return;
            }
        }
        PastDigits();
        bool isFloat = false;
        // "1.real" is no float: a digit must follow the dot; and "x.0.1" indexes twice.
        bool afterDot = start > 0 && _text[start - 1] == '.';
        if (!afterDot && _at + 1 < _text.Length && _text[_at] == '.' && char.IsAsciiDigit(_text[_at + 1]))
        {
            _at++;
            PastDigits();
            isFloat = true;
        }
        if (!afterDot && _at < _text.Length && _text[_at] is 'e' or 'E')
        {
            int digits = _at + 1 < _text.Length && _text[_at + 1] is '+' or '-' ? _at + 2 : _at + 1;
            if (digits < _text.Length && char.IsAsciiDigit(_text[digits]))
            {
                _at = digits;
                PastDigits();
                isFloat = true;
            }
        }
        string text = _text[start.._at].Replace("_", "", StringComparison.Ordinal);
        if (isFloat)
        {
            double value = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            _tokens.Add(new Token(TokenKind.Float, text, start, Float: value));
            return;
        }
        if (text[0] == '0' && text.AsSpan().ContainsAnyExcept('0'))
        {
            throw _source.SyntaxError($"An integer cannot start with 0, as {text} does.", start);
        }
        if (text.Length > IntValue.DigitsMax)
        {
            throw _source.SyntaxError($"An integer of {text.Length} digits is too long; {IntValue.DigitsMax} are allowed.", start);
        }
        _tokens.Add(new Token(TokenKind.Integer, text, start, Integer: BigInteger.Parse(text, CultureInfo.InvariantCulture)));
    }

    private void ReadRadix(int start, int radix)
    {
        _at += 2;
        var value = BigInteger.Zero;
        while (_at < _text.Length && (DigitOf(_text[_at]) < radix || _text[_at] == '_'))
        {
            if (_text[_at] != '_')
            {
                value = value * radix + DigitOf(_text[_at]);
            }
            if (++_at - start > IntValue.DigitsMax)
            {
                throw _source.SyntaxError($"An integer of more than {IntValue.DigitsMax} digits is too long.", start);
            }
        }
        _tokens.Add(new Token(TokenKind.Integer, _text[start.._at], start, Integer: value));
    }

    private static int DigitOf(char c) => char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : int.MaxValue;

    private void PastDigits()
    {
        while (_at < _text.Length
            && (char.IsAsciiDigit(_text[_at]) || (_text[_at] == '_' && _at + 1 < _text.Length && char.IsAsciiDigit(_text[_at + 1]))))
        {
            _at++;
        }
    }

    private void ReadText(char quote)
    {
        int start = _at++;
        var text = new StringBuilder();
        while (true)
        {
            if (_at >= _text.Length)
            {
                throw _source.SyntaxError($"The string that opens here is never closed by {quote}.", start);
            }
            char c = _text[_at++];
            if (c == quote)
            {
                break;
            }
            if (c == '\\' && _at < _text.Length)
            {
                ReadEscape(text);
            }
            else
            {
                text.Append(c);
            }
        }
        _tokens.Add(new Token(TokenKind.Text, text.ToString(), start));
    }

    private void ReadEscape(StringBuilder text)
    {
        char c = _text[_at++];
        switch (c)
        {
            case '\n': break;
            case 'n': text.Append('\n'); break;
            case 't': text.Append('\t'); break;
            case 'r': text.Append('\r'); break;
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'v': text.Append('\v'); break;
            case '\\' or '\'' or '"': text.Append(c); break;
            case 'x': AppendHex(text, 2); break;
            case 'u': AppendHex(text, 4); break;
            case 'U': AppendHex(text, 8); break;
            case 'N': throw _source.SyntaxError("Escapes by name (\\N{...}) are not supported; write \\u and four digits.", _at - 2);
            case >= '0' and <= '7': AppendOctal(text, c); break;
            default: text.Append('\\').Append(c); break;
        }
    }

    private void AppendOctal(StringBuilder text, char first)
    {
        int value = first - '0';
        for (int more = 0; more < 2 && _at < _text.Length && _text[_at] is >= '0' and <= '7'; more++)
        {
            value = value * 8 + (_text[_at++] - '0');
        }
        text.Append((char)value);
    }

    private void AppendHex(StringBuilder text, int digits)
    {
        if (_at + digits > _text.Length
            || !int.TryParse(_text.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || value is < 0 or > 0x10FFFF)
        {
            throw _source.SyntaxError($"This escape needs {digits} hexadecimal digits of a Unicode character.", _at - 2);
        }
        _at += digits;
        // Half of a surrogate pair stays as it is: Python's strings hold those too.
        text.Append(value < 0x10000 ? ((char)value).ToString() : char.ConvertFromUtf32(value));
    }
}
