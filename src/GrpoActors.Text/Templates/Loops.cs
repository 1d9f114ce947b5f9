namespace GrpoActors.Text.Templates;

internal sealed class ForStatement(
    int at, Target target, Expression items, Expression? condition, Body body, Body? otherwise, bool isRecursive) : Statement(at)
{
    public override Flow Render(Scope scope, Output output)
    {
        var value = items.Evaluate(scope);
        scope.Execution.At = At;
        Run(scope, value, output, depth: 0);
        return Flow.Next;
    }

    private void Run(Scope scope, Value value, Output output, int depth)
    {
        var x = scope.Execution;
        var rounds = x.List(Wanted(scope, Operators.Items(x, value)));
        bool finishedOne = false;
        LoopValue? loop = null;
        for (int i = 0; i < rounds.Count; i++)
        {
            x.At = At;
            x.Step();
            loop ??= new LoopValue(rounds, depth, isRecursive ? again => Recurse(scope, again, depth + 1) : null);
            loop.Index = i;
            var inner = scope.Inner();
            inner.Set("loop", loop);
            target.Assign(inner, rounds[i]);
            var flow = body.Render(inner, output);
            if (flow == Flow.Break)
            {
                break;
            }
            finishedOne |= flow == Flow.Next;
        }
        // As in Jinja, "else" runs unless a round came to its end: also where every round was left by break or continue.
        if (!finishedOne)
        {
            otherwise?.Render(scope.Inner(), output);
        }
    }

    private TextValue Recurse(Scope scope, Value value, int depth)
    {
        var x = scope.Execution;
        x.Enter();
        var output = new Output(x);
        Run(scope, value, output, depth);
        x.Leave();
        return output.ToValue();
    }

    private IEnumerable<Value> Wanted(Scope scope, IEnumerable<Value> all)
    {
        foreach (var item in all)
        {
            if (condition is not null)
            {
                var inner = scope.Inner();
                target.Assign(inner, item);
                if (!condition.Evaluate(inner).IsTrue)
                {
                    continue;
                }
            }
            yield return item;
        }
    }
}

/// <summary>The name <c>loop</c> inside a for.</summary>
internal sealed class LoopValue(IReadOnlyList<Value> items, int depth, Func<Value, Value>? recurse) : CallableValue("loop")
{
    private IReadOnlyList<Value>? _lastSeen;

    public int Index { get; set; }

    public override string TypeName => "LoopContext";

    public override Value Call(Execution x, Arguments arguments)
    {
        var value = arguments.Bind(x, "loop", 1, "iterable")[0]!;
        return recurse is null
            ? throw x.TypeError("The loop must have the 'recursive' marker to be called recursively.")
            : recurse(value);
    }

    public Value? Attribute(string name) => name switch
    {
        "index" => new IntValue(Index + 1),
        "index0" => new IntValue(Index),
        "revindex" => new IntValue(items.Count - Index),
        "revindex0" => new IntValue(items.Count - Index - 1),
        "first" => BoolValue.Of(Index == 0),
        "last" => BoolValue.Of(Index == items.Count - 1),
        "length" => new IntValue(items.Count),
        "depth" => new IntValue(depth + 1),
        "depth0" => new IntValue(depth),
        "previtem" => Index > 0 ? items[Index - 1] : new UndefinedValue("there is no previous item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new UndefinedValue("there is no next item"),
        "cycle" => new FunctionValue("cycle", Cycle),
        "changed" => new FunctionValue("changed", Changed),
        _ => null,
    };

    private Value Cycle(Execution x, Arguments arguments) => arguments.Positional.Count == 0
        ? throw x.TypeError("no items for cycling given")
        : arguments.Positional[Index % arguments.Positional.Count];

    private BoolValue Changed(Execution x, Arguments arguments)
    {
        bool same = _lastSeen is not null && Operators.Equal(x, new TupleValue(_lastSeen), new TupleValue(arguments.Positional));
        _lastSeen = arguments.Positional;
        return BoolValue.Of(!same);
    }
}
