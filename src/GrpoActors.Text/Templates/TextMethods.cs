using System.Globalization;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>The methods of Python's str that a template can call.</summary>
internal static class TextMethods
{
    public static readonly HashSet<string> Names =
    [
        "capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "format", "index", "isalnum", "isalpha", "isascii",
        "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust",
        "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit",
        "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
    ];

    public static Value Call(Execution x, TextValue self, string name, Arguments arguments)
    {
        string text = self.Text;
        x.Work(text.Length);
        switch (name)
        {
            case "strip" or "lstrip" or "rstrip":
                string? set = Bind("chars")[0] switch { null or NoneValue => null, var v => Arguments.Str(x, name, v, "") };
                x.Search(text, set ?? "");
                return x.Text(PythonText.Strip(text, set, name != "rstrip", name != "lstrip"), self);
            case "upper": return Made(PythonText.Upper(text));
            case "lower": return Made(PythonText.Lower(text));
            case "casefold": return Made(PythonText.Lower(text).Replace("ß", "ss"));
            case "capitalize": return Made(PythonText.Capitalize(text));
            case "title": return Made(PythonText.TitleWords(text));
            case "swapcase": return Made(SwapCase(text));
            case "startswith" or "endswith": return StartsOrEnds(x, name, text, Bind("prefix", "start", "end"));
            case "removeprefix" or "removesuffix": return x.Text(WithoutEnd(name, text, Required("prefix")), self);
            case "replace": return Replace(x, self, arguments.Bind(x, "str.replace", 2, "old", "new", "count"));
            case "split" or "rsplit": return Split(x, self, name, Bind("sep", "maxsplit"));
            case "splitlines": return SplitLines(x, self, Arguments.True(Bind("keepends")[0]));
            case "partition" or "rpartition": return Partition(x, self, name, Required("sep"));
            case "join": return Join(x, self, arguments.Bind(x, "str.join", 1, "iterable")[0]!);
            case "find" or "rfind" or "index" or "rindex" or "count": return Find(x, name, text, arguments);
            case "center" or "ljust" or "rjust": return Justify(x, self, name, arguments.Bind(x, "str." + name, 1, "width", "fillchar"));
            case "zfill": return ZeroFill(x, self, Arguments.Int(x, name, arguments.Bind(x, "str.zfill", 1, "width")[0], 0));
            case "expandtabs": return ExpandTabs(x, self, Arguments.Int(x, name, Bind("tabsize")[0], 8));
            case "format": return Formatting.Braces(x, self, arguments);
            default:
                Bind();
                return BoolValue.Of(Is(name, text));
        }

        Value?[] Bind(params ReadOnlySpan<string> parameters) => arguments.Bind(x, "str." + name, 0, parameters);

        string Required(string parameter) => Arguments.Str(x, "str." + name, arguments.Bind(x, "str." + name, 1, parameter)[0], "");

        TextValue Made(string result)
        {
            Bind();
            return x.Text(result, self);
        }
    }

    private static string SwapCase(string text) => string.Concat(PythonText.CodePoints(text).Select(point =>
        point.ToLowerInvariant() != point ? PythonText.Lower(point) : PythonText.Upper(point)));

    private static BoolValue StartsOrEnds(Execution x, string name, string text, Value?[] bound)
    {
        if (bound[1] is not null || bound[2] is not null)
        {
            text = Between(x, name, text, bound[1], bound[2]).Text;
        }
        var wanted = bound[0] switch
        {
            TupleValue tuple => tuple.Items,
            TextValue one => [one],
            UndefinedValue u => throw x.TypeError($"{name} first arg must be str or a tuple of str, not {u.TypeName}"),
            var other => throw x.TypeError($"{name} first arg must be str or a tuple of str, not {other?.TypeName ?? "nothing"}"),
        };
        foreach (var value in wanted)
        {
            string end = Arguments.Str(x, name, value, "");
            x.Work(end.Length);
            if (name == "startswith" ? text.StartsWith(end, StringComparison.Ordinal) : text.EndsWith(end, StringComparison.Ordinal))
            {
                return BoolValue.True;
            }
        }
        return BoolValue.False;
    }

    private static (string Text, int FirstCodePoint) Between(Execution x, string name, string text, Value? start, Value? end)
    {
        int length = PythonText.Length(text);
        int from = At(Arguments.Int(x, name, start is NoneValue ? null : start, 0));
        int to = At(Arguments.Int(x, name, end is NoneValue ? null : end, length));
        if (from > to)
        {
            return ("", -1);
        }
        return (text[PythonText.OffsetOf(text, from)..PythonText.OffsetOf(text, to)], from);

        int At(int index) => Math.Min(index < 0 ? Math.Max(0, index + length) : index, length);
    }

    private static string WithoutEnd(string name, string text, string end)
    {
        bool isPrefix = name == "removeprefix";
        bool there = isPrefix ? text.StartsWith(end, StringComparison.Ordinal) : text.EndsWith(end, StringComparison.Ordinal);
        return !there ? text : isPrefix ? text[end.Length..] : text[..^end.Length];
    }

    private static TextValue Replace(Execution x, TextValue self, Value?[] bound)
    {
        string old = Arguments.Str(x, "str.replace", bound[0], "");
        var fresh = bound[1] as TextValue ?? throw x.TypeError($"replace() argument 2 must be str, not {bound[1]!.TypeName}");
        string with = (self.IsMarkup ? Operators.Escaped(x, fresh) : fresh).Text;
        return new TextValue(Replaced(x, self.Text, old, with, Arguments.Int(x, "str.replace", bound[2], -1)), self.IsMarkup);
    }

    /// <param name="x">The rendering.</param>
    /// <param name="text">Where to replace.</param>
    /// <param name="old">What goes; empty means before every code point and at the end.</param>
    /// <param name="with">What comes.</param>
    /// <param name="times">At most so often; negative for always.</param>
    public static string Replaced(Execution x, string text, string old, string with, int times)
    {
        x.Search(text, old);
        var result = new StringBuilder();
        int at = 0;
        for (int done = 0; times < 0 || done < times; done++)
        {
            int next = old.Length == 0 ? (done > text.Length ? -1 : at) : text.IndexOf(old, at, StringComparison.Ordinal);
            if (next < 0)
            {
                break;
            }
            x.Step();
            x.Allocate(with.Length);
            result.Append(text, at, next - at).Append(with);
            at = next + old.Length;
            if (old.Length == 0)
            {
                if (at >= text.Length)
                {
                    break;
                }
                int width = char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]) ? 2 : 1;
                result.Append(text, at, width);
                at += width;
            }
        }
        x.Allocate(text.Length - at);
        return result.Append(text, at, text.Length - at).ToString();
    }

    private static ListValue Split(Execution x, TextValue self, string name, Value?[] bound)
    {
        int most = Arguments.Int(x, name, bound[1], -1);
        var parts = new List<string>();
        if (bound[0] is null or NoneValue)
        {
            SplitAtSpace(x, self.Text, most, fromRight: name == "rsplit", parts);
        }
        else
        {
            string separator = Arguments.Str(x, name, bound[0], "");
            if (separator.Length == 0)
            {
                throw x.TypeError("empty separator");
            }
            x.Search(self.Text, separator);
            SplitAt(x, self.Text, separator, most, fromRight: name == "rsplit", parts);
        }
        x.Allocate(self.Text.Length);
        return new ListValue(x.List(parts.Select(p => (Value)new TextValue(p, self.IsMarkup))));
    }

    private static void SplitAt(Execution x, string text, string separator, int most, bool fromRight, List<string> parts)
    {
        int start = 0, end = text.Length;
        while (most < 0 || parts.Count < most)
        {
            x.AllocateItem();
            int at = fromRight
                ? text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal)
                : text.IndexOf(separator, start, StringComparison.Ordinal);
            if (at < 0)
            {
                break;
            }
            if (fromRight)
            {
                parts.Add(text[(at + separator.Length)..end]);
                end = at;
            }
            else
            {
                parts.Add(text[start..at]);
                start = at + separator.Length;
            }
        }
        parts.Add(text[start..end]);
        if (fromRight)
        {
            parts.Reverse();
        }
    }

    private static void SplitAtSpace(Execution x, string text, int most, bool fromRight, List<string> parts)
    {
        string rest = PythonText.Strip(text, null, left: !fromRight, right: fromRight);
        int start = 0, end = rest.Length;
        while (start < end)
        {
            x.AllocateItem();
            if (most >= 0 && parts.Count >= most)
            {
                parts.Add(rest[start..end]); // what is left keeps its blanks at the far end
                break;
            }
            int at = fromRight ? end - 1 : start;
            while (at >= start && at < end && !PythonText.IsSpace(rest[at]))
            {
                at += fromRight ? -1 : 1;
            }
            parts.Add(fromRight ? rest[(at + 1)..end] : rest[start..at]);
            while (at >= start && at < end && PythonText.IsSpace(rest[at]))
            {
                at += fromRight ? -1 : 1;
            }
            (start, end) = fromRight ? (start, at + 1) : (at, end);
        }
        if (fromRight)
        {
            parts.Reverse();
        }
    }

    private static ListValue SplitLines(Execution x, TextValue self, bool keepEnds)
    {
        string text = self.Text;
        var lines = new List<Value>();
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && text[end] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029'))
            {
                end++;
            }
            int next = Math.Min(text.Length, end + (end + 1 < text.Length && text[end] == '\r' && text[end + 1] == '\n' ? 2 : 1));
            x.AllocateItem();
            lines.Add(x.Text(text[start..(keepEnds ? next : end)], self));
            start = next;
        }
        return new ListValue(lines);
    }

    private static TupleValue Partition(Execution x, TextValue self, string name, string separator)
    {
        if (separator.Length == 0)
        {
            throw x.TypeError("empty separator");
        }
        string text = self.Text;
        x.Search(text, separator);
        x.Allocate(text.Length);
        bool first = name == "partition";
        int at = first ? text.IndexOf(separator, StringComparison.Ordinal) : text.LastIndexOf(separator, StringComparison.Ordinal);
        string[] parts = at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]] : first ? [text, "", ""] : ["", "", text];
        return new TupleValue([.. parts.Select(p => new TextValue(p, self.IsMarkup))]);
    }

    private static TextValue Join(Execution x, TextValue self, Value items)
    {
        var result = new StringBuilder();
        int i = 0;
        foreach (var item in Operators.Items(x, items, _ => "can only join an iterable"))
        {
            x.Step();
            if (item is not TextValue && !self.IsMarkup)
            {
                throw x.TypeError($"sequence item {i}: expected str instance, {item.TypeName} found");
            }
            var part = item as TextValue ?? new TextValue(Representation.Str(x, item));
            part = self.IsMarkup ? Operators.Escaped(x, part) : part;
            x.Allocate(part.Text.Length + (i > 0 ? self.Text.Length : 0));
            result.Append(i > 0 ? self.Text : "").Append(part.Text);
            i++;
        }
        return new TextValue(result.ToString(), self.IsMarkup);
    }

    private static IntValue Find(Execution x, string name, string text, Arguments arguments)
    {
        var bound = arguments.Bind(x, "str." + name, 1, "sub", "start", "end");
        string wanted = Arguments.Str(x, name, bound[0], "");
        x.Search(text, wanted);
        var (part, first) = Between(x, name, text, bound[1], bound[2]);
        if (name == "count")
        {
            return new IntValue(first < 0 ? 0 : wanted.Length == 0 ? PythonText.Length(part) + 1 : part.AsSpan().Count(wanted));
        }
        int at = first < 0 ? -1 : name[0] == 'r' ? part.LastIndexOf(wanted, StringComparison.Ordinal) : part.IndexOf(wanted, StringComparison.Ordinal);
        if (at < 0 && name.EndsWith("index", StringComparison.Ordinal))
        {
            throw x.TypeError("substring not found");
        }
        return new IntValue(at < 0 ? -1 : first + PythonText.CodePointOf(part, at));
    }

    private static TextValue Justify(Execution x, TextValue self, string name, Value?[] bound)
    {
        int width = Arguments.Int(x, name, bound[0], 0);
        string fill = Arguments.Str(x, name, bound[1], " ");
        if (PythonText.Length(fill) != 1)
        {
            throw x.TypeError("The fill character must be exactly one character long");
        }
        return new TextValue(Padded(x, self.Text, width, fill, name switch { "ljust" => '<', "rjust" => '>', _ => '^' }), self.IsMarkup);
    }

    /// <param name="x">The rendering.</param>
    /// <param name="text">What to pad.</param>
    /// <param name="width">In code points.</param>
    /// <param name="fill">One code point.</param>
    /// <param name="align"><c>&lt;</c>, <c>&gt;</c>; <c>^</c> as <c>str.center</c> (an odd blank goes left only for an odd width) and <c>=</c> as <c>format</c> centres.</param>
    public static string Padded(Execution x, string text, int width, string fill, char align)
    {
        int missing = Math.Max(0, width - PythonText.Length(text));
        x.Allocate(text.Length + 2L * missing);
        int left = align switch
        {
            '<' => 0,
            '>' => missing,
            '^' => missing / 2 + (missing & width & 1),
            _ => missing / 2,
        };
        return string.Concat(Enumerable.Repeat(fill, left)) + text + string.Concat(Enumerable.Repeat(fill, missing - left));
    }

    private static TextValue ZeroFill(Execution x, TextValue self, int width)
    {
        string sign = self.Text.Length > 0 && self.Text[0] is '+' or '-' ? self.Text[..1] : "";
        return new TextValue(sign + Padded(x, self.Text[sign.Length..], width - sign.Length, "0", '>'), self.IsMarkup);
    }

    private static TextValue ExpandTabs(Execution x, TextValue self, int size)
    {
        var result = new StringBuilder();
        int column = 0;
        foreach (string point in PythonText.CodePoints(self.Text))
        {
            if (point == "\t")
            {
                int blanks = size > 0 ? size - column % size : 0;
                x.Allocate(blanks);
                result.Append(' ', blanks);
                column += blanks;
                continue;
            }
            result.Append(point);
            column = point[0] is '\n' or '\r' ? 0 : column + 1;
        }
        return x.Text(result.ToString(), self);
    }

    private static bool Is(string name, string text)
    {
        bool any = text.Length > 0;
        switch (name)
        {
            case "isascii": return Ascii.IsValid(text);
            case "isspace": return any && PythonText.IsBlank(text);
            case "islower": return text.ToLowerInvariant() == text && HasCase(text);
            case "isupper": return text.ToUpperInvariant() == text && HasCase(text);
            case "istitle": return PythonText.TitleWords(text) == text && HasCase(text);
            case "isprintable": return PythonText.CodePoints(text).All(PythonText.IsPrintable);
            case "isidentifier":
                return any && (char.IsLetter(text[0]) || text[0] == '_') && text.All(c => char.IsLetterOrDigit(c) || c == '_');
            default: return any && PythonText.CodePoints(text).All(p => IsKind(name, p));
        }
    }

    private static bool HasCase(string text) => text.ToLowerInvariant() != text || text.ToUpperInvariant() != text;

    private static bool IsKind(string name, string point)
    {
        var category = point.Length == 2
            ? CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(point, 0))
            : CharUnicodeInfo.GetUnicodeCategory(point[0]);
        bool isLetter = category <= UnicodeCategory.OtherLetter;
        bool isDecimal = category == UnicodeCategory.DecimalDigitNumber;
        bool isNumber = isDecimal || CharUnicodeInfo.GetNumericValue(point, 0) >= 0;
        bool isDigit = isDecimal || CharUnicodeInfo.GetDigitValue(point, 0) >= 0;
        return name switch
        {
            "isalpha" => isLetter,
            "isdecimal" => isDecimal,
            "isdigit" => isDigit,
            "isnumeric" => isNumber,
            _ => isLetter || isNumber,
        };
    }
}
