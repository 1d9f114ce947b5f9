using System.Globalization;
using System.Numerics;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>
/// Jinja's built-in filters. Left out: <c>random</c> (a rendering is a function of its input), <c>urlize</c>, <c>xmlattr</c>,
/// <c>striptags</c>, <c>pprint</c>, <c>wordwrap</c>, <c>filesizeformat</c>, which no published chat template uses; naming one is an error.
/// </summary>
internal static class Filters
{
    private delegate Value Filter(Execution x, Value value, Arguments arguments);

    private static readonly Dictionary<string, Filter> ByName = new()
    {
        ["abs"] = (x, v, a) => Operators.AsNumber(v) is { } n
            ? n.IsFloat ? new FloatValue(Math.Abs(n.Real)) : new IntValue(BigInteger.Abs(n.Whole))
            : throw (v is UndefinedValue u ? x.Undefined(u) : x.TypeError($"bad operand type for abs(): '{v.TypeName}'")),
        ["attr"] = (x, v, a) => Access.OwnAttribute(x, v, Representation.Str(x, Bind(x, "attr", a, 1, "name")[0]!)),
        ["batch"] = (x, v, a) => Batch(x, v, Bind(x, "batch", a, 1, "linecount", "fill_with")),
        ["capitalize"] = (x, v, a) => OfText(x, "capitalize", v, a, PythonText.Capitalize),
        ["center"] = Center,
        ["count"] = Length,
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = (x, v, a) => DictSort(x, v, Bind(x, "dictsort", a, 0, "case_sensitive", "by", "reverse")),
        ["e"] = (x, v, a) => Operators.Escaped(x, Soft(x, v)),
        ["escape"] = (x, v, a) => Operators.Escaped(x, Soft(x, v)),
        ["first"] = (x, v, a) => Operators.Items(x, v).FirstOrDefault() ?? new UndefinedValue("No first item, sequence was empty."),
        ["float"] = (x, v, a) => ToFloat(x, v) is { } f ? new FloatValue(f) : Bind(x, "float", a, 0, "default")[0] ?? new FloatValue(0),
        ["forceescape"] = (x, v, a) => Operators.Escaped(x, new TextValue(Representation.Str(x, v))),
        ["format"] = Format,
        ["groupby"] = (x, v, a) => GroupBy(x, v, Bind(x, "groupby", a, 1, "attribute", "default", "case_sensitive")),
        ["indent"] = (x, v, a) => Indent(x, v, Bind(x, "indent", a, 0, "width", "first", "blank")),
        ["int"] = (x, v, a) => ToInt(x, v, Bind(x, "int", a, 0, "default", "base")),
        ["items"] = (x, v, a) => new IteratorValue(x, v, v switch
        {
            UndefinedValue => [],
            DictValue d => new DictViewValue("items", d).Items,
            _ => throw x.TypeError("Can only get item pairs from a mapping."),
        }),
        ["join"] = (x, v, a) => Join(x, v, Bind(x, "join", a, 0, "d", "attribute")),
        ["last"] = (x, v, a) => Reversed(x, v).FirstOrDefault() ?? new UndefinedValue("No last item, sequence was empty."),
        ["length"] = Length,
        ["list"] = (x, v, a) => new ListValue(x.List(Operators.Items(x, v))),
        ["lower"] = (x, v, a) => OfText(x, "lower", v, a, PythonText.Lower),
        ["map"] = (x, v, a) => new IteratorValue(x, v, v.IsTrue ? Operators.Items(x, v).Select(Mapped(x, a)) : []),
        ["max"] = (x, v, a) => Extreme(x, v, Bind(x, "max", a, 0, "case_sensitive", "attribute"), ">"),
        ["min"] = (x, v, a) => Extreme(x, v, Bind(x, "min", a, 0, "case_sensitive", "attribute"), "<"),
        ["reject"] = (x, v, a) => Chosen(x, v, a, byAttribute: false, wanted: false),
        ["rejectattr"] = (x, v, a) => Chosen(x, v, a, byAttribute: true, wanted: false),
        ["replace"] = (x, v, a) => Replace(x, v, Bind(x, "replace", a, 2, "old", "new", "count")),
        ["reverse"] = (x, v, a) => v is TextValue t
            ? Access.Slice(x, t, null, null, new IntValue(-1))
            : new IteratorValue(x, v, Reversed(x, v)),
        ["round"] = (x, v, a) => Round(x, v, Bind(x, "round", a, 0, "precision", "method")),
        ["safe"] = (x, v, a) => new TextValue(Representation.Str(x, v), markup: true),
        ["select"] = (x, v, a) => Chosen(x, v, a, byAttribute: false, wanted: true),
        ["selectattr"] = (x, v, a) => Chosen(x, v, a, byAttribute: true, wanted: true),
        ["slice"] = (x, v, a) => Slices(x, v, Bind(x, "slice", a, 1, "slices", "fill_with")),
        ["sort"] = (x, v, a) => Sort(x, v, Bind(x, "sort", a, 0, "reverse", "case_sensitive", "attribute")),
        ["string"] = (x, v, a) => Soft(x, v),
        ["sum"] = (x, v, a) => Sum(x, v, Bind(x, "sum", a, 0, "attribute", "start")),
        ["title"] = (x, v, a) => OfText(x, "title", v, a, Title),
        ["tojson"] = PythonJson.Filter,
        ["trim"] = (x, v, a) => TextMethods.Call(x, Soft(x, v), "strip", new Arguments([Bind(x, "trim", a, 0, "chars")[0] ?? NoneValue.Instance], [])),
        ["truncate"] = (x, v, a) => Truncate(x, v, Bind(x, "truncate", a, 0, "length", "killwords", "end", "leeway")),
        ["unique"] = (x, v, a) => new IteratorValue(x, v, Unique(x, v, Bind(x, "unique", a, 0, "case_sensitive", "attribute"))),
        ["upper"] = (x, v, a) => OfText(x, "upper", v, a, PythonText.Upper),
        ["urlencode"] = (x, v, a) => UrlEncode(x, v),
        ["wordcount"] = (x, v, a) => new IntValue(Words(Soft(x, v).Text)),
    };

    public static bool Exists(string name) => ByName.ContainsKey(name);

    public static Value Apply(Execution x, string name, Value value, Arguments arguments) =>
        ByName.TryGetValue(name, out var filter)
            ? filter(x, value, arguments)
            : throw x.TypeError($"No filter named '{name}'.");

    private static Value?[] Bind(Execution x, string name, Arguments arguments, int required, params ReadOnlySpan<string> parameters) =>
        arguments.Bind(x, $"filter '{name}'", required, parameters);

    /// <summary>markupsafe's <c>soft_str</c>: text as it is, anything else as its str.</summary>
    private static TextValue Soft(Execution x, Value value) => value as TextValue ?? new TextValue(Representation.Str(x, value));

    private static TextValue OfText(Execution x, string name, Value value, Arguments arguments, Func<string, string> change)
    {
        Bind(x, name, arguments, 0);
        var text = Soft(x, value);
        return x.Text(change(text.Text), text);
    }

    private static Value Default(Execution x, Value value, Arguments arguments)
    {
        var bound = Bind(x, "default", arguments, 0, "default_value", "boolean");
        return value is UndefinedValue || (Arguments.True(bound[1]) && !value.IsTrue) ? bound[0] ?? TextValue.Empty : value;
    }

    private static IntValue Length(Execution x, Value value, Arguments arguments)
    {
        Bind(x, "length", arguments, 0);
        return new IntValue(Operators.Length(x, value) ?? throw x.TypeError($"object of type '{value.TypeName}' has no len()"));
    }

    private static TextValue Center(Execution x, Value value, Arguments arguments)
    {
        var text = Soft(x, value);
        int width = Arguments.Int(x, "center", Bind(x, "center", arguments, 0, "width")[0], 80);
        return new TextValue(TextMethods.Padded(x, text.Text, width, " ", '^'), text.IsMarkup);
    }

    private static TextValue Format(Execution x, Value value, Arguments arguments)
    {
        if (arguments.Named.Count > 0 && arguments.Positional.Count > 0)
        {
            throw x.TypeError("can't handle positional and keyword arguments at the same time");
        }
        if (arguments.Named.Count == 0)
        {
            return Formatting.Percent(x, Soft(x, value), new TupleValue(arguments.Positional));
        }
        var mapping = new DictValue();
        foreach (var (name, named) in arguments.Named)
        {
            mapping.Set(name, named);
        }
        return Formatting.Percent(x, Soft(x, value), mapping);
    }

    private static ListValue DictSort(Execution x, Value value, Value?[] bound)
    {
        string by = bound[1] is null ? "key" : Arguments.Str(x, "filter 'dictsort'", bound[1], "");
        if (by is not ("key" or "value"))
        {
            throw x.TypeError("You can only sort by either \"key\" or \"value\"");
        }
        var items = Operators.Items(x, Access.Attribute(x, value, "items") is CallableValue call
            ? call.Call(x, Arguments.None)
            : throw x.TypeError($"'{value.TypeName}' object has no attribute 'items'"));
        bool sensitive = Arguments.True(bound[0]);
        return new ListValue(Sorting.Sorted(x, x.List(items),
            pair => Folded(((TupleValue)pair).Items[by == "key" ? 0 : 1], sensitive), Arguments.True(bound[2])));
    }

    private static Value Folded(Value value, bool caseSensitive) =>
        !caseSensitive && value is TextValue t ? new TextValue(PythonText.Lower(t.Text)) : value;

    private static ListValue Sort(Execution x, Value value, Value?[] bound)
    {
        bool sensitive = Arguments.True(bound[1]);
        var getters = bound[2] switch
        {
            null or NoneValue => [Getter(x, null, null)],
            TextValue t => t.Text.Split(',').Select(n => Getter(x, new TextValue(n), null)).ToArray(),
            var other => [Getter(x, other, null)],
        };
        var items = x.List(Operators.Items(x, value));
        return new ListValue(Sorting.Sorted(x, items, KeyOf, Arguments.True(bound[0])));

        Value KeyOf(Value item) => getters.Length == 1
            ? Folded(getters[0](item), sensitive)
            : new TupleValue([.. getters.Select(g => Folded(g(item), sensitive))]);
    }

    /// <summary>Jinja's <c>attribute=</c>: a dotted path of keys, of which the numeric are indices; null for the item itself.</summary>
    private static Func<Value, Value> Getter(Execution x, Value? attribute, Value? otherwise)
    {
        if (attribute is null or NoneValue)
        {
            return item => item;
        }
        Value[] path = attribute is TextValue text
            ? [.. text.Text.Split('.').Select(Part)]
            : [attribute];
        return item =>
        {
            foreach (var part in path)
            {
                x.Step();
                item = Access.Item(x, item, part);
                item = item is UndefinedValue && otherwise is not null ? otherwise : item;
            }
            return item;
        };

        static Value Part(string part) => part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit)
            ? new IntValue(int.Parse(part, CultureInfo.InvariantCulture))
            : new TextValue(part);
    }

    private static Func<Value, Value> Mapped(Execution x, Arguments arguments)
    {
        if (arguments.Positional.Count == 0)
        {
            var bound = arguments.Bind(x, "filter 'map'", 0, "attribute", "default");
            return Getter(x, bound[0] ?? throw x.TypeError("map requires a filter argument"), bound[1]);
        }
        string name = Arguments.Str(x, "filter 'map'", arguments.Positional[0], "");
        var rest = arguments.Skip(1);
        return item =>
        {
            x.Step();
            return Apply(x, name, item, rest);
        };
    }

    private static IteratorValue Chosen(Execution x, Value value, Arguments arguments, bool byAttribute, bool wanted)
    {
        if (!value.IsTrue)
        {
            return new IteratorValue(x, value, []); // as in Jinja, whatever it is: none, false, undefined
        }
        int used = byAttribute ? 1 : 0;
        if (arguments.Positional.Count < used)
        {
            throw x.TypeError("Missing parameter for attribute name");
        }
        var getter = Getter(x, byAttribute ? arguments.Positional[0] : null, null);
        string? test = arguments.Positional.Count > used ? Arguments.Str(x, "a filter's test", arguments.Positional[used], "") : null;
        var rest = arguments.Skip(used + 1);
        return new IteratorValue(x, value, Operators.Items(x, value).Where(item =>
        {
            x.Step();
            var subject = getter(item);
            return (test is null ? subject.IsTrue : Tests.Apply(x, test, subject, rest)) == wanted;
        }));
    }

    private static IEnumerable<Value> Unique(Execution x, Value value, Value?[] bound)
    {
        var getter = Getter(x, bound[1], null);
        var seen = new HashSet<object>();
        foreach (var item in Operators.Items(x, value))
        {
            x.AllocateItem();
            var key = Folded(getter(item), Arguments.True(bound[0]));
            if (seen.Add(DictValue.KeyOf(key) ?? throw x.TypeError($"unhashable type: '{key.TypeName}'")))
            {
                yield return item;
            }
        }
    }

    private static ListValue GroupBy(Execution x, Value value, Value?[] bound)
    {
        bool sensitive = Arguments.True(bound[2]);
        var getter = Getter(x, bound[0], bound[1]);
        var items = Sorting.Sorted(x, x.List(Operators.Items(x, value)), i => Folded(getter(i), sensitive), descending: false);
        var groups = new List<Value>();
        for (int i = 0; i < items.Count;)
        {
            int start = i;
            var key = getter(items[start]);
            while (i < items.Count && Operators.Equal(x, Folded(getter(items[i]), sensitive), Folded(key, sensitive)))
            {
                x.Step();
                i++;
            }
            i = Math.Max(i, start + 1); // NaN equals nothing, itself included
            groups.Add(new GroupValue(key, new ListValue(items.GetRange(start, i - start))));
        }
        return new ListValue(groups);
    }

    private static Value Extreme(Execution x, Value value, Value?[] bound, string op)
    {
        var getter = Getter(x, bound[1], null);
        bool sensitive = Arguments.True(bound[0]);
        Value? best = null;
        foreach (var item in Operators.Items(x, value))
        {
            x.Step();
            if (best is null || Operators.Ordered(x, op, Folded(getter(item), sensitive), Folded(getter(best), sensitive)))
            {
                best = item;
            }
        }
        return best ?? new UndefinedValue("No aggregated item, sequence was empty.");
    }

    private static TextValue Join(Execution x, Value value, Value?[] bound)
    {
        var getter = Getter(x, bound[1], null);
        string separator = bound[0] is null ? "" : Representation.Str(x, bound[0]!);
        var result = new Output(x);
        bool first = true;
        foreach (var item in Operators.Items(x, value))
        {
            x.Step();
            result.Write(first ? "" : separator);
            result.Write(getter(item));
            first = false;
        }
        return result.ToValue();
    }

    private static IEnumerable<Value> Reversed(Execution x, Value value) => value switch
    {
        SequenceValue or DictValue or DictViewValue or RangeValue or TextValue => Enumerable.Reverse(x.List(Operators.Items(x, value))),
        UndefinedValue u => u.Kind == TemplateErrorKind.Undefined ? [] : throw x.Undefined(u),
        _ => throw x.TypeError($"'{value.TypeName}' object is not reversible"),
    };

    private static TextValue Replace(Execution x, Value value, Value?[] bound)
    {
        int count = bound[2] is null or NoneValue ? -1 : Arguments.Int(x, "filter 'replace'", bound[2], -1);
        string text = Representation.Str(x, value), old = Representation.Str(x, bound[0]!), with = Representation.Str(x, bound[1]!);
        return new TextValue(TextMethods.Replaced(x, text, old, with, count));
    }

    private static Value Round(Execution x, Value value, Value?[] bound)
    {
        int precision = Arguments.Int(x, "filter 'round'", bound[0], 0);
        string method = bound[1] is null ? "common" : Arguments.Str(x, "filter 'round'", bound[1], "");
        if (method is not ("common" or "ceil" or "floor"))
        {
            throw x.TypeError("method must be common, ceil or floor");
        }
        if (value is UndefinedValue u)
        {
            throw x.Undefined(u);
        }
        if (Math.Abs(precision) > 300 || Operators.AsNumber(value) is not { } number)
        {
            throw x.TypeError($"type {value.TypeName} cannot be rounded to {precision} places");
        }
        if (method == "common")
        {
            return Rounded(x, number, precision);
        }
        double scale = Math.Pow(10, precision);
        double scaled = Operators.Real(x, number) * scale;
        return new FloatValue((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale);
    }

    private static Value Rounded(Execution x, Operators.Number number, int precision)
    {
        if (!number.IsFloat && precision >= 0)
        {
            return new IntValue(number.Whole);
        }
        var unit = BigInteger.Pow(10, Math.Max(0, -precision));
        if (precision < 0)
        {
            var whole = number.IsFloat ? new BigInteger(Math.Round(number.Real)) : number.Whole;
            var half = BigInteger.Remainder(BigInteger.Abs(whole), unit) * 2;
            var down = BigInteger.Abs(whole) / unit;
            bool up = half > unit || (half == unit && !down.IsEven);
            var rounded = (down + (up ? 1 : 0)) * unit * whole.Sign;
            return number.IsFloat ? new FloatValue((double)rounded) : Operators.Whole(x, rounded);
        }
        x.Allocate(400 + precision);
        return new FloatValue(double.IsFinite(number.Real)
            ? double.Parse(PythonText.Fixed(number.Real, precision), CultureInfo.InvariantCulture)
            : number.Real);
    }

    private static Value Sum(Execution x, Value value, Value?[] bound)
    {
        var getter = Getter(x, bound[0], null);
        var sum = bound[1] ?? new IntValue(0);
        if (sum is TextValue)
        {
            throw x.TypeError("sum() can't sum strings [use ''.join(seq) instead]");
        }
        foreach (var item in Operators.Items(x, value))
        {
            x.Step();
            sum = Operators.Binary(x, "+", sum, getter(item));
        }
        return sum;
    }

    private static IteratorValue Batch(Execution x, Value value, Value?[] bound)
    {
        int size = Arguments.Int(x, "filter 'batch'", bound[0], 0);
        return new IteratorValue(x, value, Batches());

        IEnumerable<Value> Batches()
        {
            var batch = new List<Value>();
            foreach (var item in Operators.Items(x, value))
            {
                x.AllocateItem();
                if (batch.Count == size && batch.Count > 0)
                {
                    yield return new ListValue(batch);
                    batch = [];
                }
                batch.Add(item);
            }
            if (batch.Count > 0)
            {
                Fill(x, batch, size - batch.Count, bound[1]);
                yield return new ListValue(batch);
            }
        }
    }

    private static void Fill(Execution x, List<Value> items, int count, Value? with)
    {
        for (int i = 0; i < count && with is not (null or NoneValue); i++)
        {
            x.AllocateItem();
            items.Add(with);
        }
    }

    private static IteratorValue Slices(Execution x, Value value, Value?[] bound)
    {
        int slices = Arguments.Int(x, "filter 'slice'", bound[0], 0);
        var items = x.List(Operators.Items(x, value));
        if (slices <= 0)
        {
            return slices == 0 ? throw x.TypeError("division by zero") : new IteratorValue(x, value, []);
        }
        return new IteratorValue(x, value, Enumerable.Range(0, slices).Select(i =>
        {
            x.AllocateItem();
            int each = items.Count / slices, longer = items.Count % slices;
            int start = i * each + Math.Min(i, longer);
            var part = items.GetRange(start, each + (i < longer ? 1 : 0));
            Fill(x, part, longer > 0 && i >= longer ? 1 : 0, bound[1]);
            return (Value)new ListValue(part);
        }));
    }

    private static TextValue Indent(Execution x, Value value, Value?[] bound)
    {
        var text = value as TextValue ?? throw (value is UndefinedValue u ? x.Undefined(u)
            : x.TypeError($"filter 'indent' takes a str, not '{value.TypeName}'."));
        string indention = bound[0] is TextValue t ? t.Text
            : new string(' ', Math.Clamp(Arguments.Int(x, "filter 'indent'", bound[0], 4), 0, 10_000));
        bool first = Arguments.True(bound[1]), blank = Arguments.True(bound[2]);
        var lines = (ListValue)TextMethods.Call(x, new TextValue(text.Text + "\n"), "splitlines", Arguments.None);
        var result = new Output(x);
        for (int i = 0; i < lines.Items.Count; i++)
        {
            string line = ((TextValue)lines.Items[i]).Text;
            bool indents = i == 0 ? first : blank || line.Length > 0;
            result.Write(i > 0 ? "\n" : "");
            result.Write(indents ? indention : "");
            result.Write(line);
        }
        return new TextValue(result.ToValue().Text, text.IsMarkup);
    }

    private static Value Truncate(Execution x, Value value, Value?[] bound)
    {
        string end = Arguments.Str(x, "filter 'truncate'", bound[2], "...");
        int length = Arguments.Int(x, "filter 'truncate'", bound[0], 255);
        int leeway = bound[3] is null or NoneValue ? 5 : Arguments.Int(x, "filter 'truncate'", bound[3], 5);
        int endLength = PythonText.Length(end);
        if (length < endLength || leeway < 0)
        {
            throw x.TypeError($"expected length >= {endLength}, got {length}, and leeway >= 0, got {leeway}");
        }
        if ((Operators.Length(x, value) ?? throw x.TypeError($"object of type '{value.TypeName}' has no len()")) <= length + (long)leeway)
        {
            return value;
        }
        var text = value as TextValue ?? throw x.TypeError($"filter 'truncate' shortens a str, not '{value.TypeName}'.");
        string kept = text.Text[..PythonText.OffsetOf(text.Text, length - endLength)];
        int blank = kept.LastIndexOf(' ');
        kept = !Arguments.True(bound[1]) && blank >= 0 ? kept[..blank] : kept;
        return x.Text(kept + end, text);
    }

    private static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || text[i] is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(text[i]))
            {
                string word = text[start..i];
                int width = word.Length > 1 && char.IsSurrogatePair(word, 0) ? 2 : Math.Min(1, word.Length);
                result.Append(PythonText.Upper(word[..width])).Append(PythonText.Lower(word[width..]));
                result.Append(i < text.Length ? text[i] : default(char?));
                start = i + 1;
            }
        }
        return result.ToString();
    }

    private static TextValue UrlEncode(Execution x, Value value)
    {
        if (value is TextValue || !Operators.IsIterable(value))
        {
            return x.Text(Quoted(value, "/"));
        }
        var pairs = x.List(value is DictValue mapping ? new DictViewValue("items", mapping).Items : Operators.Items(x, value));
        return x.Text(string.Join('&', pairs.Select(p => p is SequenceValue { Items: [var name, var of] }
            ? Quoted(name, "") + "=" + Quoted(of, "")
            : throw x.TypeError("urlencode needs text, a mapping or pairs."))));

        string Quoted(Value part, string kept)
        {
            string text = Representation.Str(x, part);
            x.Allocate(text.Length * 3L);
            return kept.Length == 0 ? Uri.EscapeDataString(text).Replace("%20", "+") : string.Join('/', text.Split('/').Select(Uri.EscapeDataString));
        }
    }

    private static int Words(string text)
    {
        int words = 0;
        bool inside = false;
        foreach (char c in text)
        {
            bool isWord = char.IsLetterOrDigit(c) || c == '_';
            words += isWord && !inside ? 1 : 0;
            inside = isWord;
        }
        return words;
    }

    private static double? ToFloat(Execution x, Value value)
    {
        switch (value)
        {
            case UndefinedValue u: throw x.Undefined(u);
            case TextValue t: return ParseFloat(t.Text);
            default: return Operators.AsNumber(value) is { } n ? Operators.Real(x, n) : null;
        }
    }

    private static double? ParseFloat(string text)
    {
        string bare = PythonText.Strip(text, null, left: true, right: true).ToLowerInvariant();
        string unsigned = bare.Length > 0 && bare[0] is '+' or '-' ? bare[1..] : bare;
        if (unsigned is "inf" or "infinity" or "nan")
        {
            return unsigned == "nan" ? double.NaN : bare[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        }
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return unsigned.AsSpan().IndexOfAny("0123456789") >= 0
            && WithoutUnderscores(bare) is { } digits
            && double.TryParse(digits, Style, CultureInfo.InvariantCulture, out double number) ? number : null;
    }

    /// <summary>Python allows one underscore between digits.</summary>
    private static string? WithoutUnderscores(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '_' && (i == 0 || i + 1 == text.Length || !char.IsAsciiLetterOrDigit(text[i - 1]) || !char.IsAsciiLetterOrDigit(text[i + 1])))
            {
                return null;
            }
        }
        return text.Replace("_", "", StringComparison.Ordinal);
    }

    private static Value ToInt(Execution x, Value value, Value?[] bound)
    {
        if (value is UndefinedValue u)
        {
            throw x.Undefined(u);
        }
        if (value is TextValue text)
        {
            if (ParseInt(x, text.Text, Arguments.Int(x, "filter 'int'", bound[1], 10)) is { } parsed)
            {
                return new IntValue(parsed);
            }
            value = ParseFloat(text.Text) is { } real ? new FloatValue(real) : NoneValue.Instance;
        }
        return Operators.AsNumber(value) switch
        {
            { IsFloat: false } n => new IntValue(n.Whole),
            { } n when double.IsFinite(n.Real) => new IntValue(new BigInteger(n.Real)),
            _ => bound[0] ?? new IntValue(0),
        };
    }

    private static BigInteger? ParseInt(Execution x, string text, int radix)
    {
        string? bare = WithoutUnderscores(PythonText.Strip(text, null, left: true, right: true).ToLowerInvariant());
        if (bare is null || bare.Length is 0 or > IntValue.DigitsMax || radix is not (0 or >= 2 and <= 36))
        {
            return null;
        }
        bool negative = bare[0] == '-';
        string digits = bare[0] is '-' or '+' ? bare[1..] : bare;
        int marked = digits.StartsWith("0x", StringComparison.Ordinal) ? 16 : digits.StartsWith("0o", StringComparison.Ordinal) ? 8
            : digits.StartsWith("0b", StringComparison.Ordinal) ? 2 : 0;
        if (marked != 0 && radix == marked | radix == 0)
        {
            (digits, radix) = (digits[2..], marked);
        }
        radix = radix == 0 ? 10 : radix;
        x.Work(digits.Length * (long)digits.Length);
        var number = BigInteger.Zero;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterLower(c) ? c - 'a' + 10 : int.MaxValue;
            if (digit >= radix)
            {
                return null;
            }
            number = number * radix + digit;
        }
        return digits.Length == 0 ? null : negative ? -number : number;
    }
}
