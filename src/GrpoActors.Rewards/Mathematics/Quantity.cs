using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// A number: an exact fraction while it can be one, else 77 digits of a complex number. Null: no value (division by 0, too long, no digits left).
/// </summary>
internal readonly record struct Quantity
{
    private readonly Rational _exact;
    private readonly BigComplex _inexact;

    private Quantity(Rational exact) => (_exact, IsExact) = (exact, true);

    private Quantity(BigComplex inexact) => _inexact = inexact;

    public bool IsExact { get; }

    public Rational? Exact => IsExact ? _exact : null;

    public BigComplex Inexact => IsExact ? BigComplex.Of(_exact) : _inexact;

    public bool IsReal => IsExact || _inexact.IsReal;

    public bool IsZero => IsExact ? _exact.IsZero : _inexact.IsNegligible;

    public static Quantity Of(Rational value) => new(value);

    public static Quantity? Of(Rational? value) => value is { } known ? new(known) : null;

    public static Quantity? Of(BigComplex? value) => value is { } known && known.Re.IsInRange && known.Im.IsInRange ? new(known) : null;

    public static Quantity Negate(Quantity a) => a.IsExact ? new(Rational.Negate(a._exact)) : new(-a._inexact);

    public static Quantity? Add(Quantity a, Quantity b) => a.IsExact && b.IsExact ? Of(Rational.Add(a._exact, b._exact)) : Of(a.Inexact + b.Inexact);

    public static Quantity? Multiply(Quantity a, Quantity b) => a.IsExact && b.IsExact ? Of(Rational.Multiply(a._exact, b._exact)) : Of(a.Inexact * b.Inexact);

    public static Quantity? Divide(Quantity a, Quantity b) =>
        a.IsExact && b.IsExact ? Of(Rational.Divide(a._exact, b._exact)) : Of(BigComplex.Divide(a.Inexact, b.Inexact));

    public static Quantity? Power(Quantity a, Quantity exponent)
    {
        if (exponent.Exact is not { } power)
        {
            return Of(BigComplex.Power(a.Inexact, exponent.Inexact));
        }

        if (a.Exact is { } number)
        {
            if (power.IsWhole)
            {
                return Of(Rational.Power(number, power.Numerator));
            }

            if (number.Sign >= 0 && power.Denominator <= RootMax && Rational.Root(number, (int)power.Denominator) is { } root)
            {
                return Of(Rational.Power(root, power.Numerator));
            }
        }

        return power.IsWhole && BigInteger.Abs(power.Numerator) < 1_000_000
            ? Of(BigComplex.Power(a.Inexact, (int)power.Numerator))
            : power == Half ? Of(BigComplex.Sqrt(a.Inexact)) : Of(BigComplex.Power(a.Inexact, exponent.Inexact));
    }

    public const int RootMax = 1_000;

    private static readonly Rational Half = Rational.Of(1, 2)!.Value;

    /// <summary>An odd root of a negative number is the real one; all others are principal values.</summary>
    /// <param name="degree">In [1, <see cref="RootMax"/>].</param>
    public static Quantity? Root(Quantity a, int degree)
    {
        if (a.Exact is { } number && Rational.Root(number, degree) is { } root)
        {
            return new(root);
        }

        bool negative = a.IsReal && degree % 2 == 1 && a.Inexact.Re.Sign < 0;
        BigComplex of = negative ? -a.Inexact : a.Inexact;
        BigComplex? result = degree == 2 ? BigComplex.Sqrt(of) : BigComplex.Power(of, BigComplex.Of(Rational.Of(1, degree)!.Value));
        return Of(negative && result is { } size ? -size : result);
    }

    public static Quantity? Absolute(Quantity a) =>
        a.Exact is { } number ? new(number.Sign < 0 ? Rational.Negate(number) : number) : Of(BigComplex.Of(BigComplex.Absolute(a._inexact)));

    /// <summary>Of exact numbers, and of others that are no whole number as far as can be told.</summary>
    public static Quantity? Floor(Quantity a)
    {
        if (a.Exact is { } number)
        {
            return new(Rational.Of(Rational.Floor(number)));
        }

        if (!a.IsReal || a._inexact.Re.Magnitude > 48)
        {
            return null;
        }

        var near = new BigInteger(Math.Round(a._inexact.Re.ToDouble()));
        BigReal apart = a._inexact.Re - BigReal.Of(near);
        return apart.IsNegligible ? null : new(Rational.Of(apart.Sign < 0 ? near - 1 : near));
    }

    private const int FactorialMax = 1_000;

    public static Quantity? Factorial(Quantity a)
    {
        if (a.Exact is not { IsWhole: true, Sign: >= 0 } number || number.Numerator > FactorialMax)
        {
            return null;
        }

        BigInteger product = 1;
        for (int k = 2; k <= (int)number.Numerator; k++)
        {
            product *= k;
        }

        return new(Rational.Of(product));
    }

    /// <summary>n (n - 1) ... (n - k + 1) / k!.</summary>
    public static Quantity? Binomial(Quantity n, Quantity k)
    {
        if (n.Exact is not { } from || from.Bits > 64 || k.Exact is not { IsWhole: true, Sign: >= 0 } chosen || chosen.Numerator > FactorialMax)
        {
            return null;
        }

        Rational? product = Rational.One;
        for (int j = 0; j < (int)chosen.Numerator && product is { } sofar; j++)
        {
            product = Rational.Add(from, Rational.Of(-j)) is { } factor && Rational.Multiply(sofar, factor) is { } up
                ? Rational.Divide(up, Rational.Of(j + 1)) : null;
        }

        return Of(product);
    }

    /// <summary>Null where too few digits are left to tell.</summary>
    public static bool? Same(Quantity a, Quantity b) => a.IsExact && b.IsExact ? a._exact == b._exact : BigComplex.Same(a.Inexact, b.Inexact);

    /// <summary>Order of two real numbers; null where they cannot be told apart.</summary>
    public static int? Compare(Quantity a, Quantity b)
    {
        if (a.IsExact && b.IsExact)
        {
            return a._exact.CompareTo(b._exact);
        }

        BigReal apart = a.Inexact.Re - b.Inexact.Re;
        return !a.IsReal || !b.IsReal ? null : apart.IsNegligible ? 0 : apart.Sign;
    }
}
