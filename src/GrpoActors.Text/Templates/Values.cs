using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace GrpoActors.Text.Templates;

/// <summary>A value of the template language: Python's, as far as a template can meet them.</summary>
internal abstract class Value
{
    /// <summary>Python's name of the type, as its errors say it.</summary>
    public abstract string TypeName { get; }

    public virtual bool IsTrue => true;

    /// <summary>Makes a value of JSON. Numbers without fraction and exponent are integers of any length, as in Python.</summary>
    public static Value FromJson(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                var mapping = new DictValue();
                foreach (var property in json.EnumerateObject())
                {
                    mapping.Set(NameOf(property), FromJson(property.Value));
                }
                return mapping;
            case JsonValueKind.Array:
                var items = new List<Value>(json.GetArrayLength());
                foreach (var item in json.EnumerateArray())
                {
                    items.Add(FromJson(item));
                }
                return new ListValue(items);
            case JsonValueKind.String: return new TextValue(TextOf(json));
            case JsonValueKind.Number: return FromNumber(json.GetRawText());
            case JsonValueKind.True: return BoolValue.True;
            case JsonValueKind.False: return BoolValue.False;
            default: return NoneValue.Instance;
        }
    }

    /// <summary>Python keeps half a surrogate pair that JSON spells as an escape; .NET's reader refuses it, so it is read here.</summary>
    private static string TextOf(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            string raw = json.GetRawText();
            return Regex.Replace(raw[1..^1], @"\\(u[0-9a-fA-F]{4}|.)", m => m.Value[1] switch
            {
                'u' => ((char)Convert.ToInt32(m.Value[2..], 16)).ToString(),
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                'b' => "\b",
                'f' => "\f",
                var c => c.ToString(),
            });
        }
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new TemplateException(TemplateErrorKind.Value, "A key in the template's input holds half a surrogate pair.", 1, 1);
        }
    }

    private static Value FromNumber(string text)
    {
        bool isFloat = text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0;
        return isFloat || text.Length > IntValue.DigitsMax
            ? new FloatValue(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))
            : new IntValue(BigInteger.Parse(text, CultureInfo.InvariantCulture));
    }
}

internal sealed class NoneValue : Value
{
    public static readonly NoneValue Instance = new();

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;
}

internal sealed class BoolValue : Value
{
    public static readonly BoolValue True = new(true), False = new(false);

    private BoolValue(bool value) => Is = value;

    public bool Is { get; }

    public override string TypeName => "bool";

    public override bool IsTrue => Is;

    public static BoolValue Of(bool value) => value ? True : False;
}

internal sealed class IntValue(BigInteger number) : Value
{
    /// <summary>Python's own limit for turning an integer into text; also what keeps a power from eating memory.</summary>
    public const int DigitsMax = 4_300;

    public const long BitsMax = 14_284;

    public BigInteger Number => number;

    public override string TypeName => "int";

    public override bool IsTrue => !number.IsZero;
}

internal sealed class FloatValue(double number) : Value
{
    public double Number => number;

    public override string TypeName => "float";

    public override bool IsTrue => number != 0;
}

/// <param name="text">The characters.</param>
/// <param name="markup">Made by <c>safe</c> or <c>escape</c>: what is added to it is HTML-escaped, as markupsafe does.</param>
/// <param name="spans">What lies in <c>generation</c> blocks, where this text is the result of a macro, a call or a set block.</param>
internal sealed class TextValue(string text, bool markup = false, AssistantSpan[]? spans = null) : Value
{
    public static readonly TextValue Empty = new("");

    public string Text => text;

    public bool IsMarkup => markup;

    public AssistantSpan[] Spans => spans ?? [];

    public override string TypeName => markup ? "Markup" : "str";

    public override bool IsTrue => text.Length > 0;
}

internal abstract class SequenceValue(IReadOnlyList<Value> items) : Value
{
    public IReadOnlyList<Value> Items => items;

    public override bool IsTrue => items.Count > 0;
}

internal sealed class ListValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "list";
}

internal sealed class TupleValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "tuple";
}

/// <summary>What <c>groupby</c> gives: a pair that also has names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : SequenceValue([grouper, list])
{
    public override string TypeName => "tuple";

    public Value? Attribute(string name) => name switch { "grouper" => grouper, "list" => list, _ => null };
}

/// <summary>
/// A mapping in the order of insertion. Keys compare as Python's do: 1, 1.0 and True are one key. A tuple is never a key here
/// (Python allows it; no chat template has needed it).
/// </summary>
internal sealed class DictValue : Value
{
    private readonly OrderedDictionary<object, (Value Key, Value Value)> _entries = [];

    public override string TypeName => "dict";

    public override bool IsTrue => _entries.Count > 0;

    public int Count => _entries.Count;

    public IEnumerable<(Value Key, Value Value)> Entries => _entries.Values;

    public Value? Find(Value key) => KeyOf(key) is { } k && _entries.TryGetValue(k, out var entry) ? entry.Value : null;

    public Value? Find(string key) => _entries.TryGetValue(key, out var entry) ? entry.Value : null;

    public void Set(string key, Value value) => Set(key, new TextValue(key), value);

    /// <returns>False if <paramref name="key"/> cannot be a key.</returns>
    public bool TrySet(Value key, Value value)
    {
        if (KeyOf(key) is not { } k)
        {
            return false;
        }
        Set(k, key, value);
        return true;
    }

    private void Set(object k, Value key, Value value) =>
        _entries[k] = (_entries.TryGetValue(k, out var old) ? old.Key : key, value);

    /// <summary>What stands for the value in hashing and equality; null for what cannot be a key.</summary>
    public static object? KeyOf(Value key) => key switch
    {
        TextValue x => x.Text,
        BoolValue x => x.Is ? BigInteger.One : BigInteger.Zero,
        IntValue x => x.Number,
        FloatValue x => double.IsInteger(x.Number) ? new BigInteger(x.Number) : x.Number,
        NoneValue x => x,
        _ => null,
    };
}

/// <summary>What <c>items()</c>, <c>keys()</c> and <c>values()</c> give: sized and walked over again and again, not indexed.</summary>
internal sealed class DictViewValue(string kind, DictValue mapping) : Value
{
    public override string TypeName => "dict_" + kind;

    public override bool IsTrue => mapping.IsTrue;

    public DictValue Mapping => mapping;

    public IEnumerable<Value> Items => mapping.Entries.Select(e => kind switch
    {
        "keys" => e.Key,
        "values" => e.Value,
        _ => (Value)new TupleValue([e.Key, e.Value]),
    });
}

internal sealed class RangeValue(long start, long stop, long step) : Value
{
    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public int Count => (int)Math.Max(0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);

    public override string TypeName => "range";

    public override bool IsTrue => Count > 0;

    public Value this[int index] => new IntValue(start + index * step);

    public IEnumerable<Value> Items => Enumerable.Range(0, Count).Select(i => this[i]);
}

/// <summary>Walked over once; what filters such as <c>map</c> and <c>select</c> give.</summary>
internal sealed class IteratorValue : Value
{
    private const int StackedMax = 100;

    private readonly IEnumerator<Value> _rest;
    private readonly int _stacked;

    /// <param name="x">The rendering.</param>
    /// <param name="over">What it is made from: iterators over iterators ask one another by recursion, so their number is bounded.</param>
    /// <param name="items">What it gives.</param>
    public IteratorValue(Execution x, Value over, IEnumerable<Value> items)
    {
        _rest = items.GetEnumerator();
        _stacked = over is IteratorValue inner ? inner._stacked + 1 : 0;
        if (_stacked > StackedMax)
        {
            throw x.Error(TemplateErrorKind.Limit, $"More than {StackedMax} filters are stacked on one another without a list between.");
        }
        x.AllocateItem();
    }

    public override string TypeName => "generator";

    public IEnumerable<Value> Rest
    {
        get
        {
            while (_rest.MoveNext())
            {
                yield return _rest.Current;
            }
        }
    }
}

internal sealed class UndefinedValue(string message, TemplateErrorKind kind = TemplateErrorKind.Undefined) : Value
{
    /// <summary>What to say when it is used.</summary>
    public string Message => message;

    public TemplateErrorKind Kind => kind;

    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public static UndefinedValue Name(string name) => new($"{PythonText.Repr(name)} is undefined");
}

internal sealed class NamespaceValue : Value
{
    public Dictionary<string, Value> Names { get; } = [];

    public override string TypeName => "Namespace";
}

internal abstract class CallableValue(string name) : Value
{
    public string Name => name;

    public abstract Value Call(Execution x, Arguments arguments);
}

internal sealed class FunctionValue(string name, Func<Execution, Arguments, Value> body, string typeName = "function") : CallableValue(name)
{
    public override string TypeName => typeName;

    public override Value Call(Execution x, Arguments arguments) => body(x, arguments);
}

/// <summary>An object of a template's own making whose attributes are computed: <c>cycler</c>.</summary>
internal abstract class ObjectValue : Value
{
    public abstract Value? Attribute(Execution x, string name);
}

internal sealed class CyclerValue(IReadOnlyList<Value> items) : ObjectValue
{
    private int _at;

    public override string TypeName => "Cycler";

    public override Value? Attribute(Execution x, string name) => name switch
    {
        "current" => items[_at],
        "next" => new FunctionValue("next", (_, _) => Next()),
        "reset" => new FunctionValue("reset", (_, _) => Reset()),
        _ => null,
    };

    private Value Next()
    {
        var value = items[_at];
        _at = (_at + 1) % items.Count;
        return value;
    }

    private NoneValue Reset()
    {
        _at = 0;
        return NoneValue.Instance;
    }
}
