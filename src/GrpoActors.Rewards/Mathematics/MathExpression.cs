using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>What an answer can say: a number or formula, several of them in brackets or a set, or a union of such.</summary>
internal abstract record MathExpression
{
    private MathExpression()
    {
    }

    public sealed record Number(Quantity Value) : MathExpression;

    public sealed record Percent(MathExpression Of) : MathExpression;

    public sealed record Variable(string Name) : MathExpression;

    public sealed record Negative(MathExpression Of) : MathExpression;

    /// <param name="Operation">One of <c>+ * / ^</c>.</param>
    public sealed record Binary(char Operation, MathExpression Left, MathExpression Right) : MathExpression;

    public sealed record Root(MathExpression Of, int Degree) : MathExpression;

    /// <summary>A tuple, a point or an interval: the brackets and the order count.</summary>
    public sealed record Bracketed(char Open, char Close, IReadOnlyList<MathExpression> Items) : MathExpression;

    /// <summary>A set, or a list without brackets: the order does not count.</summary>
    public sealed record Set(IReadOnlyList<MathExpression> Items) : MathExpression;

    public sealed record Union(IReadOnlyList<MathExpression> Parts) : MathExpression;

    public sealed record Infinity : MathExpression;

    public bool HasVariables => this switch
    {
        Variable => true,
        Percent x => x.Of.HasVariables,
        Negative x => x.Of.HasVariables,
        Binary x => x.Left.HasVariables || x.Right.HasVariables,
        Root x => x.Of.HasVariables,
        _ => false,
    };

    /// <param name="point">Decides what the variables are: each name gets another fraction at each point.</param>
    /// <returns>Null where there is no real number of moderate length.</returns>
    public Quantity? At(int point)
    {
        switch (this)
        {
            case Number x: return x.Value;
            case Variable x:
                int mixed = 0;
                foreach (char c in x.Name)
                {
                    mixed = (mixed * 31 + c) % 1_009;
                }
                return Quantity.Fraction(2 * mixed + 3, new BigInteger(11 + 6 * point));
            case Percent x: return x.Of.At(point) is { } p ? Quantity.Divide(p, Quantity.Of(100)) : null;
            case Negative x: return x.Of.At(point) is { } n ? Quantity.Negate(n) : null;
            case Root x: return x.Of.At(point) is { } r ? Quantity.Root(r, x.Degree) : null;
            case Binary x:
                if (x.Left.At(point) is not { } a || x.Right.At(point) is not { } b)
                {
                    return null;
                }
                return x.Operation switch
                {
                    '+' => Quantity.Add(a, b),
                    '*' => Quantity.Multiply(a, b),
                    '/' => Quantity.Divide(a, b),
                    _ => Quantity.Power(a, b),
                };
            default: return null;
        }
    }

    private const int Points = 3;

    /// <summary>Formulas are equal if they agree at three points chosen beforehand.</summary>
    public static bool Equal(MathExpression a, MathExpression b)
    {
        switch (a, b)
        {
            case (Bracketed x, Bracketed y):
                return x.Open == y.Open && x.Close == y.Close && x.Items.Count == y.Items.Count
                    && x.Items.Zip(y.Items).All(p => Equal(p.First, p.Second));
            case (Set x, Set y): return EqualUnordered(x.Items, y.Items);
            case (Union x, Union y): return EqualUnordered(x.Parts, y.Parts);
            case (Infinity, Infinity): return true;
            case (Negative x, Negative y) when x.Of is Infinity || y.Of is Infinity: return Equal(x.Of, y.Of);
        }
        for (int point = 0; point < Points; point++)
        {
            if (a.At(point) is not { } p || b.At(point) is not { } q || !Quantity.Equal(p, q))
            {
                return false;
            }
        }
        return true;
    }

    private static bool EqualUnordered(IReadOnlyList<MathExpression> a, IReadOnlyList<MathExpression> b)
    {
        var rest = b.ToList();
        return a.Count == b.Count && a.All(item =>
        {
            int at = rest.FindIndex(other => Equal(item, other));
            if (at >= 0)
            {
                rest.RemoveAt(at);
            }
            return at >= 0;
        });
    }
}
