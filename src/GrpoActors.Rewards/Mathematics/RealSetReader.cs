namespace GrpoActors.Rewards.Mathematics;

/// <summary>Values that are sets of real numbers.</summary>
internal static class RealSetReader
{
    /// <summary>Intervals, relations of one variable, sets of numbers; null for what is no set of real numbers.</summary>
    public static RealSet? Of(Value value)
    {
        var formulas = new Formulas();
        switch (value)
        {
            case Value.Region x: return x.Of;
            case Value.Bracketed { Open: '(' or '[', Close: ')' or ']', Items: [Value.Scalar { Measure: null } low, Value.Scalar { Measure: null } high] } x:
                bool closedAtInfinity = (x.Open == '[' && low.Of.IsInfinite) || (x.Close == ']' && high.Of.IsInfinite);
                return !closedAtInfinity && !low.Of.HasVariables && !high.Of.HasVariables && End(formulas, low.Of, below: true) is { Known: true } from
                    && End(formulas, high.Of, below: false) is { Known: true } to
                    ? RealSet.Between(from.At, x.Open == '[', to.At, x.Close == ']') is { IsEmpty: false } interval ? interval : null : null;
            case Value.Set x:
                RealSet? points = RealSet.Empty;
                foreach (Value item in x.Items)
                {
                    points = points is not null && item is Value.Scalar { Measure: null, Of.HasVariables: false } number
                        && formulas.Value(number.Of) is { IsReal: true } at && RealSet.Point(at) is { } point
                        ? points.Union(point) : null;
                }

                return points;
            case Value.Relation x when Variable(x) is not null: return Solutions(x, formulas);
            default: return null;
        }
    }

    /// <summary>The one variable that stands alone on a side; null if there is none or more.</summary>
    public static string? Variable(Value.Relation relation)
    {
        var names = relation.Sides.Select(static side => side is Expression.Function { Name: "abs", Of: Expression.Variable of } ? of
            : side).OfType<Expression.Variable>().ToList();
        return names.Count == 1 && relation.Sides.Count(static side => side is { HasVariables: false }) == relation.Sides.Count - 1 ? names[0].Name : null;
    }

    /// <param name="below">The end that may be minus infinity.</param>
    private static (bool Known, Quantity? At) End(Formulas formulas, Expression end, bool below) =>
        end.IsInfinite ? (end is Expression.Negative == below, null) : formulas.Value(end) is { IsReal: true } at ? (true, at) : (false, null);

    private static RealSet? Solutions(Value.Relation relation, Formulas formulas)
    {
        if (relation.Sides is [Expression.Function { Name: "abs" } size, { } bound])
        {
            // |x| < r: -r < x < r; |x| > r: x < -r or x > r.
            Expression x = size.Of, minus = new Expression.Negative(bound);
            return relation.Operators is "<" or "≤" ? Solutions(new([minus, x, bound], relation.Operators + relation.Operators), formulas)
                : relation.Operators is ">" or "≥" && Solutions(new([x, bound], relation.Operators), formulas) is { } above
                    && Solutions(new([x, minus], relation.Operators == ">" ? "<" : "≤"), formulas) is { } under ? above.Union(under)
                : null;
        }

        RealSet? all = RealSet.All;
        for (int i = 0; i < relation.Operators.Length && all is not null; i++)
        {
            (Expression left, Expression right, char operation) = (relation.Sides[i]!, relation.Sides[i + 1]!, relation.Operators[i]);
            if (right is Expression.Variable)
            {
                (left, right, operation) = (right, left, operation switch { '<' => '>', '≤' => '≥', '>' => '<', '≥' => '≤', _ => operation });
            }

            if (left is not Expression.Variable)
            {
                return null;
            }

            if (right.IsInfinite)
            {
                bool holds = right is Expression.Negative == operation is '>' or '≥';
                all = holds ? all : null;
                continue;
            }

            all = formulas.Value(right) is not { IsReal: true } at ? null
                : operation == '≠' ? all.Without(at)
                : (operation is '<' or '≤' ? RealSet.Between(null, false, at, operation == '≤')
                    : RealSet.Between(at, operation == '≥', null, false)) is { } half ? all.Intersection(half)
                : null;
        }

        return all;
    }
}
