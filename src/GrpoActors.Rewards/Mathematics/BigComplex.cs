using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// A complex number of two <see cref="BigReal"/>; functions take their principal values. Null means: no value (a pole, an overflow, no digits left).
/// </summary>
internal readonly record struct BigComplex(BigReal Re, BigReal Im)
{
    public static BigComplex Zero => new(BigReal.Zero, BigReal.Zero);

    public static BigComplex One => Of(BigReal.One);

    public static BigComplex I => new(BigReal.Zero, BigReal.One);

    public static BigComplex Pi => Of(BigReal.Pi);

    public static BigComplex Of(BigReal re) => new(re, BigReal.Zero);

    public static BigComplex Of(Rational value) => Of(BigReal.Of(value));

    public bool IsReal => Im.IsNegligible;

    public bool IsNegligible => Re.IsNegligible && Im.IsNegligible;

    public static BigComplex operator -(BigComplex a) => new(-a.Re, -a.Im);

    public static BigComplex operator +(BigComplex a, BigComplex b) => new(a.Re + b.Re, a.Im + b.Im);

    public static BigComplex operator -(BigComplex a, BigComplex b) => a + -b;

    public static BigComplex operator *(BigComplex a, BigComplex b) => new(a.Re * b.Re - a.Im * b.Im, a.Re * b.Im + a.Im * b.Re);

    private BigComplex TimesI => new(-Im, Re);

    public static BigComplex? Divide(BigComplex a, BigComplex b)
    {
        if (b.IsNegligible)
        {
            return null;
        }

        if (b.Im.Sign == 0)
        {
            return new(BigReal.Divide(a.Re, b.Re), BigReal.Divide(a.Im, b.Re));
        }

        BigReal size = b.Re * b.Re + b.Im * b.Im;
        BigComplex up = a * new BigComplex(b.Re, -b.Im);
        return size.IsNegligible ? null : new(BigReal.Divide(up.Re, size), BigReal.Divide(up.Im, size));
    }

    public static BigReal Absolute(BigComplex a) =>
        a.Im.Sign == 0 ? a.Re.Sign < 0 ? -a.Re : a.Re : BigReal.Sqrt(a.Re * a.Re + a.Im * a.Im);

    public static BigComplex? Exp(BigComplex a)
    {
        if (BigReal.Exp(a.Re) is not { } size)
        {
            return null;
        }

        return a.Im.Sign == 0 ? Of(size) : BigReal.SinCos(a.Im) is { } angle ? new(size * angle.Cos, size * angle.Sin) : null;
    }

    public static BigComplex? Log(BigComplex a)
    {
        if (a.IsNegligible)
        {
            return null;
        }

        BigReal size = Absolute(a);
        BigReal im = a.IsReal ? BigReal.Zero : a.Im;
        return size.IsNegligible || BigReal.Angle(im, a.Re) is not { } angle ? null : new(BigReal.Log(size), angle);
    }

    public static BigComplex? Power(BigComplex a, BigComplex exponent)
    {
        if (a.IsNegligible)
        {
            return exponent.Re is { Sign: > 0, IsNegligible: false } ? Zero : null;
        }

        return Log(a) is { } log ? Exp(log * exponent) : null;
    }

    public static BigComplex? Power(BigComplex a, int exponent)
    {
        BigComplex result = One, power = a;
        for (int times = Math.Abs(exponent); times > 0; times >>= 1)
        {
            result = (times & 1) == 1 ? result * power : result;
            power = times > 1 ? power * power : power;
            if (!power.Re.IsInRange || !power.Im.IsInRange || !result.Re.IsInRange || !result.Im.IsInRange)
            {
                return null;
            }
        }

        return exponent < 0 ? Divide(One, result) : result;
    }

    public static BigComplex? Sqrt(BigComplex a)
    {
        if (a.IsReal)
        {
            return a.Re.IsNegligible ? Of(BigReal.Sqrt(a.Re))
                : a.Re.Sign > 0 ? Of(BigReal.Sqrt(a.Re))
                : new(BigReal.Zero, BigReal.Sqrt(-a.Re));
        }

        return Power(a, Of(BigReal.One.Scaled(-1)));
    }

    public static BigComplex? Sin(BigComplex a)
    {
        if (a.Im.Sign == 0)
        {
            return BigReal.SinCos(a.Re) is { } real ? Of(real.Sin) : null;
        }

        // (e^{ia} - e^{-ia}) / 2i
        return Exp(a.TimesI) is { } up && Exp(-a.TimesI) is { } down ? Half(-(up - down).TimesI) : null;
    }

    public static BigComplex? Cos(BigComplex a)
    {
        if (a.Im.Sign == 0)
        {
            return BigReal.SinCos(a.Re) is { } real ? Of(real.Cos) : null;
        }

        return Exp(a.TimesI) is { } up && Exp(-a.TimesI) is { } down ? Half(up + down) : null;
    }

    public static BigComplex? Sinh(BigComplex a) => Exp(a) is { } up && Exp(-a) is { } down ? Half(up - down) : null;

    public static BigComplex? Cosh(BigComplex a) => Exp(a) is { } up && Exp(-a) is { } down ? Half(up + down) : null;

    /// <summary>atan a = (log(1 + ia) - log(1 - ia)) / 2i; of a real number its angle.</summary>
    public static BigComplex? Atan(BigComplex a) => a.IsReal
        ? BigReal.Angle(a.Re, BigReal.One) is { } angle ? Of(angle) : null
        : Log(One + a.TimesI) is { } up && Log(One - a.TimesI) is { } down ? Half(-(up - down).TimesI) : null;

    /// <summary>asin a = -i log(ia + sqrt(1 - a^2)); of a real number in [-1, 1] an angle.</summary>
    public static BigComplex? Asin(BigComplex a)
    {
        if (Sqrt(One - a * a) is not { } root)
        {
            return null;
        }

        return a.IsReal && root.IsReal
            ? BigReal.Angle(a.Re, root.Re) is { } angle ? Of(angle) : null
            : Log(a.TimesI + root) is { } log ? -log.TimesI : null;
    }

    public static BigComplex? Acos(BigComplex a) => Asin(a) is { } sine ? Of(BigReal.Pi.Scaled(-1)) - sine : null;

    private static BigComplex Half(BigComplex a) => new(a.Re.Scaled(-1), a.Im.Scaled(-1));

    public static bool? Same(BigComplex a, BigComplex b) => (BigReal.Same(a.Re, b.Re), BigReal.Same(a.Im, b.Im)) switch
    {
        (false, _) or (_, false) => false,
        (true, true) => true,
        _ => null,
    };
}
