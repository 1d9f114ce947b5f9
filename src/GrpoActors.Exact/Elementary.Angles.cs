using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GrpoActors.Exact;

public static partial class Elementary
{
    private const double HalfPi1 = 1.5707963267341256, HalfPi2 = 6.077100506303966e-11, HalfPi3 = 2.0222662487959506e-21; // 33 + 33 + 53 bits
    private const double ReductionLimit = 1048576; // k stays below 2^20, so k times a 33-bit piece is exact

    /// <summary>The first 1,280 bits of 2 / pi.</summary>
    private static ReadOnlySpan<ulong> TwoOverPi =>
    [
        0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0,
        0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484, 0xE99C7026B45F7E41, 0x3991D639835339F4,
        0x9C845F8BBDF9283B, 0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D,
        0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB, 0xF0CFBC209AF4361D,
    ];

    /// <summary>The sine; x in radians, of any size.</summary>
    public static float Sin(float x) => (float)Sin((double)x);

    /// <inheritdoc cref="Sin(float)"/>
    public static Vector512<float> Sin(Vector512<float> x)
    {
        (Vector512<double> low, Vector512<double> high) = Vector512.Widen(x);
        return Vector512.Narrow(Sin(low), Sin(high));
    }

    /// <inheritdoc cref="Sin(float)"/>
    public static double Sin(double x) => Sin(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Sin(float)"/>
    public static Vector512<double> Sin(Vector512<double> x)
    {
        Vector512<double> result = AtQuadrant(x, 0);
        return Vector512.ConditionalSelect(Vector512.Equals(x, Vector512<double>.Zero), x, result); // keeps -0
    }

    /// <summary>The cosine; x in radians, of any size.</summary>
    public static float Cos(float x) => (float)Cos((double)x);

    /// <inheritdoc cref="Cos(float)"/>
    public static Vector512<float> Cos(Vector512<float> x)
    {
        (Vector512<double> low, Vector512<double> high) = Vector512.Widen(x);
        return Vector512.Narrow(Cos(low), Cos(high));
    }

    /// <inheritdoc cref="Cos(float)"/>
    public static double Cos(double x) => Cos(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Cos(float)"/>
    public static Vector512<double> Cos(Vector512<double> x) => AtQuadrant(x, 1);

    /// <summary>sin(x + turn pi/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Vector512<double> AtQuadrant(Vector512<double> x, long turn)
    {
        Vector512<double> magic = Vector512.Create(Magic);
        Vector512<double> isSmall = Vector512.LessThan(Vector512.Abs(x), Vector512.Create(ReductionLimit));
        Vector512<double> small = Vector512.ConditionalSelect(isSmall, x, Vector512<double>.Zero);
        Vector512<double> shifted = small * 0.6366197723675814 + magic;
        Vector512<double> k = shifted - magic;
        Vector512<double> first = small - k * HalfPi1; // exact
        Vector512<double> second = k * HalfPi2;        // exact
        Vector512<double> rough = first - second;
        Vector512<double> back = rough - first;
        Vector512<double> error = (first - (rough - back)) - (second + back);
        Vector512<double> rest = error - k * HalfPi3;
        Vector512<double> r = rough + rest;
        Vector512<double> tail = (rough - r) + rest;
        Vector512<long> quadrant = shifted.AsInt64() - magic.AsInt64();
        if (Vector512.EqualsAll(isSmall.AsInt64(), Vector512<long>.AllBitsSet) is false)
            ReduceLarge(x, isSmall, ref r, ref tail, ref quadrant);
        quadrant += Vector512.Create(turn);

        Vector512<double> z = r * r;
        Vector512<double> half = z * 0.5;
        Vector512<double> sine = r + (r * z * SineTail(z) + tail * (Vector512<double>.One - half));
        Vector512<double> lead = Vector512<double>.One - half;
        Vector512<double> cosine = lead + (((Vector512<double>.One - lead) - half) + (z * z * CosineTail(z) - r * tail));
        Vector512<long> odd = Vector512.Equals(quadrant & Vector512<long>.One, Vector512<long>.One);
        Vector512<double> value = Vector512.ConditionalSelect(odd.AsDouble(), cosine, sine);
        Vector512<long> sign = Vector512.ShiftLeft(quadrant & Vector512.Create(2L), 62);
        value = (value.AsInt64() ^ sign).AsDouble();
        Vector512<double> finite = Vector512.LessThan(Vector512.Abs(x), Vector512.Create(double.PositiveInfinity));
        return Vector512.ConditionalSelect(finite, value, Vector512.Create(double.NaN));
    }

    /// <summary>(sin(r) - r) / r^3 at z = r^2, |r| at most pi/4: Taylor, error below 2^-60.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> SineTail(Vector512<double> z)
    {
        Vector512<double> q = Vector512.Create(1 / 355687428096000.0);
        q = q * z - Vector512.Create(1 / 1307674368000.0);
        q = q * z + Vector512.Create(1 / 6227020800.0);
        q = q * z - Vector512.Create(1 / 39916800.0);
        q = q * z + Vector512.Create(1 / 362880.0);
        q = q * z - Vector512.Create(1 / 5040.0);
        q = q * z + Vector512.Create(1 / 120.0);
        return q * z - Vector512.Create(1 / 6.0);
    }

    /// <summary>(cos(r) - 1 + r^2 / 2) / r^4 at z = r^2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> CosineTail(Vector512<double> z)
    {
        Vector512<double> q = Vector512.Create(-1 / 6402373705728000.0);
        q = q * z + Vector512.Create(1 / 20922789888000.0);
        q = q * z - Vector512.Create(1 / 87178291200.0);
        q = q * z + Vector512.Create(1 / 479001600.0);
        q = q * z - Vector512.Create(1 / 3628800.0);
        q = q * z + Vector512.Create(1 / 40320.0);
        q = q * z - Vector512.Create(1 / 720.0);
        return q * z + Vector512.Create(1 / 24.0);
    }

    private static void ReduceLarge(Vector512<double> x, Vector512<double> isSmall, ref Vector512<double> r, ref Vector512<double> tail, ref Vector512<long> quadrant)
    {
        for (int lane = 0; lane < Vector512<double>.Count; lane++)
        {
            double value = x.GetElement(lane);
            if (isSmall.AsInt64().GetElement(lane) != 0 || !double.IsFinite(value))
                continue;
            (double high, double low, long q) = ReduceLarge(value);
            r = r.WithElement(lane, high);
            tail = tail.WithElement(lane, low);
            quadrant = quadrant.WithElement(lane, q);
        }
    }

    /// <summary>x minus the nearest multiple of pi/2, as a sum of two doubles, by Payne and Hanek's method in integers.</summary>
    private static (double High, double Low, long Quadrant) ReduceLarge(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)((bits >> 52) & 0x7FF) - 1075; // |x| = m 2^exponent, m of 53 bits
        ulong m = ((ulong)bits & 0x000FFFFFFFFFFFFF) | 0x0010000000000000;
        // Bits of 2/pi above weight 2^(2 - exponent) give multiples of 4 turns and are left out; the window of 256 bits starts there.
        int start = exponent - 2;
        Span<ulong> window = stackalloc ulong[4];
        for (int i = 0; i < 4; i++)
            window[i] = BitsOfTwoOverPi(start + 64 * i);
        // product = m * window, kept modulo 2^256: the top two bits are the quadrant, the rest is the fraction.
        UInt128 p3 = (UInt128)m * window[3];
        UInt128 p2 = (UInt128)m * window[2] + (ulong)(p3 >> 64);
        UInt128 p1 = (UInt128)m * window[1] + (ulong)(p2 >> 64);
        ulong top = unchecked(m * window[0] + (ulong)(p1 >> 64));
        UInt128 fraction = (new UInt128(top, (ulong)p1) << 2) | ((ulong)p2 >> 62);
        long quadrant = (long)(top >> 62);
        bool negative = (fraction >> 127) != 0; // above half a quadrant: count from the next one
        if (negative)
        {
            quadrant++;
            fraction = UInt128.Zero - fraction;
        }
        int zeros = (int)UInt128.LeadingZeroCount(fraction);
        UInt128 normal = zeros >= 128 ? UInt128.Zero : fraction << zeros;
        double scale = BitConverter.Int64BitsToDouble((long)(1023 - zeros) << 52);
        double f1 = (ulong)(normal >> 75) * (1.0 / 9007199254740992.0) * scale;
        double f2 = (ulong)((normal >> 22) & 0x1FFFFFFFFFFFFF) * (1.0 / 9007199254740992.0 / 9007199254740992.0) * scale;
        // (f1 + f2) times pi/2 in two doubles.
        const double piHigh = 1.5707963267948966, piLow = 6.123233995736766e-17;
        (double high, double error) = TwoProduct(f1, piHigh);
        double low = error + (f1 * piLow + f2 * piHigh);
        double sum = high + low;
        low = (high - sum) + low;
        if (negative)
            (sum, low) = (-sum, -low);
        return x < 0 ? (-sum, -low, -quadrant) : (sum, low, quadrant);
    }

    /// <summary>64 bits of 2/pi = 0.b1 b2 b3..., from bit <paramref name="start"/> + 1 on; bits before the point are 0.</summary>
    private static ulong BitsOfTwoOverPi(int start)
    {
        int word = start >> 6, shift = start & 63;
        ulong first = word >= 0 ? TwoOverPi[word] : 0, next = word + 1 >= 0 ? TwoOverPi[word + 1] : 0;
        return shift == 0 ? first : (first << shift) | (next >> (64 - shift));
    }

    /// <summary>a b = Product + Error exactly, after Dekker (no multiply-add needed); for |a|, |b| below 2^995.</summary>
    private static (double Product, double Error) TwoProduct(double a, double b)
    {
        double product = a * b;
        double aBig = a * 134217729.0, bBig = b * 134217729.0;
        double aHigh = aBig - (aBig - a), bHigh = bBig - (bBig - b);
        double aLow = a - aHigh, bLow = b - bHigh;
        return (product, ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow);
    }
}
