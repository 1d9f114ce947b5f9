using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>An exact fraction. What would be longer than <see cref="BitsMax"/> is null: it has no value here and is compared letter for letter.</summary>
internal readonly record struct Rational : IComparable<Rational>
{
    public const int BitsMax = 131_072;

    /// <summary>Longer fractions are kept as they come: a common divisor costs the square of their length, and equality multiplies across.</summary>
    private const int ReducedBitsMax = 4_096;

    private Rational(BigInteger numerator, BigInteger denominator) => (Numerator, Denominator) = (numerator, denominator);

    public BigInteger Numerator { get; }

    /// <summary>Above 0.</summary>
    public BigInteger Denominator { get; }

    public static Rational Zero { get; } = new(BigInteger.Zero, BigInteger.One);

    public static Rational One { get; } = new(BigInteger.One, BigInteger.One);

    public bool IsWhole => Denominator.IsOne;

    public bool IsZero => Numerator.IsZero;

    public int Sign => Numerator.Sign;

    public long Bits => Math.Max(Numerator.GetBitLength(), Denominator.GetBitLength());

    public static Rational Of(BigInteger number) => new(number, BigInteger.One);

    /// <returns>Null for a zero denominator and for what is too long.</returns>
    public static Rational? Of(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero || numerator.GetBitLength() > BitsMax || denominator.GetBitLength() > BitsMax)
        {
            return null;
        }

        if (denominator.Sign < 0)
        {
            (numerator, denominator) = (-numerator, -denominator);
        }

        if (denominator.IsOne || Math.Max(numerator.GetBitLength(), denominator.GetBitLength()) > ReducedBitsMax)
        {
            return new(numerator, denominator);
        }

        BigInteger divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        return new(numerator / divisor, denominator / divisor);
    }

    public static Rational? Add(Rational a, Rational b) => Of(a.Numerator * b.Denominator + b.Numerator * a.Denominator, a.Denominator * b.Denominator);

    public static Rational? Multiply(Rational a, Rational b) => Of(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    public static Rational? Divide(Rational a, Rational b) => Of(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    public static Rational Negate(Rational a) => new(-a.Numerator, a.Denominator);

    public static Rational? Power(Rational a, BigInteger exponent)
    {
        BigInteger times = BigInteger.Abs(exponent);
        if (a.IsZero)
        {
            return exponent.Sign > 0 ? Zero : null;
        }

        if (a.IsWhole && BigInteger.Abs(a.Numerator).IsOne)
        {
            return a.Sign > 0 || times.IsEven ? One : Negate(One);
        }

        if (times > BitsMax || a.Bits * times > 2 * BitsMax)
        {
            return null;
        }

        BigInteger up = BigInteger.Pow(a.Numerator, (int)times), down = BigInteger.Pow(a.Denominator, (int)times);
        return exponent.Sign < 0 ? Of(down, up) : Of(up, down);
    }

    /// <returns>Null where the root is no fraction.</returns>
    public static Rational? Root(Rational a, int degree) => a.Sign < 0 && degree % 2 == 0 ? null
        : a.Bits <= ReducedBitsMax && WholeRoot(a.Numerator, degree) is { } up && WholeRoot(a.Denominator, degree) is { } down ? Of(up, down)
        : null;

    private static BigInteger? WholeRoot(BigInteger number, int degree)
    {
        BigInteger size = BigInteger.Abs(number);
        if (size.IsZero || size.IsOne)
        {
            return number;
        }

        // Newton from above: falls until it stands.
        BigInteger root = BigInteger.One << (int)(size.GetBitLength() / degree + 1);
        while (true)
        {
            BigInteger next = ((degree - 1) * root + size / BigInteger.Pow(root, degree - 1)) / degree;
            if (next >= root)
            {
                break;
            }

            root = next;
        }

        return BigInteger.Pow(root, degree) == size ? root * number.Sign : null;
    }

    public static BigInteger Floor(Rational a) =>
        a.Numerator.Sign < 0 ? -((-a.Numerator + a.Denominator - 1) / a.Denominator) : a.Numerator / a.Denominator;

    public int CompareTo(Rational other) => (Numerator * other.Denominator).CompareTo(other.Numerator * Denominator);

    public bool Equals(Rational other) => Numerator == other.Numerator && Denominator == other.Denominator
        || (Math.Max(Bits, other.Bits) > ReducedBitsMax && CompareTo(other) == 0);

    public override int GetHashCode() => Sign;

    public override string ToString() => IsWhole ? $"{Numerator}" : $"{Numerator}/{Denominator}";
}
