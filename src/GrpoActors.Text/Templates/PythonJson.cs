using System.Globalization;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>Python's <c>json.dumps</c>, as transformers' <c>tojson</c> calls it: not escaped for HTML, characters as they are.</summary>
internal sealed class PythonJson
{
    private readonly Execution _x;
    private readonly StringBuilder _to = new();
    private readonly bool _ascii;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private readonly bool _sorted;

    private PythonJson(Execution x, bool ascii, string? indent, string itemSeparator, string keySeparator, bool sorted)
    {
        _x = x;
        _ascii = ascii;
        _indent = indent;
        _itemSeparator = itemSeparator;
        _keySeparator = keySeparator;
        _sorted = sorted;
    }

    /// <summary>The filter: <c>tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)</c>.</summary>
    public static Value Filter(Execution x, Value value, Arguments arguments)
    {
        var bound = arguments.Bind(x, "filter 'tojson'", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        string? indent = bound[1] switch
        {
            null or NoneValue => null,
            TextValue t => t.Text,
            var n => new string(' ', Math.Clamp(Arguments.Int(x, "tojson's indent", n, 0), 0, 1_000)),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (bound[2] is not (null or NoneValue))
        {
            if (bound[2] is not SequenceValue { Items: [TextValue first, TextValue second] })
            {
                throw x.TypeError("tojson's separators must be two strings: (item, key).");
            }
            (item, key) = (first.Text, second.Text);
        }
        var json = new PythonJson(x, Arguments.True(bound[0]), indent, item, key, Arguments.True(bound[3]));
        json.Append(value, 0);
        return new TextValue(json._to.ToString());
    }

    private void Append(Value value, int level)
    {
        _x.Enter();
        switch (value)
        {
            case TextValue t: AppendText(t.Text); break;
            case DictValue d: AppendMapping(d, level); break;
            case SequenceValue s: AppendItems('[', s.Items, ']', level, item => Append(item, level + 1)); break;
            default:
                string scalar = Scalar(value) ?? throw _x.TypeError($"Object of type {value.TypeName} is not JSON serializable");
                _x.Allocate(scalar.Length);
                _to.Append(scalar);
                break;
        }
        _x.Leave();
    }

    private static string? Scalar(Value value) => value switch
    {
        NoneValue => "null",
        BoolValue b => b.Is ? "true" : "false",
        IntValue i => PythonText.Integer(i.Number),
        FloatValue f => double.IsNaN(f.Number) ? "NaN" : double.IsInfinity(f.Number) ? (f.Number > 0 ? "Infinity" : "-Infinity") : PythonText.Float(f.Number),
        _ => null,
    };

    private void AppendMapping(DictValue mapping, int level)
    {
        var entries = mapping.Entries.ToList();
        _x.Work(entries.Count);
        if (_sorted)
        {
            entries = Sorting.Sorted(_x, entries, e => e.Key, descending: false);
        }
        AppendItems('{', entries, '}', level, entry =>
        {
            AppendText(entry.Key is TextValue t ? t.Text
                : Scalar(entry.Key) ?? throw _x.TypeError($"keys must be str, int, float, bool or None, not {entry.Key.TypeName}"));
            _x.Allocate(_keySeparator.Length);
            _to.Append(_keySeparator);
            Append(entry.Value, level + 1);
        });
    }

    private void AppendItems<T>(char open, IReadOnlyList<T> items, char close, int level, Action<T> append)
    {
        _to.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            _x.Step();
            if (i > 0)
            {
                _x.Allocate(_itemSeparator.Length);
                _to.Append(_itemSeparator);
            }
            AppendNewLine(level + 1);
            append(items[i]);
        }
        if (items.Count > 0)
        {
            AppendNewLine(level);
        }
        _x.Allocate(2);
        _to.Append(close);
    }

    private void AppendNewLine(int level)
    {
        if (_indent is null)
        {
            return;
        }
        _x.Allocate(1 + (long)_indent.Length * level);
        _to.Append('\n');
        for (int i = 0; i < level; i++)
        {
            _to.Append(_indent);
        }
    }

    private void AppendText(string text)
    {
        _x.Allocate(text.Length + 2);
        _to.Append('"');
        foreach (char c in text)
        {
            switch (c)
            {
                case '"': _to.Append("\\\""); break;
                case '\\': _to.Append("\\\\"); break;
                case '\n': _to.Append("\\n"); break;
                case '\r': _to.Append("\\r"); break;
                case '\t': _to.Append("\\t"); break;
                case '\b': _to.Append("\\b"); break;
                case '\f': _to.Append("\\f"); break;
                default:
                    if (c < ' ' || (_ascii && c > '~'))
                    {
                        _to.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    }
                    else
                    {
                        _to.Append(c);
                    }
                    break;
            }
        }
        _to.Append('"');
    }
}
