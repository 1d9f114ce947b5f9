namespace GrpoActors.Text.Templates;

/// <summary>What a filter, test, function, method or macro is called with.</summary>
internal sealed class Arguments(IReadOnlyList<Value> positional, IReadOnlyList<KeyValuePair<string, Value>> named)
{
    public static readonly Arguments None = new([], []);

    public IReadOnlyList<Value> Positional => positional;

    public IReadOnlyList<KeyValuePair<string, Value>> Named => named;

    /// <summary>Lays the arguments out by parameter; null where one is absent.</summary>
    /// <param name="x">The rendering.</param>
    /// <param name="what">Names the callee in errors: <c>filter 'join'</c>.</param>
    /// <param name="required">How many of the first parameters must be given.</param>
    /// <param name="parameters">In order.</param>
    public Value?[] Bind(Execution x, string what, int required, params ReadOnlySpan<string> parameters)
    {
        if (positional.Count > parameters.Length)
        {
            throw x.TypeError($"{what} takes at most {parameters.Length} arguments, but {positional.Count} were given.");
        }
        var bound = new Value?[parameters.Length];
        for (int i = 0; i < positional.Count; i++)
        {
            bound[i] = positional[i];
        }
        foreach (var (name, value) in named)
        {
            int i = parameters.IndexOf(name);
            if (i < 0 || bound[i] is not null)
            {
                throw x.TypeError(i < 0 ? $"{what} has no argument '{name}'." : $"{what} got two values for its argument '{name}'.");
            }
            bound[i] = value;
        }
        for (int i = 0; i < required; i++)
        {
            if (bound[i] is null)
            {
                throw x.TypeError($"{what} needs its argument '{parameters[i]}'.");
            }
        }
        return bound;
    }

    /// <summary>The same arguments without the first <paramref name="count"/> positional ones.</summary>
    public Arguments Skip(int count) => new([.. positional.Skip(count)], named);

    public static bool True(Value? value, bool absent = false) => value?.IsTrue ?? absent;

    /// <summary>An argument that must be a whole number and fit 32 bits.</summary>
    public static int Int(Execution x, string what, Value? value, int absent) => value switch
    {
        null => absent,
        IntValue { Number: var n } when n >= int.MinValue && n <= int.MaxValue => (int)n,
        BoolValue b => b.Is ? 1 : 0,
        IntValue => throw x.TypeError($"{what} takes an integer of 32 bits here."),
        _ => throw x.TypeError($"{what}: '{value.TypeName}' object cannot be interpreted as an integer"),
    };

    public static string Str(Execution x, string what, Value? value, string absent) => value switch
    {
        null => absent,
        TextValue t => t.Text,
        UndefinedValue u => throw x.Undefined(u),
        _ => throw x.TypeError($"{what} takes a str here, not '{value.TypeName}'."),
    };
}
