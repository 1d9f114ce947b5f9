using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// A real number of 256 bits, with a bound of its error: <c>Mantissa * 2^Exponent</c>, at most <c>2^ErrorBits</c> away from what it stands for.
/// Written with whole numbers only, so the same on every machine.
/// </summary>
/// <remarks>
/// 77 digits tell <c>e^{\pi\sqrt{163}}</c> from the whole number that it nearly is (30 digits), and the carried bound tells when a difference of near
/// equals has no digits left. Functions: argument reduction, then Taylor's series; the logarithm and the angle by Newton's method from a double.
/// </remarks>
internal readonly struct BigReal
{
    private const int Precision = 256;

    /// <summary>Error of a number that is exact: far below every bound that is asked for.</summary>
    private const int NoError = int.MinValue / 4;

    private BigReal(BigInteger mantissa, int exponent, int errorBits) => (Mantissa, Exponent, ErrorBits) = (mantissa, exponent, errorBits);

    private BigInteger Mantissa { get; }

    private int Exponent { get; }

    public int ErrorBits { get; }

    public static BigReal Zero => new(BigInteger.Zero, 0, NoError);

    public static BigReal One { get; } = new(BigInteger.One, 0, NoError);

    public static BigReal Pi { get; } = FromFixed(MachinPi());

    private static readonly BigReal HalfPi = Pi.Scaled(-1);

    private static readonly BigReal LogOf2 = FromFixed(FixedLogOf2());

    public static BigReal Of(BigInteger whole) => Rounded(whole, 0, NoError);

    public static BigReal Of(Rational value) => value.IsWhole ? Of(value.Numerator) : Divide(Of(value.Numerator), Of(value.Denominator));

    /// <summary>Power of two above its size.</summary>
    public int Magnitude => Mantissa.IsZero ? NoError : (int)Mantissa.GetBitLength() + Exponent;

    public int Sign => Mantissa.Sign;

    /// <summary>Whether nothing but its error is left: it stands for 0, or for what cannot be told from 0.</summary>
    public bool IsNegligible => Magnitude <= ErrorBits + 4;

    private static BigReal Rounded(BigInteger mantissa, int exponent, int errorBits)
    {
        int drop = (int)mantissa.GetBitLength() - Precision;
        return drop <= 0 ? new(mantissa, exponent, errorBits) : new(mantissa >> drop, exponent + drop, Larger(errorBits, exponent + drop + 1));
    }

    /// <summary>Of two errors the larger, and a bit more where they are alike.</summary>
    private static int Larger(int a, int b) => a == b ? a + 1 : Math.Max(a, b);

    private static BigReal FromFixed(BigInteger mantissa) => Rounded(mantissa, -FixedBits, -Precision + 2);

    private BigReal WithError(int errorBits) => new(Mantissa, Exponent, Larger(ErrorBits, errorBits));

    public BigReal Scaled(int bits) => Mantissa.IsZero ? this : new(Mantissa, Exponent + bits, ErrorBits <= NoError ? NoError : ErrorBits + bits);

    public static BigReal operator -(BigReal a) => new(-a.Mantissa, a.Exponent, a.ErrorBits);

    public static BigReal operator +(BigReal a, BigReal b)
    {
        if (a.Exponent < b.Exponent)
        {
            (a, b) = (b, a);
        }

        int error = a.ErrorBits <= NoError && b.ErrorBits <= NoError ? NoError : Larger(a.ErrorBits, b.ErrorBits), apart = a.Exponent - b.Exponent;
        if (a.Mantissa.IsZero || b.Mantissa.IsZero)
        {
            BigReal only = a.Mantissa.IsZero ? b : a;
            return new(only.Mantissa, only.Exponent, error);
        }

        // What lies below the last bit of the larger one only widens its error.
        return apart > 2 * Precision + (int)b.Mantissa.GetBitLength()
            ? new(a.Mantissa, a.Exponent, Larger(error, b.Magnitude))
            : Rounded((a.Mantissa << apart) + b.Mantissa, b.Exponent, error);
    }

    public static BigReal operator -(BigReal a, BigReal b) => a + -b;

    public static BigReal operator *(BigReal a, BigReal b)
    {
        int error = Math.Max(a.ErrorBits <= NoError ? NoError : a.ErrorBits + Math.Max(b.Magnitude, b.ErrorBits),
            b.ErrorBits <= NoError ? NoError : b.ErrorBits + a.Magnitude);
        return Rounded(a.Mantissa * b.Mantissa, a.Exponent + b.Exponent, error <= NoError / 2 ? NoError : error + 1);
    }

    /// <param name="b">Not negligible.</param>
    public static BigReal Divide(BigReal a, BigReal b)
    {
        int shift = Math.Max(0, Precision + 2 + (int)b.Mantissa.GetBitLength() - (int)a.Mantissa.GetBitLength());
        var quotient = BigInteger.DivRem(a.Mantissa << shift, b.Mantissa, out BigInteger rest);
        int exponent = a.Exponent - b.Exponent - shift;
        int magnitude = quotient.IsZero ? NoError : (int)quotient.GetBitLength() + exponent;
        int error = Math.Max(a.ErrorBits <= NoError ? NoError : a.ErrorBits - b.Magnitude + 2,
            b.ErrorBits <= NoError || a.Mantissa.IsZero ? NoError : b.ErrorBits - b.Magnitude + magnitude + 2);
        return Rounded(quotient, exponent, rest.IsZero ? error : Larger(error, exponent + 1));
    }

    /// <param name="a">Not below 0.</param>
    public static BigReal Sqrt(BigReal a)
    {
        if (a.Mantissa.Sign <= 0)
        {
            return new(BigInteger.Zero, 0, a.ErrorBits <= NoError ? NoError : a.ErrorBits / 2 + 1);
        }

        int shift = Math.Max(0, 2 * Precision + 4 - (int)a.Mantissa.GetBitLength());
        shift += (a.Exponent - shift) & 1;
        BigInteger square = a.Mantissa << shift, root = WholeSqrt(square);
        int exponent = (a.Exponent - shift) / 2;
        var result = Rounded(root, exponent, root * root == square ? NoError : exponent + 1);
        return a.ErrorBits <= NoError ? result : result.WithError(a.ErrorBits - result.Magnitude + 2);
    }

    private static BigInteger WholeSqrt(BigInteger square)
    {
        BigInteger root = BigInteger.One << (int)((square.GetBitLength() + 1) / 2 + 1);
        int bits = (int)square.GetBitLength();
        if (bits > 100)
        {
            // A double's root as the first guess, rounded up so that Newton's steps fall.
            int drop = (bits - 60) & ~1;
            root = ((BigInteger)(Math.Sqrt((double)(square >> drop)) * 1024 + 1024)) << (drop / 2 - 10);
        }

        while (true)
        {
            BigInteger next = (root + square / root) >> 1;
            if (next >= root)
            {
                return root;
            }

            root = next;
        }
    }

    /// <returns>Null where the argument is too large or known too badly.</returns>
    public static BigReal? Exp(BigReal a)
    {
        if (a.Magnitude > 24 || a.ErrorBits > -64)
        {
            return null;
        }

        int twos = (int)Math.Round(a.ToDouble() / 0.6931471805599453);
        BigReal rest = a - LogOf2 * Of(twos);
        const int Halvings = 12;
        BigInteger x = rest.Fixed() >> Halvings, unit = BigInteger.One << FixedBits, term = x, sum = unit + x;
        for (int k = 2; !term.IsZero; k++)
        {
            term = (term * x >> FixedBits) / k;
            sum += term;
        }

        for (int i = 0; i < Halvings; i++)
        {
            sum = sum * sum >> FixedBits;
        }

        return Rounded(sum, -FixedBits + twos, Math.Max(rest.ErrorBits, -Precision) + 4 + twos);
    }

    private const int FixedBits = Precision + 64;

    private BigInteger Fixed() => Exponent + FixedBits >= 0 ? Mantissa << (Exponent + FixedBits) : Mantissa >> -(Exponent + FixedBits);

    /// <param name="a">Above 0, not negligible.</param>
    public static BigReal Log(BigReal a)
    {
        // a = 2^n m with m near 1; y <- y + 2 (m - e^y) / (m + e^y) triples the digits.
        int twos = a.Magnitude;
        BigReal m = a.Scaled(-twos);
        m = new(m.Mantissa, m.Exponent, NoError);
        BigReal y = OfDouble(Math.Log(m.ToDouble()));
        for (int i = 0; i < 2; i++)
        {
            BigReal power = Exp(new(y.Mantissa, y.Exponent, NoError))!.Value;
            y += Divide((m - power).Scaled(1), m + power);
        }

        BigReal result = new BigReal(y.Mantissa, y.Exponent, -Precision + 12) + LogOf2 * Of(twos);
        return a.ErrorBits <= NoError ? result : result.WithError(a.ErrorBits - a.Magnitude + 2);
    }

    /// <returns>Null where the angle is too large to be reduced.</returns>
    public static (BigReal Sin, BigReal Cos)? SinCos(BigReal a)
    {
        if (a.Magnitude > 40 || a.ErrorBits > -64)
        {
            return null;
        }

        long quarters = (long)Math.Round(a.ToDouble() / 1.5707963267948966);
        BigReal rest = a - HalfPi * Of(quarters);
        BigInteger x = rest.Fixed(), square = x * x >> FixedBits, sin = x, term = x;
        for (int k = 3; !term.IsZero; k += 2)
        {
            term = -(term * square >> FixedBits) / (k * (k - 1));
            sin += term;
        }

        BigInteger cos = BigInteger.One << FixedBits;
        term = cos;
        for (int k = 2; !term.IsZero; k += 2)
        {
            term = -(term * square >> FixedBits) / (k * (k - 1));
            cos += term;
        }

        int error = Math.Max(rest.ErrorBits, -Precision) + 4;
        BigReal s = Rounded(sin, -FixedBits, error), c = Rounded(cos, -FixedBits, error);
        return (quarters & 3) switch
        {
            0 => (s, c),
            1 => (c, -s),
            2 => (-s, -c),
            _ => (-c, s),
        };
    }

    /// <summary>The angle of the point (x, y), in (-pi, pi]. Null for the origin.</summary>
    public static BigReal? Angle(BigReal y, BigReal x)
    {
        BigReal radius = Sqrt(x * x + y * y);
        if (radius.IsNegligible)
        {
            return null;
        }

        if (y.Mantissa.IsZero)
        {
            return x.Sign > 0 ? Zero : Pi;
        }

        BigReal s = Divide(y, radius), c = Divide(x, radius);
        BigReal angle = OfDouble(Math.Atan2(s.ToDouble(), c.ToDouble()));
        for (int i = 0; i < 3; i++)
        {
            // angle <- angle + sin(target - angle) triples the digits.
            if (SinCos(new(angle.Mantissa, angle.Exponent, NoError)) is not { } at)
            {
                return null;
            }

            angle += s * at.Cos - c * at.Sin;
        }

        return new BigReal(angle.Mantissa, angle.Exponent, Math.Max(Math.Max(s.ErrorBits, c.ErrorBits), -Precision) + 8);
    }

    private static BigReal OfDouble(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52 & 0x7FF);
        long mantissa = (bits & 0xFFFFFFFFFFFFF) | (exponent == 0 ? 0 : 1L << 52);
        return new(bits < 0 ? -mantissa : mantissa, Math.Max(exponent, 1) - 1_075, NoError);
    }

    /// <summary>For first guesses and for showing only.</summary>
    public double ToDouble()
    {
        int drop = (int)Math.Max(0, Mantissa.GetBitLength() - 62);
        return Math.ScaleB((double)(long)(Mantissa >> drop), Exponent + drop);
    }

    /// <summary>Whether they stand for the same number as far as can be told; null where too few digits are left to tell.</summary>
    public static bool? Same(BigReal a, BigReal b)
    {
        BigReal apart = a - b;
        return apart.Magnitude > apart.ErrorBits + 8 ? false
            : apart.ErrorBits > Math.Max(a.Magnitude, b.Magnitude) - Precision / 2 && apart.ErrorBits > -Precision / 2 ? null
            : true;
    }

    /// <summary>What leaves this range has no value here, so that exponents never overflow.</summary>
    public bool IsInRange => Mantissa.IsZero || Math.Abs(Magnitude) <= 1 << 25;

    /// <summary>Machin: pi = 16 atan(1/5) - 4 atan(1/239).</summary>
    private static BigInteger MachinPi() => 16 * InverseAngle(5) - 4 * InverseAngle(239);

    private static BigInteger InverseAngle(int n)
    {
        BigInteger power = (BigInteger.One << FixedBits) / n, sum = power;
        for (int k = 3; !power.IsZero; k += 2)
        {
            power /= -n * n;
            sum += power / k;
        }

        return sum;
    }

    /// <summary>log 2 = 2 (1/3 + 1/(3 27) + 1/(5 243) + ...).</summary>
    private static BigInteger FixedLogOf2()
    {
        BigInteger power = (BigInteger.One << FixedBits + 1) / 3, sum = power;
        for (int k = 3; !power.IsZero; k += 2)
        {
            power /= 9;
            sum += power / k;
        }

        return sum;
    }
}
