using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using X86Fma = System.Runtime.Intrinsics.X86.Fma;

namespace GrpoActors.Exact;

/// <summary><c>a * b + c</c> with one rounding: the only multiply-add of the house.</summary>
/// <remarks>
/// In hardware where there is any; elsewhere an emulation with the same bits (signed zeros, subnormals, overflow; a NaN stays a NaN, its payload is free).
/// The emulation: a product of two floats is exact in double (48 of 53 bits); the sum with c is taken in double, rounded to odd with the
/// error of TwoSum, and then rounded once to float. Rounding to odd keeps what the second rounding needs (Boldo and Melquiond, 2008).
/// </remarks>
public static class Fused
{
    /// <summary>Whether every width below runs in hardware.</summary>
    public static bool IsHardware
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => X86Fma.IsSupported || AdvSimd.IsSupported;
    }

    /// <inheritdoc cref="Fused"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c)
    {
        if (X86Fma.IsSupported)
            return X86Fma.MultiplyAddScalar(Vector128.CreateScalarUnsafe(a), Vector128.CreateScalarUnsafe(b), Vector128.CreateScalarUnsafe(c)).ToScalar();
        if (AdvSimd.IsSupported)
            return AdvSimd.FusedMultiplyAddScalar(Vector64.CreateScalarUnsafe(c), Vector64.CreateScalarUnsafe(a), Vector64.CreateScalarUnsafe(b)).ToScalar();
        double product = (double)a * b;
        return (float)SumRoundedToOdd(Vector128.CreateScalar(product), Vector128.CreateScalar((double)c)).ToScalar();
    }

    /// <inheritdoc cref="Fused"/>
    /// <remarks>Without hardware this is the C library's correctly rounded <c>fma</c>: slow, and not for inner loops.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double MultiplyAdd(double a, double b, double c) => Math.FusedMultiplyAdd(a, b, c);

    /// <inheritdoc cref="Fused"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c)
    {
        if (X86Fma.IsSupported)
            return X86Fma.MultiplyAdd(a, b, c);
        if (AdvSimd.IsSupported)
            return AdvSimd.FusedMultiplyAdd(c, a, b);
        return Emulated(a, b, c);
    }

    /// <inheritdoc cref="Fused"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c)
    {
        if (X86Fma.IsSupported)
            return X86Fma.MultiplyAdd(a, b, c);
        return Vector256.Create(
            MultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
            MultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));
    }

    /// <inheritdoc cref="Fused"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c)
    {
        if (Avx512F.IsSupported)
            return Avx512F.FusedMultiplyAdd(a, b, c);
        return Vector512.Create(
            MultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
            MultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));
    }

    /// <summary>The emulation by itself, so that it can be compared with hardware where there is hardware.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Emulated(Vector128<float> a, Vector128<float> b, Vector128<float> c)
    {
        (Vector128<double> aLow, Vector128<double> aHigh) = Vector128.Widen(a);
        (Vector128<double> bLow, Vector128<double> bHigh) = Vector128.Widen(b);
        (Vector128<double> cLow, Vector128<double> cHigh) = Vector128.Widen(c);
        return Vector128.Narrow(SumRoundedToOdd(aLow * bLow, cLow), SumRoundedToOdd(aHigh * bHigh, cHigh));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> SumRoundedToOdd(Vector128<double> p, Vector128<double> c)
    {
        Vector128<double> sum = p + c;
        Vector128<double> cPart = sum - p;
        Vector128<double> error = (p - (sum - cPart)) + (c - cPart);
        // An infinite or NaN sum makes the error NaN: neither comparison holds and the sum stays as it is.
        Vector128<long> inexact = Vector128.GreaterThan(Vector128.Abs(error), Vector128<double>.Zero).AsInt64();
        // Towards zero first, where the sum lies beyond the truth; then the last bit says "inexact".
        Vector128<long> isBeyond = Vector128.LessThan(sum.AsInt64() ^ error.AsInt64(), Vector128<long>.Zero);
        return ((sum.AsInt64() + (isBeyond & inexact)) | (inexact & Vector128<long>.One)).AsDouble();
    }
}
