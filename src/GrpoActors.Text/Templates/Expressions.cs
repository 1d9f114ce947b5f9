namespace GrpoActors.Text.Templates;

/// <param name="at">Offset in the source.</param>
internal abstract class Expression(int at)
{
    public int At => at;

    public Value Evaluate(Scope scope)
    {
        var x = scope.Execution;
        x.At = at;
        x.Enter();
        var value = Compute(scope, x);
        x.Leave();
        return value;
    }

    protected abstract Value Compute(Scope scope, Execution x);
}

internal sealed class Literal(int at, Value value) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x) => value;
}

internal sealed class NameExpression(int at, string name) : Expression(at)
{
    public string Name => name;

    protected override Value Compute(Scope scope, Execution x) => scope.Find(name) ?? UndefinedValue.Name(name);
}

internal sealed class ItemsExpression(int at, IReadOnlyList<Expression> items, bool isTuple) : Expression(at)
{
    public IReadOnlyList<Expression> Items => items;

    public bool IsTuple => isTuple;

    protected override Value Compute(Scope scope, Execution x)
    {
        var values = x.List(items.Select(i => i.Evaluate(scope)));
        return isTuple ? new TupleValue(values) : new ListValue(values);
    }
}

internal sealed class MappingExpression(int at, IReadOnlyList<(Expression Key, Expression Value)> entries) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var mapping = new DictValue();
        foreach (var (key, value) in entries)
        {
            x.AllocateItem();
            var k = key.Evaluate(scope);
            if (!mapping.TrySet(k, value.Evaluate(scope)))
            {
                x.At = key.At;
                throw x.TypeError($"unhashable type: '{k.TypeName}'");
            }
        }
        return mapping;
    }
}

internal sealed class ConditionalExpression(int at, Expression condition, Expression then, Expression? otherwise) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x) =>
        condition.Evaluate(scope).IsTrue ? then.Evaluate(scope)
        : otherwise?.Evaluate(scope)
        ?? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.");
}

internal sealed class LogicalExpression(int at, bool isAnd, Expression left, Expression right) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var first = left.Evaluate(scope);
        return first.IsTrue == isAnd ? right.Evaluate(scope) : first;
    }
}

internal sealed class NotExpression(int at, Expression operand) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x) => BoolValue.Of(!operand.Evaluate(scope).IsTrue);
}

internal sealed class UnaryExpression(int at, string op, Expression operand) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = operand.Evaluate(scope);
        x.At = At;
        return Operators.Unary(x, op, value);
    }
}

internal sealed class BinaryExpression(int at, string op, Expression left, Expression right) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var a = left.Evaluate(scope);
        var b = right.Evaluate(scope);
        x.At = At;
        return Operators.Binary(x, op, a, b);
    }
}

/// <summary><c>a ~ b ~ c</c>: each as text.</summary>
internal sealed class ConcatExpression(int at, IReadOnlyList<Expression> parts) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var result = new Output(x);
        foreach (var part in parts)
        {
            result.Write(part.Evaluate(scope));
        }
        return result.ToValue();
    }
}

/// <summary><c>a &lt; b &lt;= c</c>: as Python, each operand once, true if every pair holds.</summary>
internal sealed class CompareExpression(int at, Expression first, IReadOnlyList<(string Op, Expression Operand)> rest) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var left = first.Evaluate(scope);
        foreach (var (op, operand) in rest)
        {
            var right = operand.Evaluate(scope);
            x.At = At;
            if (!Holds(x, op, left, right))
            {
                return BoolValue.False;
            }
            left = right;
        }
        return BoolValue.True;
    }

    private static bool Holds(Execution x, string op, Value left, Value right) => op switch
    {
        "==" => Operators.Equal(x, left, right),
        "!=" => !Operators.Equal(x, left, right),
        "in" => Operators.Contains(x, right, left),
        "not in" => !Operators.Contains(x, right, left),
        _ => Operators.Ordered(x, op, left, right),
    };
}

internal sealed class AttributeExpression(int at, Expression target, string name) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = target.Evaluate(scope);
        x.At = At;
        return Access.Attribute(x, value, name);
    }
}

internal sealed class ItemExpression(int at, Expression target, Expression key) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = target.Evaluate(scope);
        var k = key.Evaluate(scope);
        x.At = At;
        return Access.Item(x, value, k);
    }
}

internal sealed class SliceExpression(int at, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = target.Evaluate(scope);
        var (a, b, c) = (start?.Evaluate(scope), stop?.Evaluate(scope), step?.Evaluate(scope));
        x.At = At;
        return Access.Slice(x, value, a, b, c);
    }
}

/// <summary>The arguments as written: <c>(a, b=1, *more, **others)</c>.</summary>
internal sealed record ArgumentList(
    IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named, Expression? More, Expression? Others)
{
    public static readonly ArgumentList None = new([], [], null, null);

    public Arguments Evaluate(Scope scope)
    {
        var x = scope.Execution;
        if (Positional.Count == 0 && Named.Count == 0 && More is null && Others is null)
        {
            return Arguments.None;
        }
        var positional = x.List(Positional.Select(p => p.Evaluate(scope)));
        if (More is not null)
        {
            positional.AddRange(x.List(Operators.Items(x, More.Evaluate(scope))));
        }
        var named = new List<KeyValuePair<string, Value>>();
        foreach (var (name, value) in Named)
        {
            x.AllocateItem();
            named.Add(new(name, value.Evaluate(scope)));
        }
        if (Others is not null)
        {
            AddOthers(scope, x, named);
        }
        return new Arguments(positional, named);
    }

    private void AddOthers(Scope scope, Execution x, List<KeyValuePair<string, Value>> named)
    {
        if (Others!.Evaluate(scope) is not DictValue mapping)
        {
            throw x.TypeError("argument after ** must be a mapping");
        }
        foreach (var (key, value) in mapping.Entries)
        {
            x.AllocateItem();
            string name = key is TextValue t ? t.Text : throw x.TypeError("keywords must be strings");
            named.Add(named.Exists(n => n.Key == name)
                ? throw x.TypeError($"got multiple values for keyword argument '{name}'")
                : new(name, value));
        }
    }
}

internal sealed class CallExpression(int at, Expression target, ArgumentList arguments) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x) => Call(scope, null);

    /// <param name="scope">Where the arguments are evaluated.</param>
    /// <param name="caller">What a call block hands over.</param>
    public Value Call(Scope scope, MacroValue? caller)
    {
        var x = scope.Execution;
        var callee = target.Evaluate(scope);
        var values = arguments.Evaluate(scope);
        x.At = At;
        if (caller is not null)
        {
            values = new Arguments(values.Positional, [.. values.Named, new("caller", caller)]);
        }
        return callee switch
        {
            CallableValue callable => callable.Call(x, values),
            UndefinedValue undefined => throw x.Undefined(undefined),
            _ => throw x.TypeError($"'{callee.TypeName}' object is not callable"),
        };
    }
}

internal sealed class FilterExpression(int at, string name, Expression target, ArgumentList arguments) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = target.Evaluate(scope);
        var values = arguments.Evaluate(scope);
        x.At = At;
        return Filters.Apply(x, name, value, values);
    }
}

/// <summary>What a filter block or a block set pipes through its filters.</summary>
internal sealed class PipedExpression(int at) : Expression(at)
{
    /// <summary>No template can spell this name.</summary>
    public const string Name = "|";

    protected override Value Compute(Scope scope, Execution x) => scope.Find(Name)!;
}

internal sealed class TestExpression(int at, string name, Expression target, ArgumentList arguments) : Expression(at)
{
    protected override Value Compute(Scope scope, Execution x)
    {
        var value = target.Evaluate(scope);
        var values = arguments.Evaluate(scope);
        x.At = At;
        return BoolValue.Of(Tests.Apply(x, name, value, values));
    }
}
