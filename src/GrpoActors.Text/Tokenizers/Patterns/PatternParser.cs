using System.Globalization;

namespace GrpoActors.Text;

/// <summary>Reads the regular expressions of published tokenizers, in Oniguruma's dialect as Hugging Face's library uses it.</summary>
/// <remarks>Left out, and refused by name: back-references, conditionals, <c>\R</c>, <c>\X</c>, <c>\K</c>, absent operators, recursion, <c>[:alpha:]</c> (.NET has no table of it), scripts other than
/// those of <see cref="UnicodeProperty"/>.</remarks>
internal sealed class PatternParser
{
    // Repeats of groups are unrolled, so their product is bounded.
    private const int MaxRepeat = 1000;
    private const int MaxDepth = 100;

    private readonly string _source;
    private int _at;
    private int _depth;

    private PatternParser(string source) => _source = source;

    /// <exception cref="FormatException">What is not supported or not closed, and at which character.</exception>
    public static PatternNode Parse(string source)
    {
        var parser = new PatternParser(source);
        var node = parser.Choice(ignoreCase: false);
        return parser._at == source.Length ? node : throw parser.Wrong("a ')' without '('");
    }

    private PatternNode Choice(bool ignoreCase)
    {
        if (++_depth > MaxDepth)
        {
            throw Wrong($"more than {MaxDepth} groups inside each other");
        }

        var alternatives = new List<PatternNode> { Sequence(ref ignoreCase) };
        while (Take('|'))
        {
            alternatives.Add(Sequence(ref ignoreCase));
        }

        _depth--;
        return alternatives.Count == 1 ? alternatives[0] : new PatternNode.Choice(alternatives);
    }

    private PatternNode Sequence(ref bool ignoreCase)
    {
        var parts = new List<PatternNode>();
        while (_at < _source.Length && _source[_at] is not ('|' or ')'))
        {
            if (TakeInlineFlags(ref ignoreCase))
            {
                continue;
            }

            parts.Add(Quantified(Atom(ignoreCase)));
        }

        return parts.Count == 1 ? parts[0] : new PatternNode.Sequence(parts);
    }

    private PatternNode Quantified(PatternNode atom)
    {
        while (_at < _source.Length)
        {
            int from = _at;
            bool braces = false;
            (int Min, int Max)? times = _source[_at] switch
            {
                '*' => (0, int.MaxValue),
                '+' => (1, int.MaxValue),
                '?' => (0, 1),
                '{' => Braces(out braces),
                _ => null,
            };
            if (times is not { } count)
            {
                return atom;
            }

            _at += braces ? 0 : 1;
            var kind = Take('?') ? Repetition.Lazy : !braces && Take('+') ? Repetition.Possessive : Repetition.Greedy;
            if (count.Max == int.MaxValue && atom.IsNullable)
            {
                throw WrongAt(from, "an endless repeat of something that can match nothing");
            }

            atom = new PatternNode.Repeat(atom, count.Min, count.Max, kind);
        }

        return atom;
    }

    // "{2}", "{2,}", "{2,5}", "{,5}"; anything else is a literal brace and leaves the place unchanged.
    private (int Min, int Max)? Braces(out bool braces)
    {
        braces = true;
        int close = _source.IndexOf('}', _at);
        if (close < 0)
        {
            return null;
        }

        var parts = _source[(_at + 1)..close].Split(',');
        bool wellFormed = parts.Length <= 2 && parts.All(part => part.All(char.IsAsciiDigit)) && parts.Any(part => part.Length > 0);
        if (!wellFormed)
        {
            return null;
        }

        int min = Count(parts[0], 0);
        int max = parts.Length == 1 ? min : Count(parts[1], int.MaxValue);
        if (max < min)
        {
            throw Wrong($"a repeat of at least {min} and at most {max}");
        }

        _at = close + 1;
        return (min, max);
    }

    private int Count(string digits, int absent)
    {
        if (digits.Length == 0)
        {
            return absent;
        }

        return digits.Length <= 4 && int.Parse(digits) <= MaxRepeat ? int.Parse(digits) : throw Wrong($"a repeat count above {MaxRepeat}");
    }

    private PatternNode Atom(bool ignoreCase)
    {
        switch (_source[_at])
        {
            case '(':
                return Group(ignoreCase);
            case '[':
                _at++;
                return One(Class(ignoreCase), ignoreCase);
            case '.':
                _at++;
                return new PatternNode.One(CodePointSet.Range('\n', '\n').Complement());
            case '^':
                _at++;
                return new PatternNode.Anchor(AnchorKind.LineStart);
            case '$':
                _at++;
                return new PatternNode.Anchor(AnchorKind.LineEnd);
            case '*' or '+' or '?':
                throw Wrong("a repeat of nothing");
            case '\\':
                return EscapedAnchor() ?? One(Escape(), ignoreCase);
            default:
                return One(Literal(), ignoreCase);
        }
    }

    private static PatternNode One(CodePointSet set, bool ignoreCase) => new PatternNode.One(ignoreCase ? set.IgnoringCase() : set);

    private CodePointSet Literal()
    {
        int c = CodePoints.At(_source, _at, out int units);
        _at += units;
        return CodePointSet.Range(c, c);
    }

    private PatternNode? EscapedAnchor()
    {
        AnchorKind? kind = (_at + 1 < _source.Length ? _source[_at + 1] : '\0') switch
        {
            'A' => AnchorKind.TextStart,
            'z' => AnchorKind.TextEnd,
            'Z' => AnchorKind.TextEndOrFinalNewline,
            'b' => AnchorKind.WordBoundary,
            'B' => AnchorKind.NoWordBoundary,
            _ => null,
        };
        if (kind is not { } anchor)
        {
            return null;
        }

        _at += 2;
        return new PatternNode.Anchor(anchor);
    }

    // (?i) and (?i-...) hold to the end of the group.
    private bool TakeInlineFlags(ref bool ignoreCase)
    {
        foreach (var (flags, value) in new[] { ("(?i)", true), ("(?-i)", false) })
        {
            if (string.CompareOrdinal(_source, _at, flags, 0, flags.Length) == 0)
            {
                _at += flags.Length;
                ignoreCase = value;
                return true;
            }
        }

        return false;
    }

    private PatternNode Group(bool ignoreCase)
    {
        int from = _at++;
        PatternNode node;
        if (TakeAny("?:"))
        {
            node = Choice(ignoreCase);
        }
        else if (TakeAny("?i:") || TakeAny("?-i:"))
        {
            node = Choice(ignoreCase: _source[_at - 2] == 'i' && _source[_at - 3] == '?');
        }
        else if (TakeAny("?>"))
        {
            node = new PatternNode.Atomic(Choice(ignoreCase));
        }
        else if (TakeAny("?=") || TakeAny("?!"))
        {
            bool negative = _source[_at - 1] == '!';
            node = new PatternNode.Look(Choice(ignoreCase), negative, Behind: false, 0);
        }
        else if (TakeAny("?<=") || TakeAny("?<!"))
        {
            bool negative = _source[_at - 1] == '!';
            var body = Choice(ignoreCase);
            node = new PatternNode.Look(body, negative, Behind: true, Width(body) ?? throw WrongAt(from, "a look-behind of varying width"));
        }
        else if (_at < _source.Length && _source[_at] == '?')
        {
            node = NamedGroup(from, ignoreCase);
        }
        else
        {
            node = Choice(ignoreCase);
        }

        return Take(')') ? node : throw WrongAt(from, "a '(' that is never closed");
    }

    // "(?<name>...)": the name does not matter, nothing here refers back.
    private PatternNode NamedGroup(int from, bool ignoreCase)
    {
        int close = _source.IndexOf('>', _at);
        if (!TakeAny("?<") || close < 0 || !_source[_at..close].All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
        {
            throw WrongAt(from, $"a group '{_source[from..Math.Min(from + 4, _source.Length)]}', which is not supported");
        }

        _at = close + 1;
        return Choice(ignoreCase);
    }

    private static int? Width(PatternNode node) => node switch
    {
        PatternNode.One => 1,
        PatternNode.Sequence sequence => sequence.Parts.Aggregate((int?)0, (sum, part) => sum + Width(part)),
        PatternNode.Choice choice => choice.Alternatives.Select(Width).Distinct().Count() == 1 ? Width(choice.Alternatives[0]) : null,
        PatternNode.Repeat repeat when repeat.Min == repeat.Max => Width(repeat.Body) * repeat.Min,
        PatternNode.Atomic atomic => Width(atomic.Body),
        PatternNode.Anchor or PatternNode.Look => 0,
        _ => null,
    };

    // After '['; nested classes unite, && intersects.
    private CodePointSet Class(bool ignoreCase)
    {
        int from = _at - 1;
        if (++_depth > MaxDepth)
        {
            throw Wrong($"more than {MaxDepth} classes inside each other");
        }

        bool negative = Take('^');
        var set = CodePointSet.Empty;
        CodePointSet? left = null;
        for (bool first = true; ; first = false)
        {
            if (_at >= _source.Length)
            {
                throw WrongAt(from, "a '[' that is never closed");
            }

            if (!first && Take(']'))
            {
                break;
            }

            if (TakeAny("&&"))
            {
                left = left is null ? set : left.Intersect(set);
                set = CodePointSet.Empty;
                continue;
            }

            set = set.Union(ClassItem(ignoreCase));
        }

        _depth--;
        set = left is null ? set : left.Intersect(set);
        set = ignoreCase ? set.IgnoringCase() : set;
        return negative ? set.Complement() : set;
    }

    private CodePointSet ClassItem(bool ignoreCase)
    {
        if (TakeAny("[:"))
        {
            int close = _source.IndexOf(":]", _at, StringComparison.Ordinal);
            if (close < 0)
            {
                throw Wrong("a '[:' that is never closed");
            }

            string name = _source[_at..close];
            _at = close + 2;
            var posix = UnicodeProperty.FindPosix(name.TrimStart('^')) ?? throw Wrong($"the class '[:{name}:]', which is not supported");
            return name.StartsWith('^') ? posix.Complement() : posix;
        }

        if (Take('['))
        {
            return Class(ignoreCase);
        }

        var (low, set) = ClassMember();
        bool range = low is not null && _at + 1 < _source.Length && _source[_at] == '-' && _source[_at + 1] is not (']' or '[');
        if (!range)
        {
            return set;
        }

        int from = _at++;
        var (high, _) = ClassMember();
        return high >= low ? CodePointSet.Range(low!.Value, high.Value) : throw WrongAt(from, "a range that ends before it begins");
    }

    private (int? Single, CodePointSet Set) ClassMember()
    {
        if (_source[_at] != '\\')
        {
            int c = CodePoints.At(_source, _at, out int units);
            _at += units;
            return (c, CodePointSet.Range(c, c));
        }

        if (_at + 1 < _source.Length && _source[_at + 1] == 'b')
        {
            _at += 2;
            return ('\b', CodePointSet.Range('\b', '\b'));
        }

        int? single = SingleEscape();
        return single is { } code ? (code, CodePointSet.Range(code, code)) : (null, Escape());
    }

    private CodePointSet Escape()
    {
        if (SingleEscape() is { } single)
        {
            return CodePointSet.Range(single, single);
        }

        int from = _at++;
        char letter = _at < _source.Length ? _source[_at++] : throw WrongAt(from, "a '\\' at the end");
        return letter switch
        {
            'd' => UnicodeProperty.Digit,
            'D' => UnicodeProperty.Digit.Complement(),
            's' => CodePointSet.WhiteSpace,
            'S' => CodePointSet.WhiteSpace.Complement(),
            'w' => UnicodeProperty.Word,
            'W' => UnicodeProperty.Word.Complement(),
            'h' => Property("Xdigit"),
            'H' => Property("Xdigit").Complement(),
            'p' => BracedProperty(from),
            'P' => BracedProperty(from).Complement(),
            _ => throw WrongAt(from, $"'\\{letter}', which is not supported"),
        };
    }

    private CodePointSet BracedProperty(int from)
    {
        int close = _source.IndexOf('}', _at);
        if (!Take('{') || close < 0)
        {
            throw WrongAt(from, "a property without braces, as in \\p{L}");
        }

        string name = _source[_at..close];
        var set = name.StartsWith('^') ? Property(name[1..]).Complement() : Property(name);
        _at = close + 1;
        return set;
    }

    private CodePointSet Property(string name) => UnicodeProperty.Find(name)
        ?? throw Wrong($"the property '{name}', which is not supported; supported are the general categories, Han, Hiragana, Katakana, Hangul, Space, Word, Any");

    // An escape that stands for one code point; null (and no move) for the others.
    private int? SingleEscape()
    {
        char letter = _at + 1 < _source.Length ? _source[_at + 1] : '\0';
        int? control = letter switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'f' => '\f', 'v' => '\v', 'a' => '\a', 'e' => 0x1B, _ => null };
        if (control is null && letter is 'x' or 'u')
        {
            return HexEscape(letter);
        }

        if (control is null && (letter == '\0' || char.IsAsciiLetterOrDigit(letter)))
        {
            return null;
        }

        _at++;
        int c = control ?? CodePoints.At(_source, _at, out _);
        _at += c > 0xFFFF ? 2 : 1;
        return c;
    }

    private int HexEscape(char letter)
    {
        int from = _at;
        _at += 2;
        int close = letter == 'x' && _at < _source.Length && _source[_at] == '{' ? _source.IndexOf('}', _at) : -1;
        string digits = close >= 0
            ? _source[(_at + 1)..close]
            : _source[_at..Math.Min(_at + (letter == 'x' ? 2 : 4), _source.Length)];
        if (!int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code) || (uint)code > 0x10FFFF)
        {
            throw WrongAt(from, "an escape that is no code point");
        }

        _at = close >= 0 ? close + 1 : _at + digits.Length;
        return code;
    }

    private bool Take(char c)
    {
        bool there = _at < _source.Length && _source[_at] == c;
        _at += there ? 1 : 0;
        return there;
    }

    private bool TakeAny(string text)
    {
        bool there = string.CompareOrdinal(_source, _at, text, 0, text.Length) == 0;
        _at += there ? text.Length : 0;
        return there;
    }

    private FormatException Wrong(string what) => WrongAt(_at, what);

    private FormatException WrongAt(int at, string what) => new($"the pattern {Shortened(_source)} has {what}, at character {at + 1}");

    private static string Shortened(string source) => source.Length <= 60 ? source : source[..57] + "...";
}
