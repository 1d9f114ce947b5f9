using System.Numerics;

namespace GrpoActors.Text.Templates;

/// <summary>Python's operators on values, with Python's errors.</summary>
internal static class Operators
{
    public static Value Binary(Execution x, string op, Value left, Value right)
    {
        if (op == "%" && left is TextValue format)
        {
            return Formatting.Percent(x, format, right);
        }
        Refuse(x, left);
        Refuse(x, right);
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
        {
            return Arithmetic(x, op, a, b);
        }
        var result = op switch
        {
            "+" => Joined(x, left, right),
            "*" => Repeated(x, left, right) ?? Repeated(x, right, left),
            _ => null,
        };
        return result ?? throw Unsupported(x, op, left, right);
    }

    private static TemplateException Unsupported(Execution x, string op, Value left, Value right) =>
        op == "+" && left is TextValue or ListValue or TupleValue
            ? x.TypeError($"can only concatenate {left.TypeName} (not \"{right.TypeName}\") to {left.TypeName}")
            : x.TypeError($"unsupported operand type(s) for {op}: '{left.TypeName}' and '{right.TypeName}'");

    private static void Refuse(Execution x, Value value)
    {
        if (value is UndefinedValue undefined)
        {
            throw x.Undefined(undefined);
        }
    }

    private static Value? Joined(Execution x, Value left, Value right)
    {
        switch (left, right)
        {
            case (TextValue a, TextValue b):
                var (first, second) = a.IsMarkup == b.IsMarkup ? (a, b)
                    : a.IsMarkup ? (a, Escaped(x, b))
                    : (Escaped(x, a), b);
                x.Allocate(first.Text.Length + (long)second.Text.Length);
                return new TextValue(first.Text + second.Text, first.IsMarkup, AssistantSpan.Joined(first, second));
            case (ListValue a, ListValue b):
                return new ListValue(x.List(a.Items.Concat(b.Items)));
            case (TupleValue a, TupleValue b):
                return new TupleValue(x.List(a.Items.Concat(b.Items)));
            default:
                return null;
        }
    }

    /// <summary>markupsafe's <c>escape</c>.</summary>
    public static TextValue Escaped(Execution x, TextValue text)
    {
        if (text.IsMarkup)
        {
            return text;
        }
        x.Allocate(text.Text.Length);
        string escaped = text.Text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;");
        x.Allocate(escaped.Length);
        return new TextValue(escaped, markup: true);
    }

    private static Value? Repeated(Execution x, Value what, Value times)
    {
        if (times is not (IntValue or BoolValue) || what is not (TextValue or ListValue or TupleValue))
        {
            return null;
        }
        var wanted = BigInteger.Max(0, AsNumber(times)!.Value.Whole);
        long length = what is TextValue t ? t.Text.Length : 16L * ((SequenceValue)what).Items.Count;
        // Charged before it is made: this is the shortest way to eat all memory.
        x.Allocate((long)BigInteger.Min(long.MaxValue / 4, wanted * length));
        int count = length == 0 ? 0 : (int)wanted;
        if (what is TextValue text)
        {
            return new TextValue(new System.Text.StringBuilder().Insert(0, text.Text, count).ToString(), text.IsMarkup);
        }
        var items = ((SequenceValue)what).Items;
        var all = Enumerable.Repeat(items, count).SelectMany(i => i).ToList();
        return what is ListValue ? new ListValue(all) : new TupleValue(all);
    }

    /// <summary>A number as Python's arithmetic takes it: bool and int are whole, float is not.</summary>
    public readonly record struct Number(BigInteger Whole, double Real, bool IsFloat);

    public static Number? AsNumber(Value value) => value switch
    {
        IntValue i => new Number(i.Number, 0, false),
        BoolValue b => new Number(b.Is ? 1 : 0, 0, false),
        FloatValue f => new Number(default, f.Number, true),
        _ => null,
    };

    public static double Real(Execution x, Number n)
    {
        double real = n.IsFloat ? n.Real : n.Whole.Sign * Nearest(BigInteger.Abs(n.Whole), 0);
        return n.IsFloat || double.IsFinite(real) ? real : throw x.TypeError("int too large to convert to float");
    }

    public static IntValue Whole(Execution x, BigInteger number) =>
        number.GetBitLength() <= IntValue.BitsMax
            ? new IntValue(number)
            : throw x.Error(TemplateErrorKind.Limit, $"An integer of more than {IntValue.DigitsMax} digits is not supported.");

    private static Value Arithmetic(Execution x, string op, Number a, Number b)
    {
        if (op is "/" or "//" or "%" && (b.IsFloat ? b.Real == 0 : b.Whole.IsZero))
        {
            throw x.TypeError(op == "%" ? "division or modulo by zero" : "division by zero");
        }
        if (op == "**")
        {
            return Power(x, a, b);
        }
        if (op == "/" && !a.IsFloat && !b.IsFloat)
        {
            return new FloatValue(TrueQuotient(x, a.Whole, b.Whole));
        }
        if (a.IsFloat || b.IsFloat || op == "/")
        {
            double p = Real(x, a), q = Real(x, b);
            return new FloatValue(op switch
            {
                "+" => p + q,
                "-" => p - q,
                "*" => p * q,
                "/" => p / q,
                "//" => FloorQuotient(p, q),
                _ => FloorModulo(p, q),
            });
        }
        return Whole(x, op switch
        {
            "+" => a.Whole + b.Whole,
            "-" => a.Whole - b.Whole,
            "*" => a.Whole * b.Whole,
            "//" => FloorQuotient(a.Whole, b.Whole),
            _ => a.Whole - b.Whole * FloorQuotient(a.Whole, b.Whole),
        });
    }

    private static double TrueQuotient(Execution x, BigInteger a, BigInteger b)
    {
        if (BigInteger.Abs(a) <= 1L << 53 && BigInteger.Abs(b) <= 1L << 53)
        {
            return (double)a / (double)b;
        }
        // Rounded once, as Python does: 66 and more bits of quotient, the last of them sticky.
        long shift = Math.Max(0, 66 - (a.GetBitLength() - b.GetBitLength()));
        var quotient = BigInteger.DivRem(BigInteger.Abs(a) << (int)shift, BigInteger.Abs(b), out var rest);
        double result = Nearest((quotient << 1) | (rest.IsZero ? 0 : 1), (int)-shift - 1);
        if (!double.IsFinite(result))
        {
            throw x.TypeError("integer division result too large for a float");
        }
        return a.Sign * b.Sign < 0 ? -result : result;
    }

    /// <summary><c>magnitude * 2^exponent</c>, halves to even (.NET's own conversion cuts the rest off).</summary>
    private static double Nearest(BigInteger magnitude, int exponent)
    {
        int drop = (int)magnitude.GetBitLength() - 53;
        if (drop <= 0)
        {
            return Math.ScaleB((double)magnitude, exponent);
        }
        var kept = magnitude >> drop;
        var rest = magnitude - (kept << drop);
        int order = rest.CompareTo(BigInteger.One << (drop - 1));
        kept += order > 0 || (order == 0 && !kept.IsEven) ? 1 : 0;
        return Math.ScaleB((double)kept, exponent + drop);
    }

    private static BigInteger FloorQuotient(BigInteger a, BigInteger b)
    {
        var quotient = BigInteger.DivRem(a, b, out var rest);
        return !rest.IsZero && (rest.Sign < 0) != (b.Sign < 0) ? quotient - 1 : quotient;
    }

    private static double FloorModulo(double a, double b)
    {
        double rest = a % b;
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? Math.CopySign(0, b) : rest;
    }

    private static double FloorQuotient(double a, double b)
    {
        double quotient = (a - FloorModulo(a, b)) / b;
        double floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static Value Power(Execution x, Number a, Number b)
    {
        if (!a.IsFloat && !b.IsFloat && b.Whole.Sign >= 0)
        {
            if (BigInteger.Abs(a.Whole) > 1 && b.Whole * (a.Whole.GetBitLength() - 1) > IntValue.BitsMax)
            {
                throw x.Error(TemplateErrorKind.Limit, $"An integer of more than {IntValue.DigitsMax} digits is not supported.");
            }
            x.Work(IntValue.BitsMax);
            return Whole(x, BigInteger.Abs(a.Whole) <= 1 ? a.Whole.IsZero ? (b.Whole.IsZero ? 1 : 0)
                : a.Whole.IsOne || b.Whole.IsEven ? 1 : -1 : BigInteger.Pow(a.Whole, (int)b.Whole));
        }
        double p = Real(x, a), q = Real(x, b);
        if (p == 0 && q < 0)
        {
            throw x.TypeError("0.0 cannot be raised to a negative power");
        }
        double power = Math.Pow(p, q);
        if (double.IsNaN(power) && !double.IsNaN(p) && !double.IsNaN(q))
        {
            throw x.TypeError("A complex number, which this power gives, is not supported.");
        }
        return double.IsInfinity(power) && double.IsFinite(p) && double.IsFinite(q)
            ? throw x.TypeError("Numerical result out of range")
            : new FloatValue(power);
    }

    public static Value Unary(Execution x, string op, Value value)
    {
        Refuse(x, value);
        return AsNumber(value) switch
        {
            { IsFloat: true } n => new FloatValue(op == "-" ? -n.Real : n.Real),
            { } n => new IntValue(op == "-" ? -n.Whole : n.Whole),
            null => throw x.TypeError($"bad operand type for unary {op}: '{value.TypeName}'"),
        };
    }

    public static bool Equal(Execution x, Value a, Value b)
    {
        if (ReferenceEquals(a, b))
        {
            return a is not FloatValue f || !double.IsNaN(f.Number);
        }
        if (AsNumber(a) is { } p && AsNumber(b) is { } q)
        {
            return CompareNumbers(p, q) == 0;
        }
        switch (a, b)
        {
            case (TextValue s, TextValue t):
                x.Work(Math.Min(s.Text.Length, t.Text.Length));
                return s.Text == t.Text;
            case (UndefinedValue, UndefinedValue):
                return true;
            case (ListValue, ListValue) or (TupleValue, TupleValue):
                return EqualItems(x, ((SequenceValue)a).Items, ((SequenceValue)b).Items);
            case (DictValue d, DictValue e):
                return EqualMappings(x, d, e);
            case (RangeValue r, RangeValue s):
                return r.Count == s.Count && (r.Count == 0 || (r.Start == s.Start && (r.Count == 1 || r.Step == s.Step)));
            default:
                return false;
        }
    }

    private static bool EqualItems(Execution x, IReadOnlyList<Value> a, IReadOnlyList<Value> b)
    {
        if (a.Count != b.Count)
        {
            return false;
        }
        x.Enter();
        for (int i = 0; i < a.Count; i++)
        {
            x.Step();
            if (!ReferenceEquals(a[i], b[i]) && !Equal(x, a[i], b[i]))
            {
                x.Leave();
                return false;
            }
        }
        x.Leave();
        return true;
    }

    private static bool EqualMappings(Execution x, DictValue a, DictValue b)
    {
        if (a.Count != b.Count)
        {
            return false;
        }
        x.Enter();
        foreach (var (key, value) in a.Entries)
        {
            x.Step();
            if (b.Find(key) is not { } other || (!ReferenceEquals(value, other) && !Equal(x, value, other)))
            {
                x.Leave();
                return false;
            }
        }
        x.Leave();
        return true;
    }

    /// <returns>Negative, 0 or positive; null if one is NaN.</returns>
    private static int? CompareNumbers(Number a, Number b)
    {
        if (!a.IsFloat && !b.IsFloat)
        {
            return a.Whole.CompareTo(b.Whole);
        }
        if (a.IsFloat && b.IsFloat)
        {
            return double.IsNaN(a.Real) || double.IsNaN(b.Real) ? null : a.Real.CompareTo(b.Real);
        }
        double real = a.IsFloat ? a.Real : b.Real;
        if (!double.IsFinite(real))
        {
            return double.IsNaN(real) ? null : Math.Sign(real) * (a.IsFloat ? 1 : -1);
        }
        var whole = a.IsFloat ? b.Whole : a.Whole;
        int order = whole.CompareTo(new BigInteger(Math.Floor(real)));
        order = order == 0 && real != Math.Floor(real) ? -1 : order;
        return a.IsFloat ? -order : order;
    }

    public static bool Ordered(Execution x, string op, Value a, Value b)
    {
        Refuse(x, a);
        Refuse(x, b);
        if (AsNumber(a) is { } p && AsNumber(b) is { } q)
        {
            return CompareNumbers(p, q) is { } order && Holds(op, order);
        }
        switch (a, b)
        {
            case (TextValue s, TextValue t):
                x.Work(Math.Min(s.Text.Length, t.Text.Length));
                return Holds(op, CompareCodePoints(s.Text, t.Text));
            case (ListValue, ListValue) or (TupleValue, TupleValue):
                return OrderedItems(x, op, ((SequenceValue)a).Items, ((SequenceValue)b).Items);
            default:
                throw x.TypeError($"'{op}' not supported between instances of '{a.TypeName}' and '{b.TypeName}'");
        }
    }

    private static bool Holds(string op, int order) => op switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };

    /// <summary>UTF-16 order differs from code point order where surrogates meet U+E000 and above.</summary>
    private static int CompareCodePoints(string a, string b)
    {
        int i = a.AsSpan().CommonPrefixLength(b);
        if (i == a.Length || i == b.Length)
        {
            return a.Length.CompareTo(b.Length);
        }
        bool bothHigh = a[i] >= '\ud800' && b[i] >= '\ud800';
        return bothHigh && char.IsSurrogate(a[i]) != char.IsSurrogate(b[i])
            ? (char.IsSurrogate(a[i]) ? 1 : -1)
            : a[i].CompareTo(b[i]);
    }

    private static bool OrderedItems(Execution x, string op, IReadOnlyList<Value> a, IReadOnlyList<Value> b)
    {
        x.Enter();
        for (int i = 0; i < Math.Min(a.Count, b.Count); i++)
        {
            x.Step();
            if (!Equal(x, a[i], b[i]))
            {
                bool ordered = Ordered(x, op, a[i], b[i]);
                x.Leave();
                return ordered;
            }
        }
        x.Leave();
        return Holds(op, a.Count.CompareTo(b.Count));
    }

    /// <summary>Python's <c>item in container</c>.</summary>
    public static bool Contains(Execution x, Value container, Value item)
    {
        switch (container)
        {
            case TextValue text:
                if (item is not TextValue part)
                {
                    throw x.TypeError($"'in <string>' requires string as left operand, not {item.TypeName}");
                }
                x.Search(text.Text, part.Text);
                return text.Text.Contains(part.Text, StringComparison.Ordinal);
            case DictValue mapping:
                RefuseAsKey(x, item);
                return mapping.Find(item) is not null;
            case DictViewValue { TypeName: "dict_keys" } view:
                RefuseAsKey(x, item);
                return view.Mapping.Find(item) is not null;
            default:
                foreach (var other in Items(x, container, notIterable: t => $"argument of type '{t}' is not iterable"))
                {
                    x.Step();
                    if (Equal(x, other, item))
                    {
                        return true;
                    }
                }
                return false;
        }
    }

    private static void RefuseAsKey(Execution x, Value key)
    {
        if (key is ListValue or DictValue)
        {
            throw x.TypeError($"unhashable type: '{key.TypeName}'");
        }
    }

    /// <summary>Python's <c>iter</c>: the items of a sequence, the keys of a mapping, the code points of a string, nothing of an undefined.</summary>
    public static IEnumerable<Value> Items(Execution x, Value value, Func<string, string>? notIterable = null) => value switch
    {
        SequenceValue s => s.Items,
        DictValue d => d.Entries.Select(e => e.Key),
        DictViewValue v => v.Items,
        RangeValue r => r.Items,
        IteratorValue i => i.Rest,
        TextValue t => PythonText.CodePoints(t.Text).Select(c => (Value)new TextValue(c, t.IsMarkup)),
        UndefinedValue { Kind: TemplateErrorKind.Undefined } => [],
        UndefinedValue u => throw x.Undefined(u),
        _ => throw x.TypeError(notIterable is null ? $"'{value.TypeName}' object is not iterable" : notIterable(value.TypeName)),
    };

    public static bool IsIterable(Value value) =>
        value is SequenceValue or DictValue or DictViewValue or RangeValue or IteratorValue or TextValue or UndefinedValue;

    /// <summary>Python's <c>len</c>, or null for what has none.</summary>
    public static int? Length(Execution x, Value value)
    {
        switch (value)
        {
            case TextValue t:
                x.Work(t.Text.Length);
                return PythonText.Length(t.Text);
            case SequenceValue s: return s.Items.Count;
            case DictValue d: return d.Count;
            case DictViewValue v: return v.Mapping.Count;
            case RangeValue r: return r.Count;
            case UndefinedValue: return 0;
            default: return null;
        }
    }
}
