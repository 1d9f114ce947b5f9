namespace GrpoActors.Text.Templates;

/// <summary>How a statement ended: with the next one, or by leaving the loop or its round.</summary>
internal enum Flow
{
    Next, Break, Continue,
}

internal abstract class Statement(int at)
{
    public int At => at;

    public abstract Flow Render(Scope scope, Output output);
}

internal sealed class Body(IReadOnlyList<Statement> statements)
{
    public Flow Render(Scope scope, Output output)
    {
        var x = scope.Execution;
        x.Enter();
        var flow = Flow.Next;
        for (int i = 0; i < statements.Count && flow == Flow.Next; i++)
        {
            x.Step();
            flow = statements[i].Render(scope, output);
        }
        x.Leave();
        return flow;
    }
}

internal sealed class DataStatement(int at, string text) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        scope.Execution.At = At;
        output.Write(text);
        return Flow.Next;
    }
}

internal sealed class OutputStatement(int at, Expression expression) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        var value = expression.Evaluate(scope);
        scope.Execution.At = At;
        output.Write(value);
        return Flow.Next;
    }
}

internal sealed class IfStatement(int at, IReadOnlyList<(Expression Condition, Body Body)> branches, Body? otherwise) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        foreach (var (condition, body) in branches)
        {
            if (condition.Evaluate(scope).IsTrue)
            {
                return body.Render(scope, output);
            }
        }
        return otherwise?.Render(scope, output) ?? Flow.Next;
    }
}

internal sealed class JumpStatement(int at, Flow flow) : Statement(at)
{
    public override Flow Render(Scope scope, Output output) => flow;
}

/// <summary>Where a value goes: a name, a namespace's attribute or a tuple of such.</summary>
internal abstract record Target(int At)
{
    public sealed record Name(int At, string Text) : Target(At);

    public sealed record Attribute(int At, string Namespace, string Text) : Target(At);

    public sealed record Tuple(int At, IReadOnlyList<Target> Items) : Target(At);

    public IEnumerable<string> Names => this switch
    {
        Name name => [name.Text],
        Tuple tuple => tuple.Items.SelectMany(i => i.Names),
        _ => [],
    };

    public void Assign(Scope scope, Value value)
    {
        var x = scope.Execution;
        switch (this)
        {
            case Name name:
                scope.Set(name.Text, value);
                break;
            case Attribute attribute:
                x.At = At;
                var ns = scope.Find(attribute.Namespace) as NamespaceValue
                    ?? throw x.Error(TemplateErrorKind.Value, "cannot assign attribute on non-namespace object");
                x.AllocateItem();
                ns.Names[attribute.Text] = value;
                break;
            case Tuple tuple:
                Unpack(scope, x, tuple.Items, value);
                break;
        }
    }

    private void Unpack(Scope scope, Execution x, IReadOnlyList<Target> targets, Value value)
    {
        x.At = At;
        var values = x.List(Operators.Items(x, value, t => $"cannot unpack non-iterable {t} object").Take(targets.Count + 1));
        if (values.Count != targets.Count)
        {
            throw x.TypeError(values.Count > targets.Count
                ? $"too many values to unpack (expected {targets.Count})"
                : $"not enough values to unpack (expected {targets.Count}, got {values.Count})");
        }
        for (int i = 0; i < targets.Count; i++)
        {
            targets[i].Assign(scope, values[i]);
        }
    }
}

internal sealed class SetStatement(int at, Target target, Expression value) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        target.Assign(scope, value.Evaluate(scope));
        return Flow.Next;
    }
}

internal sealed class BlockSetStatement(int at, Target target, Body body, Expression? filtered) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        var inner = scope.Inner();
        var text = new Output(scope.Execution);
        var flow = body.Render(inner, text);
        if (flow == Flow.Next)
        {
            Value value = text.ToValue();
            if (filtered is not null)
            {
                inner.Set(PipedExpression.Name, value);
                value = filtered.Evaluate(inner);
            }
            target.Assign(scope, value);
        }
        return flow;
    }
}

internal sealed class FilterStatement(int at, Body body, Expression filtered) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        var inner = scope.Inner();
        var text = new Output(scope.Execution);
        var flow = body.Render(inner, text);
        if (flow == Flow.Next)
        {
            inner.Set(PipedExpression.Name, text.ToValue());
            output.Write(filtered.Evaluate(inner));
        }
        return flow;
    }
}

internal sealed class WithStatement(int at, IReadOnlyList<(Target Target, Expression Value)> assignments, Body body) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        var inner = scope.Inner();
        foreach (var (target, value) in assignments)
        {
            target.Assign(inner, value.Evaluate(scope));
        }
        return body.Render(inner, output);
    }
}

/// <summary>What the assistant says: the same text, marked.</summary>
internal sealed class GenerationStatement(int at, Body body) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        int start = output.Length;
        body.Render(scope.Inner(), output);
        output.Mark(start, output.Length);
        return Flow.Next;
    }
}

internal sealed class MacroStatement(int at, MacroShape shape) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        scope.Set(shape.Name, new MacroValue(shape, scope));
        return Flow.Next;
    }
}

internal sealed class CallStatement(int at, CallExpression call, MacroShape caller) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        output.Write(call.Call(scope, new MacroValue(caller, scope)));
        return Flow.Next;
    }
}

/// <param name="Name">For <c>caller</c> of a call block: that word.</param>
/// <param name="Parameters">With their defaults, which are evaluated at each call.</param>
/// <param name="Body">What it writes.</param>
/// <param name="UsesVarargs">The body reads <c>varargs</c>; otherwise surplus arguments are errors. So for the others.</param>
internal sealed record MacroShape(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, Body Body, bool UsesVarargs, bool UsesKwargs, bool UsesCaller);

internal sealed class MacroValue(MacroShape shape, Scope closure) : CallableValue(shape.Name)
{
    public override string TypeName => "Macro";

    public Value? Attribute(string name) => name switch
    {
        "name" => new TextValue(shape.Name),
        "arguments" => new TupleValue([.. shape.Parameters.Select(p => new TextValue(p.Name))]),
        "catch_kwargs" => BoolValue.Of(shape.UsesKwargs),
        "catch_varargs" => BoolValue.Of(shape.UsesVarargs),
        "caller" => BoolValue.Of(shape.UsesCaller),
        _ => null,
    };

    public override Value Call(Execution x, Arguments arguments)
    {
        x.Enter();
        var scope = closure.Inner();
        Bind(x, scope, arguments);
        var output = new Output(x);
        shape.Body.Render(scope, output);
        x.Leave();
        return output.ToValue();
    }

    private void Bind(Execution x, Scope scope, Arguments arguments)
    {
        var named = arguments.Named.ToList();
        for (int i = 0; i < shape.Parameters.Count; i++)
        {
            var (name, otherwise) = shape.Parameters[i];
            int at = named.FindIndex(n => n.Key == name);
            if (i < arguments.Positional.Count)
            {
                scope.Set(name, arguments.Positional[i]);
            }
            else if (at >= 0)
            {
                scope.Set(name, named[at].Value);
                named.RemoveAt(at);
            }
            else
            {
                // A default may name an earlier parameter.
                scope.Set(name, new UndefinedValue($"parameter {PythonText.Repr(name)} was not provided"));
                if (otherwise is not null)
                {
                    scope.Set(name, otherwise.Evaluate(scope));
                }
            }
        }
        BindSpecial(x, scope, arguments, named);
    }

    private void BindSpecial(Execution x, Scope scope, Arguments arguments, List<KeyValuePair<string, Value>> named)
    {
        if (shape.UsesCaller)
        {
            int at = named.FindIndex(n => n.Key == "caller");
            scope.Set("caller", at >= 0 ? named[at].Value : new UndefinedValue("No caller defined"));
            if (at >= 0)
            {
                named.RemoveAt(at);
            }
        }
        if (shape.UsesKwargs)
        {
            var kwargs = new DictValue();
            named.ForEach(n => kwargs.Set(n.Key, n.Value));
            scope.Set("kwargs", kwargs);
        }
        else if (named.Count > 0)
        {
            throw x.TypeError($"macro {PythonText.Repr(Name)} takes no keyword argument {PythonText.Repr(named[0].Key)}");
        }
        if (shape.UsesVarargs)
        {
            scope.Set("varargs", new TupleValue([.. arguments.Positional.Skip(shape.Parameters.Count)]));
        }
        else if (arguments.Positional.Count > shape.Parameters.Count)
        {
            throw x.TypeError($"macro {PythonText.Repr(Name)} takes not more than {shape.Parameters.Count} argument(s)");
        }
    }
}
