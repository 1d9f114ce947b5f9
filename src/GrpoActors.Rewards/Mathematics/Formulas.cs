using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Compares formulas by their values: numbers by one, formulas in variables at points chosen beforehand. The points are small and spread, on both sides
/// of 0 and near 1, so that exponentials and high powers differ visibly. Fractions are computed exactly, all else with 77 digits.
/// </summary>
/// <remarks>One comparison's work is bounded: beyond it nothing has a value. Not safe for several threads at once.</remarks>
internal sealed class Formulas
{
    /// <summary>Hundredths. At the last but one the signs differ from variable to variable.</summary>
    private static readonly int[] Points = [31, 100, 237, 7, -40, -160, 390];

    private const int MixedSigns = 4;

    private const int WorkMax = 600_000;

    private const int FunctionWork = 400;

    private const int CountingWork = 12_000;

    private int _work;

    /// <summary>Null where it has no value, or none within the bounds.</summary>
    public Quantity? Value(Expression of) => At(of, 0, counting: false);

    /// <summary>Whether two formulas have the same values wherever both have real ones.</summary>
    public bool Same(Expression a, Expression b)
    {
        if (!a.HasVariables && !b.HasVariables)
        {
            return Value(a) is { } x && Value(b) is { } y && Quantity.Same(x, y) == true;
        }

        bool counting = a.IsCounting || b.IsCounting, differ = false;
        int real = 0, complex = 0;
        for (int point = 0; point < Points.Length; point++)
        {
            Quantity? x = At(a, point, counting), y = At(b, point, counting);
            if (x is not { } p || y is not { } q)
            {
                // Of whole numbers in the wrong order (n - k)! has no value, and a binomial is 0.
                if (x is null != y is null && !counting)
                {
                    return false;
                }

                continue;
            }

            bool? same = Quantity.Same(p, q);
            if (!p.IsReal || !q.IsReal)
            {
                // log(x^2) and 2 log x part where one of them is not real: only where there are too few real values do complex ones count.
                complex += same == true ? 1 : 0;
                differ |= same == false;
                continue;
            }

            if (same == false)
            {
                return false;
            }

            real += same == true ? 1 : 0;
        }

        return real >= 3 || (!differ && real + complex >= 3);
    }

    /// <summary>Whether one is a constant times the other: equations <c>a = 0</c> and <c>b = 0</c> say the same.</summary>
    /// <param name="positive">The constant must be above 0: inequalities.</param>
    public bool Proportional(Expression a, Expression b, bool positive)
    {
        (Quantity A, Quantity B)? first = null;
        bool counting = a.IsCounting || b.IsCounting;
        int compared = 0;
        for (int point = 0; point < Points.Length; point++)
        {
            if (At(a, point, counting) is not { } p || At(b, point, counting) is not { } q)
            {
                continue;
            }

            if (p.IsZero != q.IsZero)
            {
                return false;
            }

            if (p.IsZero)
            {
                continue;
            }

            if (positive && (!p.IsReal || !q.IsReal || p.Inexact.Re.Sign != q.Inexact.Re.Sign))
            {
                return false;
            }

            if (first is not { } known)
            {
                first = (p, q);
            }
            else if (Quantity.Multiply(p, known.B) is not { } left || Quantity.Multiply(q, known.A) is not { } right || Quantity.Same(left, right) != true)
            {
                return false;
            }

            compared++;
        }

        return compared >= 3;
    }

    private Quantity? At(Expression x, int point, bool counting)
    {
        if (_work > WorkMax)
        {
            return null;
        }

        Quantity? result = Computed(x, point, counting);
        long bits = result?.Exact?.Bits ?? 512;
        _work += 10 + (int)(bits * bits >> 17) + (x is Expression.Function { Name: "!" or "binom" } ? CountingWork
            : x is Expression.Function or Expression.Root ? FunctionWork : 0);
        return result;
    }

    private Quantity? Computed(Expression expression, int point, bool counting)
    {
        switch (expression)
        {
            case Expression.Number x: return Quantity.Of(x.Value);
            case Expression.Constant x:
                return x.Name switch
                {
                    Expression.Known.Pi => Quantity.Of(BigComplex.Pi),
                    Expression.Known.E => Quantity.Of(BigComplex.Exp(BigComplex.One)),
                    Expression.Known.I => Quantity.Of(BigComplex.I),
                    _ => null,
                };
            case Expression.Variable x: return Quantity.Of(Chosen(x.Name, point, counting));
            case Expression.Negative x: return At(x.Of, point, counting) is { } n ? Quantity.Negate(n) : null;
            case Expression.Percent x: return At(x.Of, point, counting) is { } p ? Quantity.Divide(p, Quantity.Of(Rational.Of(100))) : null;
            case Expression.Degrees x:
                return At(x.Of, point, counting) is { } d && Quantity.Divide(d, Quantity.Of(Rational.Of(180))) is { } turns
                    ? Quantity.Multiply(turns, Quantity.Of(BigComplex.Pi)!.Value) : null;
            case Expression.Root x: return At(x.Of, point, counting) is { } r ? Quantity.Root(r, x.Degree) : null;
            case Expression.Mixed x: return At(x.Whole, point, counting) is { } w && At(x.Part, point, counting) is { } f ? Quantity.Add(w, f) : null;
            case Expression.Binary x:
                if (At(x.Left, point, counting) is not { } a || At(x.Right, point, counting) is not { } b)
                {
                    return null;
                }

                _work += x.Operation == '^' && !(a.IsExact && b.IsExact) ? FunctionWork : 0;
                return x.Operation switch
                {
                    '+' => Quantity.Add(a, b),
                    '-' => Quantity.Add(a, Quantity.Negate(b)),
                    '*' => Quantity.Multiply(a, b),
                    '/' => Quantity.Divide(a, b),
                    _ when x.Left is Expression.Constant { Name: Expression.Known.E } => Quantity.Of(BigComplex.Exp(b.Inexact)),
                    _ => Quantity.Power(a, b),
                };
            case Expression.Function x:
                if (At(x.Of, point, counting) is not { } of)
                {
                    return null;
                }

                return x.Second is null ? Of(x.Name, of) : At(x.Second, point, counting) is { } second ? Of(x.Name, of, second) : null;
            default: return null;
        }
    }

    private static Quantity? Of(string function, Quantity of)
    {
        BigComplex z = of.Inexact;
        return function switch
        {
            "abs" => Quantity.Absolute(of),
            "floor" => Quantity.Floor(of),
            "ceil" => Quantity.Floor(Quantity.Negate(of)) is { } down ? Quantity.Negate(down) : null,
            "!" => Quantity.Factorial(of),
            "exp" => Quantity.Of(BigComplex.Exp(z)),
            "ln" => Quantity.Of(BigComplex.Log(z)),
            "sin" => Quantity.Of(BigComplex.Sin(z)),
            "cos" => Quantity.Of(BigComplex.Cos(z)),
            "tan" => Quotient(BigComplex.Sin(z), BigComplex.Cos(z)),
            "cot" => Quotient(BigComplex.Cos(z), BigComplex.Sin(z)),
            "sec" => Quotient(BigComplex.One, BigComplex.Cos(z)),
            "csc" => Quotient(BigComplex.One, BigComplex.Sin(z)),
            "arcsin" => Quantity.Of(BigComplex.Asin(z)),
            "arccos" => Quantity.Of(BigComplex.Acos(z)),
            "arctan" => Quantity.Of(BigComplex.Atan(z)),
            "sinh" => Quantity.Of(BigComplex.Sinh(z)),
            "cosh" => Quantity.Of(BigComplex.Cosh(z)),
            "tanh" => Quotient(BigComplex.Sinh(z), BigComplex.Cosh(z)),
            // An unknown function: any smooth one that has nothing to do with the others, so that only equal arguments give equal values.
            "f" => Quantity.Of(BigComplex.Cos(z * BigComplex.Of(Rational.Of(17, 11)!.Value) + BigComplex.One)),
            "g" => Quantity.Of(BigComplex.Cos(z * BigComplex.Of(Rational.Of(19, 13)!.Value) + BigComplex.One)),
            "h" => Quantity.Of(BigComplex.Cos(z * BigComplex.Of(Rational.Of(23, 17)!.Value) + BigComplex.One)),
            _ => null,
        };
    }

    private static Quantity? Of(string function, Quantity first, Quantity second) => function switch
    {
        "binom" => Quantity.Binomial(first, second),
        "log" => Quotient(BigComplex.Log(second.Inexact), BigComplex.Log(first.Inexact)),
        _ => null,
    };

    private static Quantity? Quotient(BigComplex? a, BigComplex? b) => a is { } up && b is { } down ? Quantity.Of(BigComplex.Divide(up, down)) : null;

    /// <summary>Another number for each name, near the point; whole where the formulas count.</summary>
    private static Rational Chosen(string name, int point, bool counting)
    {
        uint mixed = 2_166_136_261;
        foreach (char c in name)
        {
            mixed = (mixed ^ c) * 16_777_619;
        }

        // Other proportions at every point: on a line through 0 all homogeneous equations would be proportional.
        mixed = (mixed ^ (uint)point) * 16_777_619;
        mixed ^= mixed >> 15;
        if (counting)
        {
            return Rational.Of(3 + point + (mixed >> point) % 11);
        }

        int around = point == MixedSigns && (mixed & 1) == 0 ? -Points[point] : Points[point];
        // The point's size times 7/8 to 9/8.
        return Rational.Of(around * (new BigInteger(7 * 4_001) + 2 * (mixed % 4_001)), 100 * 8 * 4_001)!.Value;
    }
}
