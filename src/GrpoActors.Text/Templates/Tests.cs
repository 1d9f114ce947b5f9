namespace GrpoActors.Text.Templates;

/// <summary>Jinja's built-in tests: <c>x is defined</c>.</summary>
internal static class Tests
{
    private delegate bool Test(Execution x, Value value, Value?[] arguments);

    private static readonly Dictionary<string, (int Arguments, Test Holds)> ByName = new()
    {
        ["boolean"] = (0, (_, v, _) => v is BoolValue),
        ["callable"] = (0, (_, v, _) => v is CallableValue or UndefinedValue),
        ["defined"] = (0, (_, v, _) => v is not UndefinedValue),
        ["divisibleby"] = (1, (x, v, a) => !Operators.Binary(x, "%", v, a[0]!).IsTrue),
        ["escaped"] = (0, (_, v, _) => v is TextValue { IsMarkup: true }),
        ["even"] = (0, (x, v, _) => !Operators.Binary(x, "%", v, new IntValue(2)).IsTrue),
        ["odd"] = (0, (x, v, _) => Operators.Equal(x, Operators.Binary(x, "%", v, new IntValue(2)), new IntValue(1))),
        ["false"] = (0, (_, v, _) => v is BoolValue { Is: false }),
        ["true"] = (0, (_, v, _) => v is BoolValue { Is: true }),
        ["filter"] = (0, (x, v, _) => v is TextValue t && Filters.Exists(t.Text)),
        ["test"] = (0, (x, v, _) => v is TextValue t && Exists(t.Text)),
        ["float"] = (0, (_, v, _) => v is FloatValue),
        ["integer"] = (0, (_, v, _) => v is IntValue),
        ["number"] = (0, (_, v, _) => v is IntValue or FloatValue or BoolValue),
        ["in"] = (1, (x, v, a) => Operators.Contains(x, a[0]!, v)),
        ["iterable"] = (0, (_, v, _) => Operators.IsIterable(v) || v is LoopValue),
        ["lower"] = (0, (x, v, _) => Is(x, "islower", v)),
        ["upper"] = (0, (x, v, _) => Is(x, "isupper", v)),
        ["mapping"] = (0, (_, v, _) => v is DictValue),
        ["none"] = (0, (_, v, _) => v is NoneValue),
        ["sameas"] = (1, (_, v, a) => ReferenceEquals(v, a[0]) || (v is BoolValue && v == a[0])),
        ["sequence"] = (0, (_, v, _) => v is TextValue or SequenceValue or DictValue or RangeValue or UndefinedValue),
        ["string"] = (0, (_, v, _) => v is TextValue),
        ["undefined"] = (0, (_, v, _) => v is UndefinedValue),
        ["eq"] = (1, Equal),
        ["equalto"] = (1, Equal),
        ["=="] = (1, Equal),
        ["ne"] = (1, NotEqual),
        ["!="] = (1, NotEqual),
        ["lt"] = (1, Ordered("<")),
        ["lessthan"] = (1, Ordered("<")),
        ["<"] = (1, Ordered("<")),
        ["le"] = (1, Ordered("<=")),
        ["<="] = (1, Ordered("<=")),
        ["gt"] = (1, Ordered(">")),
        ["greaterthan"] = (1, Ordered(">")),
        [">"] = (1, Ordered(">")),
        ["ge"] = (1, Ordered(">=")),
        [">="] = (1, Ordered(">=")),
    };

    private static readonly string[] OneArgument = ["other"];

    public static bool Exists(string name) => ByName.ContainsKey(name);

    public static bool Apply(Execution x, string name, Value value, Arguments arguments)
    {
        if (!ByName.TryGetValue(name, out var test))
        {
            throw x.TypeError($"No test named '{name}'.");
        }
        return test.Holds(x, value, arguments.Bind(x, $"test '{name}'", test.Arguments, OneArgument.AsSpan(0, test.Arguments)));
    }

    private static bool Equal(Execution x, Value value, Value?[] arguments) => Operators.Equal(x, value, arguments[0]!);

    private static bool NotEqual(Execution x, Value value, Value?[] arguments) => !Operators.Equal(x, value, arguments[0]!);

    private static Test Ordered(string op) => (x, value, arguments) => Operators.Ordered(x, op, value, arguments[0]!);

    private static bool Is(Execution x, string method, Value value) =>
        TextMethods.Call(x, new TextValue(Representation.Str(x, value)), method, Arguments.None).IsTrue;
}
