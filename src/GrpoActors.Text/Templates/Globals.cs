namespace GrpoActors.Text.Templates;

/// <summary>The functions that every template finds: Jinja's own and the two that transformers adds.</summary>
internal static class Globals
{
    /// <summary>As in Jinja's sandbox.</summary>
    private const int RangeMax = 100_000;

    public static void AddTo(Scope scope, DateTimeOffset? now)
    {
        Add("range", Range);
        Add("dict", Dict);
        Add("namespace", Namespace);
        Add("cycler", (x, a) => a.Positional.Count == 0 ? throw x.TypeError("at least one item has to be provided") : new CyclerValue(a.Positional));
        Add("joiner", Joiner);
        Add("raise_exception", (x, a) =>
            throw x.Error(TemplateErrorKind.Raised, Representation.Str(x, a.Bind(x, "raise_exception", 1, "message")[0]!)));
        Add("strftime_now", (x, a) =>
        {
            string format = Arguments.Str(x, "strftime_now", a.Bind(x, "strftime_now", 1, "format")[0], "");
            return now is { } time
                ? x.Text(Clock.Format(x, time, format))
                : throw x.TypeError("The template asks for the date (strftime_now), but the rendering was given none.");
        });

        void Add(string name, Func<Execution, Arguments, Value> body) => scope.Set(name, new FunctionValue(name, body));
    }

    private static RangeValue Range(Execution x, Arguments arguments)
    {
        var bound = arguments.Bind(x, "range", 1, "start", "stop", "step");
        int first = Arguments.Int(x, "range", bound[0], 0);
        var (start, stop) = bound[1] is null ? (0, first) : (first, Arguments.Int(x, "range", bound[1], 0));
        int step = Arguments.Int(x, "range", bound[2], 1);
        if (step == 0)
        {
            throw x.TypeError("range() arg 3 must not be zero");
        }
        var range = new RangeValue(start, stop, step);
        return range.Count <= RangeMax
            ? range
            : throw x.Error(TemplateErrorKind.Limit, $"Range too big. The sandbox blocks ranges larger than {RangeMax}.");
    }

    private static IEnumerable<(Value Key, Value Value)> Entries(Execution x, string what, Arguments arguments)
    {
        if (arguments.Positional.Count > 1)
        {
            throw x.TypeError($"{what} expected at most 1 argument, got {arguments.Positional.Count}");
        }
        foreach (var source in arguments.Positional)
        {
            foreach (var entry in source is DictValue mapping ? mapping.Entries : Pairs(x, source))
            {
                yield return entry;
            }
        }
        foreach (var (name, value) in arguments.Named)
        {
            yield return (new TextValue(name), value);
        }
    }

    private static IEnumerable<(Value Key, Value Value)> Pairs(Execution x, Value source)
    {
        foreach (var item in Operators.Items(x, source))
        {
            var pair = x.List(Operators.Items(x, item).Take(3));
            yield return pair.Count == 2 ? (pair[0], pair[1]) : throw x.TypeError("dictionary update sequence element needs length 2");
        }
    }

    private static DictValue Dict(Execution x, Arguments arguments)
    {
        var mapping = new DictValue();
        foreach (var (key, value) in Entries(x, "dict", arguments))
        {
            x.AllocateItem();
            if (!mapping.TrySet(key, value))
            {
                throw x.TypeError($"unhashable type: '{key.TypeName}'");
            }
        }
        return mapping;
    }

    private static NamespaceValue Namespace(Execution x, Arguments arguments)
    {
        var ns = new NamespaceValue();
        foreach (var (key, value) in Entries(x, "namespace", arguments))
        {
            x.AllocateItem();
            ns.Names[Arguments.Str(x, "namespace", key, "")] = value;
        }
        return ns;
    }

    private static FunctionValue Joiner(Execution x, Arguments arguments)
    {
        var separator = arguments.Bind(x, "joiner", 0, "sep")[0] ?? new TextValue(", ");
        bool used = false;
        return new FunctionValue("joiner", (_, _) =>
        {
            var result = used ? separator : TextValue.Empty;
            used = true;
            return result;
        });
    }
}
