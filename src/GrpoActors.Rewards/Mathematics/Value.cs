namespace GrpoActors.Rewards.Mathematics;

/// <summary>What an answer states, by its type. <see cref="ValueComparison"/> holds the rules of each.</summary>
internal abstract record Value
{
    private Value()
    {
    }

    /// <summary>A number or a formula.</summary>
    /// <param name="Measure">What it measures or counts; null if nothing is said.</param>
    /// <param name="IsApproximate">It is said to be about this.</param>
    public sealed record Scalar(Expression Of, Unit? Measure = null, bool IsApproximate = false) : Value;

    /// <summary><c>3 \pm 2</c>: two numbers.</summary>
    public sealed record PlusMinus(Scalar Of) : Value;

    /// <summary>Equal expressions of one thing, the exact one first: <c>\frac13 \approx 0.333</c>.</summary>
    public sealed record Chain(IReadOnlyList<Scalar> Sides) : Value;

    /// <summary>A tuple, a point, a vector or an interval: the brackets and the order count.</summary>
    public sealed record Bracketed(char Open, char Close, IReadOnlyList<Value> Items) : Value;

    public enum Link
    {
        Comma,
        And,
        Or,
    }

    /// <summary>A list without brackets: the order does not count.</summary>
    public sealed record Several(IReadOnlyList<Value> Items, Link Joint) : Value;

    public sealed record Set(IReadOnlyList<Value> Items) : Value;

    /// <summary>Real numbers: unions of intervals and points.</summary>
    public sealed record Region(RealSet Of, string Spelling) : Value;

    /// <summary><c>x = 5</c>, <c>f(2) = 3</c>, <c>\text{Area} = 12</c>: a name and what it is.</summary>
    public sealed record Named(string Name, Value Is, Equation? As) : Value;

    public sealed record Equation(Expression Left, Expression Right) : Value;

    /// <summary><c>x \le 3</c>, <c>1 &lt; x &lt; 7</c>.</summary>
    /// <param name="Sides">One more than operators; the first is null in "&gt; 5".</param>
    /// <param name="Operators">Of <c>&lt; ≤ &gt; ≥ ≠</c>.</param>
    public sealed record Relation(IReadOnlyList<Expression?> Sides, string Operators) : Value;

    public sealed record Matrix(IReadOnlyList<IReadOnlyList<Expression>> Rows) : Value;

    /// <param name="Half">"am" or "pm"; empty if nothing is said.</param>
    public sealed record Time(int Hour, int Minute, int Second, string Half) : Value;

    public sealed record Ratio(IReadOnlyList<Expression> Terms) : Value;

    /// <summary><c>2516_8</c>.</summary>
    public sealed record InBase(string Digits, int Base, bool IsNegative) : Value;

    /// <summary>A date or an address: what is compared letter for letter though it stands in a list.</summary>
    public sealed record Written(string Letters) : Value;

    public string Kind => this switch
    {
        Scalar { Measure.IsNone: false } x => $"{x.Of.Notation} with a unit",
        Scalar x => x.Of.Notation,
        PlusMinus => "plus-minus",
        Chain => "chain of equal expressions",
        Bracketed { Open: '(', Close: ')' } => "tuple or open interval",
        Bracketed => "interval or tuple",
        Several => "list",
        Set => "set",
        Region => "set of real numbers",
        Named => "named value",
        Equation => "equation",
        Relation => "relation",
        Matrix => "matrix",
        Time => "time",
        Ratio => "ratio",
        InBase => "number of another base",
        _ => "date or address",
    };

    public sealed override string ToString() => this switch
    {
        Scalar x => $"{(x.IsApproximate ? "about " : "")}{x.Of}{(x.Measure is { IsNone: false } unit ? $" [{unit}]" : "")}",
        PlusMinus x => x.Of.ToString(),
        Chain x => string.Join(" = ", x.Sides),
        Bracketed x => $"{x.Open}{string.Join(", ", x.Items)}{x.Close}",
        Several x => string.Join(x.Joint == Link.Or ? " or " : ", ", x.Items),
        Set x => $"{{{string.Join(", ", x.Items)}}}",
        Region x => x.Spelling,
        Named x => $"{x.Name} = {x.Is}",
        Equation x => $"{x.Left} = {x.Right}",
        Relation x => string.Concat(x.Sides.Select((side, i) => $"{side}{(i < x.Operators.Length ? $" {x.Operators[i]} " : "")}")).TrimStart(),
        Matrix x => $"[{string.Join("; ", x.Rows.Select(row => string.Join(", ", row)))}]",
        Time x => $"{x.Hour}:{x.Minute:00}{(x.Second > 0 ? $":{x.Second:00}" : "")} {x.Half}".TrimEnd(),
        Ratio x => string.Join(":", x.Terms),
        InBase x => $"{(x.IsNegative ? "-" : "")}{x.Digits} in base {x.Base}",
        Written x => x.Letters,
        _ => "",
    };
}
