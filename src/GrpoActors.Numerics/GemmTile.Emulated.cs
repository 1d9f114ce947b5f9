using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Numerics;

internal static unsafe partial class GemmTile
{
    /// <summary>Multiply-add without hardware, four floats in four doubles: right unless it says otherwise.</summary>
    /// <remarks>
    /// A product of floats is exact in double, so only the sum is rounded twice: to double, then to float. That goes wrong only where the double lies exactly
    /// half way between two floats (its last 29 bits are 1 and zeros; at other bits below the smallest normal float). Such sums are collected in a flag, and a tile
    /// in which there was one is calculated again with <see cref="Exact.Fused"/>. They are some 2^-29 of all.
    /// </remarks>
    private static class Speculative
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> Add(Vector256<double> a, Vector256<double> b, Vector256<double> c, ref Vector256<double> suspects)
        {
            Vector256<double> sum = Avx.Add(Avx.Multiply(a, b), c);
            // The low words as floats: the pattern is an ordinary one, and the high word compares with NaN, which nothing equals.
            Vector256<float> low = Avx.And(sum.AsSingle(), Vector256.Create(0x000000001FFFFFFFUL).AsSingle());
            Vector256<float> isHalfWay = Avx.Compare(low, Vector256.Create(0x7FC0000010000000UL).AsSingle(), FloatComparisonMode.OrderedEqualNonSignaling);
            Vector256<double> magnitude = Avx.And(sum, Vector256.Create(0x7FFFFFFFFFFFFFFFUL).AsDouble());
            Vector256<double> isTiny = Avx.Compare(magnitude, Vector256.Create(1.1754943508222875e-38), FloatComparisonMode.OrderedLessThanNonSignaling);
            suspects = Avx.Or(suspects, Avx.Or(isHalfWay.AsDouble(), Avx.And(isTiny, magnitude)));
            return Avx.ConvertToVector256Double(Avx.ConvertToVector128Single(sum));
        }
    }

    /// <summary>One or two rows and 16 columns without fused multiply-add; false, and nothing written, where a sum was a suspect.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TryNarrow(bool isPair, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
    {
        Vector256<double> zero = Vector256<double>.Zero, suspects = zero;
        Vector256<double> r0v0 = zero, r0v1 = zero, r0v2 = zero, r0v3 = zero, r1v0 = zero, r1v1 = zero, r1v2 = zero, r1v3 = zero;
        nint second = isPair ? aRow : 0, secondRow = isPair ? cRow : 0; // a lone row is calculated twice
        if (continues)
        {
            r0v0 = Avx.ConvertToVector256Double(Vector128.Load(c));
            r0v1 = Avx.ConvertToVector256Double(Vector128.Load(c + 4));
            r0v2 = Avx.ConvertToVector256Double(Vector128.Load(c + 8));
            r0v3 = Avx.ConvertToVector256Double(Vector128.Load(c + 12));
            r1v0 = Avx.ConvertToVector256Double(Vector128.Load(c + secondRow));
            r1v1 = Avx.ConvertToVector256Double(Vector128.Load(c + secondRow + 4));
            r1v2 = Avx.ConvertToVector256Double(Vector128.Load(c + secondRow + 8));
            r1v3 = Avx.ConvertToVector256Double(Vector128.Load(c + secondRow + 12));
        }
        for (nint i = 0; i < k; i++, a += aK, b += bK)
        {
            Vector256<double> x0 = Vector256.Create((double)*a), x1 = Vector256.Create((double)a[second]);
            Vector256<double> b0 = Avx.ConvertToVector256Double(Vector128.Load(b));
            r0v0 = Speculative.Add(x0, b0, r0v0, ref suspects);
            r1v0 = Speculative.Add(x1, b0, r1v0, ref suspects);
            Vector256<double> b1 = Avx.ConvertToVector256Double(Vector128.Load(b + 4));
            r0v1 = Speculative.Add(x0, b1, r0v1, ref suspects);
            r1v1 = Speculative.Add(x1, b1, r1v1, ref suspects);
            Vector256<double> b2 = Avx.ConvertToVector256Double(Vector128.Load(b + 8));
            r0v2 = Speculative.Add(x0, b2, r0v2, ref suspects);
            r1v2 = Speculative.Add(x1, b2, r1v2, ref suspects);
            Vector256<double> b3 = Avx.ConvertToVector256Double(Vector128.Load(b + 12));
            r0v3 = Speculative.Add(x0, b3, r0v3, ref suspects);
            r1v3 = Speculative.Add(x1, b3, r1v3, ref suspects);
        }
        if (!Avx.TestZ(suspects.AsInt64(), suspects.AsInt64()))
            return false;
        Avx.ConvertToVector128Single(r0v0).Store(c);
        Avx.ConvertToVector128Single(r0v1).Store(c + 4);
        Avx.ConvertToVector128Single(r0v2).Store(c + 8);
        Avx.ConvertToVector128Single(r0v3).Store(c + 12);
        Avx.ConvertToVector128Single(r1v0).Store(c + secondRow);
        Avx.ConvertToVector128Single(r1v1).Store(c + secondRow + 4);
        Avx.ConvertToVector128Single(r1v2).Store(c + secondRow + 8);
        Avx.ConvertToVector128Single(r1v3).Store(c + secondRow + 12);
        return true;
    }
}
