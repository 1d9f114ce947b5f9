using System.Numerics;

namespace GrpoActors.Text.Templates;

/// <summary>
/// <c>a.b</c>, <c>a[b]</c> and <c>a[b:c:d]</c>. A dot looks for a method before a key, brackets the other way round; what is not there
/// is an undefined value. Methods that would change a list or a mapping exist but may not be called (the immutable sandbox).
/// </summary>
internal static class Access
{
    public static Value Attribute(Execution x, Value target, string name)
    {
        if (target is UndefinedValue undefined)
        {
            throw x.Undefined(undefined);
        }
        return FindAttribute(x, target, name)
            ?? (target as DictValue)?.Find(name)
            ?? Missing(target, name);
    }

    /// <summary>The filter <c>attr</c>: never a key.</summary>
    public static Value OwnAttribute(Execution x, Value target, string name) =>
        target is UndefinedValue undefined ? throw x.Undefined(undefined) : FindAttribute(x, target, name) ?? Missing(target, name);

    public static Value Item(Execution x, Value target, Value key)
    {
        if (target is UndefinedValue undefined)
        {
            throw x.Undefined(undefined);
        }
        var item = target switch
        {
            DictValue mapping => mapping.Find(key),
            SequenceValue sequence => Index(key, sequence.Items.Count) is { } i ? sequence.Items[i] : null,
            RangeValue range => Index(key, range.Count) is { } i ? range[i] : null,
            TextValue text when key is IntValue or BoolValue => CodePoint(x, text, key),
            _ => null,
        };
        if (item is not null)
        {
            return item;
        }
        return key is TextValue name
            ? FindAttribute(x, target, name.Text) ?? Missing(target, name.Text)
            : new UndefinedValue($"{ObjectName(target)} has no element {Representation.Repr(x, key)}");
    }

    private static UndefinedValue Missing(Value target, string name) =>
        new($"{PythonText.Repr(ObjectName(target))} has no attribute {PythonText.Repr(name)}");

    private static string ObjectName(Value target) => target switch
    {
        NoneValue => "None",
        NamespaceValue => "jinja2.utils.Namespace object",
        _ => target.TypeName + " object",
    };

    private static int? Index(Value key, int length)
    {
        if (key is not (IntValue or BoolValue))
        {
            return null;
        }
        var index = Operators.AsNumber(key)!.Value.Whole;
        index = index.Sign < 0 ? index + length : index;
        return index.Sign >= 0 && index < length ? (int)index : null;
    }

    private static TextValue? CodePoint(Execution x, TextValue text, Value key)
    {
        if (!PythonText.HasSurrogates(text.Text))
        {
            return Index(key, text.Text.Length) is { } i ? new TextValue(text.Text.Substring(i, 1), text.IsMarkup) : null;
        }
        x.Work(text.Text.Length);
        if (Index(key, PythonText.Length(text.Text)) is not { } index)
        {
            return null;
        }
        int start = PythonText.OffsetOf(text.Text, index);
        return new TextValue(PythonText.CodePoints(text.Text[start..Math.Min(start + 2, text.Text.Length)]).First(), text.IsMarkup);
    }

    public static Value Slice(Execution x, Value target, Value? start, Value? stop, Value? step)
    {
        if (target is UndefinedValue undefined)
        {
            throw x.Undefined(undefined);
        }
        // Unlike an index, a slice that cannot be is an error in Jinja, not an undefined value.
        if (target is not (TextValue or SequenceValue or RangeValue))
        {
            throw x.TypeError(target is DictValue ? "unhashable type: 'slice'" : $"'{target.TypeName}' object is not subscriptable");
        }
        if (!IsBound(start) || !IsBound(stop) || !IsBound(step))
        {
            throw x.TypeError("slice indices must be integers or None");
        }
        int length = Operators.Length(x, target)!.Value;
        var by = BoundOf(step) ?? BigInteger.One;
        if (by.IsZero)
        {
            throw x.TypeError("slice step cannot be zero");
        }
        bool forward = by.Sign > 0;
        int first = Clamped(BoundOf(start), length, forward, forward ? 0 : length - 1);
        int last = Clamped(BoundOf(stop), length, forward, forward ? length : -1);
        int stride = (int)BigInteger.Max(-int.MaxValue / 2, BigInteger.Min(int.MaxValue / 2, by));
        if (target is TextValue text && stride == 1)
        {
            return first >= last ? new TextValue("", text.IsMarkup) : x.Text(Substring(text.Text, first, last), text);
        }
        var indices = new List<int>();
        for (long i = first; forward ? i < last : i > last; i += stride)
        {
            x.Step();
            indices.Add((int)i);
        }
        switch (target)
        {
            case ListValue list: return new ListValue(x.List(indices.Select(i => list.Items[i])));
            case TupleValue or GroupValue: return new TupleValue(x.List(indices.Select(i => ((SequenceValue)target).Items[i])));
            case RangeValue range:
                return new RangeValue(range.Start + first * range.Step, range.Start + last * range.Step, range.Step * stride);
            default:
                var characters = (TextValue)target;
                x.Allocate(characters.Text.Length * 4L);
                var points = PythonText.CodePoints(characters.Text).ToList();
                return x.Text(string.Concat(indices.Select(i => points[i])), characters);
        }
    }

    private static string Substring(string text, int first, int last)
    {
        int start = PythonText.OffsetOf(text, first);
        return text[start..(start + PythonText.OffsetOf(text[start..], last - first))];
    }

    private static bool IsBound(Value? value) => value is null or NoneValue or IntValue or BoolValue;

    private static BigInteger? BoundOf(Value? value) => value is null or NoneValue ? null : Operators.AsNumber(value)!.Value.Whole;

    private static int Clamped(BigInteger? bound, int length, bool forward, int absent)
    {
        if (bound is not { } at)
        {
            return absent;
        }
        at = at.Sign < 0 ? at + length : at;
        return (int)BigInteger.Max(forward ? 0 : -1, BigInteger.Min(forward ? length : length - 1, at));
    }

    /// <summary>Python's getattr under the sandbox's rules; null where it would find nothing.</summary>
    private static Value? FindAttribute(Execution x, Value target, string name)
    {
        if (name.StartsWith('_'))
        {
            return null; // nothing that starts so is within a template's reach
        }
        return target switch
        {
            TextValue text when TextMethods.Names.Contains(name) =>
                new FunctionValue(name, (e, a) => TextMethods.Call(e, text, name, a), "builtin_function_or_method"),
            DictValue mapping => MappingMethod(mapping, name),
            GroupValue group => group.Attribute(name) ?? SequenceMethod(group, name),
            SequenceValue sequence => SequenceMethod(sequence, name),
            NamespaceValue ns => ns.Names.GetValueOrDefault(name),
            ObjectValue made => made.Attribute(x, name),
            MacroValue macro => macro.Attribute(name),
            LoopValue loop => loop.Attribute(name),
            RangeValue range => name switch
            {
                "start" => new IntValue(range.Start),
                "stop" => new IntValue(range.Stop),
                "step" => new IntValue(range.Step),
                _ => null,
            },
            FloatValue real when name == "is_integer" => Method(name, (_, _) => BoolValue.Of(double.IsInteger(real.Number))),
            _ => null,
        };
    }

    private static FunctionValue Method(string name, Func<Execution, Arguments, Value> body) => new(name, body, "builtin_function_or_method");

    private static UndefinedValue Unsafe(string type, string name) =>
        new($"access to attribute '{name}' of '{type}' object is unsafe.", TemplateErrorKind.Sandbox);

    private static Value? MappingMethod(DictValue mapping, string name) => name switch
    {
        "get" => Method(name, (x, a) =>
        {
            var bound = a.Bind(x, "dict.get", 1, "key", "default");
            return mapping.Find(bound[0]!) ?? bound[1] ?? NoneValue.Instance;
        }),
        "items" or "keys" or "values" => Method(name, (x, a) =>
        {
            a.Bind(x, "dict." + name, 0);
            return new DictViewValue(name, mapping);
        }),
        "copy" => Method(name, (_, _) => mapping),
        "clear" or "pop" or "popitem" or "setdefault" or "update" => Unsafe("dict", name),
        _ => null,
    };

    private static Value? SequenceMethod(SequenceValue sequence, string name) => name switch
    {
        "index" => Method(name, (x, a) =>
        {
            var wanted = a.Bind(x, "index", 1, "value")[0]!;
            for (int i = 0; i < sequence.Items.Count; i++)
            {
                x.Step();
                if (Operators.Equal(x, sequence.Items[i], wanted))
                {
                    return new IntValue(i);
                }
            }
            throw x.TypeError($"{Representation.Repr(x, wanted)} is not in {sequence.TypeName}");
        }),
        "count" => Method(name, (x, a) =>
        {
            var wanted = a.Bind(x, "count", 1, "value")[0]!;
            int count = 0;
            foreach (var item in sequence.Items)
            {
                x.Step();
                count += Operators.Equal(x, item, wanted) ? 1 : 0;
            }
            return new IntValue(count);
        }),
        "copy" when sequence is ListValue => Method(name, (_, _) => sequence),
        "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove" when sequence is ListValue =>
            Unsafe("list", name),
        _ => null,
    };
}
