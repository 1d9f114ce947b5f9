using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>A real number: an exact fraction, or an irrational's double (written with +, -, *, / and square roots only, so the same everywhere).</summary>
internal readonly record struct Quantity
{
    /// <summary>Bits of a numerator or denominator; beyond it an expression has no value here.</summary>
    private const long BitsMax = 10_000;

    private Quantity(BigInteger numerator, BigInteger denominator)
    {
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        Numerator = numerator / divisor;
        Denominator = denominator / divisor;
        IsExact = true;
        Real = ToDouble(Numerator, Denominator);
    }

    private Quantity(double real)
    {
        Real = real;
        Numerator = 0;
        Denominator = 1;
    }

    public BigInteger Numerator { get; }

    /// <summary>Above 0.</summary>
    public BigInteger Denominator { get; }

    public double Real { get; }

    public bool IsExact { get; }

    public static Quantity Pi => new(3.141592653589793);

    public static Quantity E => new(2.718281828459045);

    public static Quantity Of(BigInteger number) => new(number, 1);

    /// <returns>Null for a zero denominator and for what is too long.</returns>
    public static Quantity? Fraction(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero || numerator.GetBitLength() > BitsMax || denominator.GetBitLength() > BitsMax)
        {
            return null;
        }
        return denominator.Sign > 0 ? new(numerator, denominator) : new(-numerator, -denominator);
    }

    private static Quantity? Approximate(double real) => double.IsFinite(real) ? new(real) : null;

    private static double ToDouble(BigInteger numerator, BigInteger denominator)
    {
        long shift = Math.Max(0, 70 - (numerator.GetBitLength() - denominator.GetBitLength()));
        var scaled = (numerator << (int)shift) / denominator;
        int drop = (int)Math.Max(0, scaled.GetBitLength() - 63);
        return Math.ScaleB((long)(scaled >> drop), drop - (int)shift);
    }

    public static Quantity? Add(Quantity a, Quantity b) => a.IsExact && b.IsExact
        ? Fraction(a.Numerator * b.Denominator + b.Numerator * a.Denominator, a.Denominator * b.Denominator)
        : Approximate(a.Real + b.Real);

    public static Quantity? Multiply(Quantity a, Quantity b)
    {
        if ((a.IsExact && a.Numerator.IsZero) || (b.IsExact && b.Numerator.IsZero))
        {
            return Of(0);
        }
        return a.IsExact && b.IsExact
            ? Fraction(a.Numerator * b.Numerator, a.Denominator * b.Denominator)
            : Approximate(a.Real * b.Real);
    }

    public static Quantity? Divide(Quantity a, Quantity b) => b.IsExact && a.IsExact
        ? Fraction(a.Numerator * b.Denominator, a.Denominator * b.Numerator)
        : b.Real == 0 ? null : Approximate(a.Real / b.Real);

    public static Quantity Negate(Quantity a) => a.IsExact ? new(-a.Numerator, a.Denominator) : new(-a.Real);

    public static Quantity? Power(Quantity a, Quantity exponent)
    {
        if (!exponent.IsExact || BigInteger.Abs(exponent.Numerator) > BitsMax || exponent.Denominator > 100)
        {
            return null;
        }
        var rooted = exponent.Denominator.IsOne ? a : Root(a, (int)exponent.Denominator);
        return rooted is { } r ? WholePower(r, (int)exponent.Numerator) : null;
    }

    private static Quantity? WholePower(Quantity a, int exponent)
    {
        int times = Math.Abs(exponent);
        if (a.IsExact)
        {
            long bits = Math.Max(BigInteger.Abs(a.Numerator).GetBitLength(), a.Denominator.GetBitLength());
            if (bits * times > BitsMax && bits > 1)
            {
                return null;
            }
            var (up, down) = (BigInteger.Pow(a.Numerator, times), BigInteger.Pow(a.Denominator, times));
            return exponent < 0 ? Fraction(down, up) : Fraction(up, down);
        }
        double result = 1;
        for (int i = 0; i < times; i++)
        {
            result *= a.Real;
        }
        return exponent < 0 ? Approximate(1 / result) : Approximate(result);
    }

    public static Quantity? Root(Quantity a, int degree)
    {
        if (degree is < 1 or > 100 || (a.Real < 0 && degree % 2 == 0))
        {
            return null;
        }
        if (a.IsExact && WholeRoot(a.Numerator, degree) is { } up && WholeRoot(a.Denominator, degree) is { } down)
        {
            return Fraction(up, down);
        }
        return Approximate(RealRoot(a.Real, degree));
    }

    private static BigInteger? WholeRoot(BigInteger number, int degree)
    {
        if (number.IsZero)
        {
            return 0;
        }
        var size = BigInteger.Abs(number);
        // Newton from above: falls until it stands.
        var root = BigInteger.One << (int)(size.GetBitLength() / degree + 1);
        while (true)
        {
            var next = ((degree - 1) * root + size / BigInteger.Pow(root, degree - 1)) / degree;
            if (next >= root)
            {
                break;
            }
            root = next;
        }
        return BigInteger.Pow(root, degree) == size ? root * number.Sign : null;
    }

    private static double RealRoot(double number, int degree)
    {
        double size = Math.Abs(number);
        if (degree == 2 || size == 0)
        {
            return Math.Sqrt(size);
        }
        double root = Math.Max(1, size);
        for (int i = 0; i < 20_000; i++)
        {
            double power = 1;
            for (int k = 1; k < degree; k++)
            {
                power *= root;
            }
            double next = ((degree - 1) * root + size / power) / degree;
            if (!(next < root))
            {
                break;
            }
            root = next;
        }
        return Math.CopySign(root, number);
    }

    /// <summary>Whether a decimal number can write it in full.</summary>
    private bool Terminates
    {
        get
        {
            var rest = Denominator;
            foreach (int factor in (ReadOnlySpan<int>)[2, 5])
            {
                while ((rest % factor).IsZero)
                {
                    rest /= factor;
                }
            }
            return IsExact && rest.IsOne;
        }
    }

    /// <summary>
    /// Two exact numbers are equal if they are the same. A decimal that stands for what no decimal can write (1/3, sqrt 2) must lie within
    /// 5e-7 of it, as after rounding to six places, and within 1e-5 of its size. Two irrationals: 1e-12 of their size.
    /// </summary>
    public static bool Equal(Quantity a, Quantity b)
    {
        if (a.IsExact && b.IsExact && a.Numerator == b.Numerator && a.Denominator == b.Denominator)
        {
            return true;
        }
        double apart = Math.Abs(a.Real - b.Real), size = Math.Max(Math.Abs(a.Real), Math.Abs(b.Real));
        if (a.Terminates != b.Terminates)
        {
            return apart <= 5e-7 && apart <= 1e-5 * size;
        }
        return !(a.IsExact && b.IsExact) && apart <= 1e-12 * size;
    }
}
