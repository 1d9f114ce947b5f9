using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Exact;

/// <summary>exp, log, pow, sin, cos, tanh with the same bits on every machine, for one number or a vector.</summary>
/// <remarks>
/// Only +, -, *, /, comparisons, bit operations and <see cref="Fused"/> are used. A scalar goes through the vector form, so the two agree by construction.
/// <code>
/// largest error found, ulp    exp    log    pow    sin    cos    tanh
/// float                       1.00   0.51   0.51   0.51   0.51   0.51      all but exp: calculated in double, rounded once
/// double                      0.83   0.73   0.81   0.69   0.73   1.7
/// </code>
/// Zeros keep their sign where the function is odd; infinities and NaN follow IEEE 754-2019, section 9.2; the payload of a NaN that comes out is free.
/// </remarks>
public static partial class Elementary
{
    private const double Magic = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer that then lies in the low bits
    private const double Log2E = 1.4426950408889634;
    private const double Ln2High = 0.6931471803691238, Ln2Low = 1.9082149292705877e-10; // 32 bits + 53 bits

    // ---------------------------------------------------------------- exp

    /// <summary>e^x. Overflows to infinity above 88.72, is 0 below -103.97.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Exp(float x) => Exp(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Exp(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // Beyond these bounds the result is infinity or zero all the same. A NaN passes both and everything after.
        Vector512<float> bounded = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-104f)), Vector512.Create(-104f), x);
        bounded = Vector512.ConditionalSelect(Vector512.GreaterThan(bounded, Vector512.Create(89f)), Vector512.Create(89f), bounded);
        Vector512<float> magic = Vector512.Create(12582912f); // 1.5 * 2^23
        Vector512<float> shifted = Fused.MultiplyAdd(bounded, Vector512.Create(1.44269502f), magic);
        Vector512<float> k = shifted - magic;
        Vector512<float> r = Fused.MultiplyAdd(k, Vector512.Create(-0.693145751953125f), bounded);
        r = Fused.MultiplyAdd(k, Vector512.Create(-1.428606765330187e-06f), r);
        // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2: degree 4 through Chebyshev's points, relative error of e^r 1.1e-8.
        Vector512<float> q = Fused.MultiplyAdd(Vector512.Create(0.0013926212f), r, Vector512.Create(0.008363202f));
        q = Fused.MultiplyAdd(q, r, Vector512.Create(0.041666556f));
        q = Fused.MultiplyAdd(q, r, Vector512.Create(0.16666576f));
        q = Fused.MultiplyAdd(q, r, Vector512.Create(0.5f));
        Vector512<float> p = Vector512<float>.One + Fused.MultiplyAdd(r * r, q, r);
        if (Avx512F.IsSupported)
            return Avx512F.Scale(p, k);
        // 2^k in two factors: k reaches -150 and 128. Only the second product can round, so this is the instruction above to the bit.
        Vector512<int> exponent = shifted.AsInt32() - magic.AsInt32();
        Vector512<int> half = Vector512.ShiftRightArithmetic(exponent, 1);
        Vector512<float> scale1 = Vector512.ShiftLeft(half + Vector512.Create(127), 23).AsSingle();
        Vector512<float> scale2 = Vector512.ShiftLeft(exponent - half + Vector512.Create(127), 23).AsSingle();
        return p * scale1 * scale2;
    }

    /// <summary>e^x. Overflows to infinity above 709.78, is 0 below -745.13.</summary>
    public static double Exp(double x) => Exp(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Exp(double)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<double> Exp(Vector512<double> x)
    {
        Vector512<double> bounded = Bounded(x, -746, 710);
        Vector512<double> shifted = bounded * Log2E + Vector512.Create(Magic);
        Vector512<double> k = shifted - Vector512.Create(Magic);
        Vector512<double> high = bounded - k * Ln2High; // exact: k has 11 bits, Ln2High 32
        Vector512<double> low = k * Ln2Low;
        Vector512<double> r = high - low;
        Vector512<double> lost = (high - r) - low;
        Vector512<double> p = Vector512<double>.One + (r + (r * r * ExpTail(r) + lost));
        return Selected(x, ScaledByPowerOfTwo(p, shifted));
    }

    /// <summary>(e^r - 1 - r) / r^2 for |r| at most 0.3466: Taylor to r^14 / 14!, error below 2^-60.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> ExpTail(Vector512<double> r)
    {
        Vector512<double> q = Vector512.Create(1 / 87178291200.0);
        q = q * r + Vector512.Create(1 / 6227020800.0);
        q = q * r + Vector512.Create(1 / 479001600.0);
        q = q * r + Vector512.Create(1 / 39916800.0);
        q = q * r + Vector512.Create(1 / 3628800.0);
        q = q * r + Vector512.Create(1 / 362880.0);
        q = q * r + Vector512.Create(1 / 40320.0);
        q = q * r + Vector512.Create(1 / 5040.0);
        q = q * r + Vector512.Create(1 / 720.0);
        q = q * r + Vector512.Create(1 / 120.0);
        q = q * r + Vector512.Create(1 / 24.0);
        q = q * r + Vector512.Create(1 / 6.0);
        return q * r + Vector512.Create(0.5);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> ScaledByPowerOfTwo(Vector512<double> p, Vector512<double> shifted)
    {
        Vector512<long> exponent = shifted.AsInt64() - Vector512.Create(Magic).AsInt64();
        Vector512<long> half = Vector512.ShiftRightArithmetic(exponent, 1);
        Vector512<double> scale1 = Vector512.ShiftLeft(half + Vector512.Create(1023L), 52).AsDouble();
        Vector512<double> scale2 = Vector512.ShiftLeft(exponent - half + Vector512.Create(1023L), 52).AsDouble();
        return p * scale1 * scale2;
    }

    // ---------------------------------------------------------------- log

    /// <summary>The natural logarithm: -infinity at zero, NaN below.</summary>
    public static float Log(float x) => (float)Log((double)x);

    /// <inheritdoc cref="Log(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Log(Vector512<float> x)
    {
        (Vector512<double> low, Vector512<double> high) = Vector512.Widen(x);
        return Vector512.Narrow(Log(low), Log(high));
    }

    /// <inheritdoc cref="Log(float)"/>
    public static double Log(double x) => Log(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Log(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<double> Log(Vector512<double> x)
    {
        (Vector512<double> m, Vector512<double> k) = MantissaAndExponent(x);
        // log m = 2 atanh(s) with s = f / (2 + f), f = m - 1; written so that f enters unrounded.
        Vector512<double> f = m - Vector512<double>.One;
        Vector512<double> s = f / (f + Vector512.Create(2.0));
        Vector512<double> halfSquare = f * f * 0.5;
        Vector512<double> series = s * s * AtanhTail(s * s);
        Vector512<double> result = k * Ln2High - ((halfSquare - (s * (halfSquare + series) + k * Ln2Low)) - f);
        result = Vector512.ConditionalSelect(Vector512.Equals(x, Vector512<double>.Zero), Vector512.Create(double.NegativeInfinity), result);
        result = Vector512.ConditionalSelect(Vector512.Equals(x, Vector512.Create(double.PositiveInfinity)), x, result);
        return Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(x, Vector512<double>.Zero), result, Vector512.Create(double.NaN));
    }

    /// <summary>x = m 2^k with m in [sqrt(1/2), sqrt(2)); for finite x above zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<double> M, Vector512<double> K) MantissaAndExponent(Vector512<double> x)
    {
        Vector512<double> tiny = Vector512.LessThan(x, Vector512.Create(2.2250738585072014e-308));
        Vector512<long> bits = Vector512.ConditionalSelect(tiny, x * 18014398509481984.0, x).AsInt64() + Vector512.Create(0x3FF0000000000000L - 0x3FE6A09E667F3BCDL);
        Vector512<long> exponent = Vector512.ShiftRightArithmetic(bits, 52) - Vector512.Create(1023L) - (tiny.AsInt64() & Vector512.Create(54L));
        Vector512<double> m = ((bits & Vector512.Create(0x000FFFFFFFFFFFFFL)) + Vector512.Create(0x3FE6A09E667F3BCDL)).AsDouble();
        Vector512<double> k = (exponent + Vector512.Create(Magic).AsInt64()).AsDouble() - Vector512.Create(Magic);
        return (m, k);
    }

    /// <summary>2/3 + 2/5 z + 2/7 z^2 + ...: (2 atanh(s) - 2 s) / s^3 at z = s^2 at most 0.0295.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> AtanhTail(Vector512<double> z)
    {
        Vector512<double> q = Vector512.Create(2.0 / 23);
        q = q * z + Vector512.Create(2.0 / 21);
        q = q * z + Vector512.Create(2.0 / 19);
        q = q * z + Vector512.Create(2.0 / 17);
        q = q * z + Vector512.Create(2.0 / 15);
        q = q * z + Vector512.Create(2.0 / 13);
        q = q * z + Vector512.Create(2.0 / 11);
        q = q * z + Vector512.Create(2.0 / 9);
        q = q * z + Vector512.Create(2.0 / 7);
        q = q * z + Vector512.Create(2.0 / 5);
        return q * z + Vector512.Create(2.0 / 3);
    }

    // ---------------------------------------------------------------- tanh

    /// <summary>The hyperbolic tangent.</summary>
    public static float Tanh(float x) => (float)Tanh((double)x);

    /// <inheritdoc cref="Tanh(float)"/>
    public static Vector512<float> Tanh(Vector512<float> x)
    {
        (Vector512<double> low, Vector512<double> high) = Vector512.Widen(x);
        return Vector512.Narrow(Tanh(low), Tanh(high));
    }

    /// <inheritdoc cref="Tanh(float)"/>
    public static double Tanh(double x) => Tanh(Vector512.CreateScalar(x)).ToScalar();

    /// <inheritdoc cref="Tanh(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<double> Tanh(Vector512<double> x)
    {
        // tanh |x| = E / (E + 2) with E = e^(2|x|) - 1 = 2^k (e^r - 1) + (2^k - 1): nothing cancels, k being 0 or more.
        Vector512<double> twice = Bounded(Vector512.Abs(x) * 2.0, 0, 60);
        Vector512<double> shifted = twice * Log2E + Vector512.Create(Magic);
        Vector512<double> k = shifted - Vector512.Create(Magic);
        Vector512<double> high = twice - k * Ln2High;
        Vector512<double> low = k * Ln2Low;
        Vector512<double> r = high - low;
        Vector512<double> lost = (high - r) - low;
        Vector512<double> p = r + (r * r * ExpTail(r) + lost);
        Vector512<double> power = Vector512.ShiftLeft(shifted.AsInt64() - Vector512.Create(Magic).AsInt64() + Vector512.Create(1023L), 52).AsDouble();
        Vector512<double> e = p * power + (power - Vector512<double>.One);
        Vector512<double> magnitude = e / (e + Vector512.Create(2.0));
        Vector512<double> sign = Vector512.Create(-0.0);
        // Below 2^-28 the result is x itself; it also keeps subnormals, which doubling and halving would not harm but the tail would.
        magnitude = Vector512.ConditionalSelect(Vector512.LessThan(Vector512.Abs(x), Vector512.Create(3.7252902984619140625e-9)), Vector512.Abs(x), magnitude);
        return Selected(x, magnitude | (x & sign));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Bounded(Vector512<double> x, double low, double high)
    {
        Vector512<double> above = Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(low)), x, Vector512.Create(low));
        return Vector512.ConditionalSelect(Vector512.LessThan(above, Vector512.Create(high)), above, Vector512.Create(high));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Selected(Vector512<double> x, Vector512<double> result)
        => Vector512.ConditionalSelect(Vector512.Equals(x, x), result, Vector512.Create(double.NaN));
}
