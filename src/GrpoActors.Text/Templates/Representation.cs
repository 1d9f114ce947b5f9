using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>Python's <c>str()</c> and <c>repr()</c> of values.</summary>
internal static class Representation
{
    public static string Str(Execution x, Value value)
    {
        if (value is TextValue text)
        {
            return text.Text;
        }
        if (value is UndefinedValue)
        {
            return "";
        }
        var result = new StringBuilder();
        Append(x, result, value);
        return result.ToString();
    }

    public static string Repr(Execution x, Value value)
    {
        var result = new StringBuilder();
        Append(x, result, value);
        return result.ToString();
    }

    private static void Append(Execution x, StringBuilder to, Value value)
    {
        x.Enter();
        int before = to.Length;
        switch (value)
        {
            case NoneValue: to.Append("None"); break;
            case BoolValue b: to.Append(b.Is ? "True" : "False"); break;
            case IntValue i: to.Append(PythonText.Integer(i.Number)); break;
            case FloatValue f: to.Append(PythonText.Float(f.Number)); break;
            case TextValue { IsMarkup: true } t: to.Append("Markup(").Append(Quoted(x, t)).Append(')'); break;
            case TextValue t: to.Append(Quoted(x, t)); break;
            case ListValue l: AppendItems(x, to, '[', l.Items, "]"); break;
            case GroupValue g: AppendItems(x, to, '(', g.Items, ")"); break;
            case TupleValue t: AppendItems(x, to, '(', t.Items, t.Items.Count == 1 ? ",)" : ")"); break;
            case DictValue d: AppendMapping(x, to, d.Entries); break;
            case DictViewValue v:
                to.Append(v.TypeName).Append('(');
                AppendItems(x, to, '[', v.Items, "])");
                break;
            case NamespaceValue n:
                to.Append("<Namespace ");
                AppendMapping(x, to, n.Names.Select(e => ((Value)new TextValue(e.Key), e.Value)));
                to.Append('>');
                break;
            case RangeValue r:
                to.Append("range(").Append(r.Start).Append(", ").Append(r.Stop).Append(r.Step == 1 ? "" : $", {r.Step}").Append(')');
                break;
            case UndefinedValue: to.Append("Undefined"); break;
            case MacroValue m: to.Append("<Macro ").Append(PythonText.Repr(m.Name)).Append('>'); break;
            // Python would print an address; a rendering must not depend on one.
            case CallableValue c: to.Append('<').Append(c.TypeName).Append(' ').Append(c.Name).Append('>'); break;
            default: to.Append('<').Append(value.TypeName).Append(" object>"); break;
        }
        if (value is not (SequenceValue or DictValue or DictViewValue or NamespaceValue))
        {
            x.Allocate(to.Length - before);
        }
        x.Leave();
    }

    private static string Quoted(Execution x, TextValue text)
    {
        x.Allocate(text.Text.Length);
        return PythonText.Repr(text.Text);
    }

    private static void AppendItems(Execution x, StringBuilder to, char open, IEnumerable<Value> items, string close)
    {
        to.Append(open);
        string separator = "";
        foreach (var item in items)
        {
            to.Append(separator);
            Append(x, to, item);
            separator = ", ";
        }
        to.Append(close);
    }

    private static void AppendMapping(Execution x, StringBuilder to, IEnumerable<(Value Key, Value Value)> entries)
    {
        to.Append('{');
        string separator = "";
        foreach (var (key, value) in entries)
        {
            to.Append(separator);
            Append(x, to, key);
            to.Append(": ");
            Append(x, to, value);
            separator = ", ";
        }
        to.Append('}');
    }
}
