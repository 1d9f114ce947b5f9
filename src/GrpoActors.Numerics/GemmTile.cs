using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>A number known to the compiler: a tile of it has exactly the registers that it needs.</summary>
internal interface ICount
{
    static abstract int Value { get; }
}

internal readonly struct Count0 : ICount { public static int Value => 0; }

internal readonly struct Count1 : ICount { public static int Value => 1; }

internal readonly struct Count2 : ICount { public static int Value => 2; }

internal readonly struct Count3 : ICount { public static int Value => 3; }

internal readonly struct Count4 : ICount { public static int Value => 4; }

internal readonly struct Count5 : ICount { public static int Value => 5; }

internal readonly struct Count6 : ICount { public static int Value => 6; }

internal readonly struct Count7 : ICount { public static int Value => 7; }

internal readonly struct Count8 : ICount { public static int Value => 8; }

internal readonly struct Count9 : ICount { public static int Value => 9; }

internal readonly struct Count10 : ICount { public static int Value => 10; }

internal readonly struct Count11 : ICount { public static int Value => 11; }

internal readonly struct Count12 : ICount { public static int Value => 12; }

/// <summary>The inner loop of attention's products, and with 256 bits and less of all; operands at any strides: <c>c[r, n] = c0[r, n] + Σ_k a[r, k] b[k, n]</c>, each element one chain of fused multiply-adds, k ascending.</summary>
/// <remarks>
/// <code>
///                  n: 16 · vectors →
///            b  k ↓  ....................
///  a  r ↓    c       r0v0  r0v1  r0v2  r0v3      up to 6 x 64 accumulators, all in registers
///     k →            r1v0  ...
/// </code>
/// a lies at a + r aRow + k aK, b at b + k bK + n, c at c + r cRow + n; strides in floats. c0 is 0, or what c holds when <c>continues</c>.
/// The accumulators are named locals because the compiler keeps only those in registers; repetition is right here and nowhere else.
/// </remarks>
internal static unsafe partial class GemmTile
{
    public const int Rows = 6, Columns = 64;

    /// <summary>A tile of 1 .. 6 rows and 16, 32, 48 or 64 columns.</summary>
    public static void Run(int rows, int vectors, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
    {
        switch (vectors)
        {
            case 1: Run<Count1>(rows, k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 2: Run<Count2>(rows, k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 3: Run<Count3>(rows, k, a, aRow, aK, b, bK, c, cRow, continues); break;
            default: Run<Count4>(rows, k, a, aRow, aK, b, bK, c, cRow, continues); break;
        }
    }

    private static void Run<TVectors>(int rows, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TVectors : struct, ICount
    {
        switch (rows)
        {
            case 1: Run<Count1, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 2: Run<Count2, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 3: Run<Count3, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 4: Run<Count4, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 5: Run<Count5, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            default: Run<Count6, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<TRows, TVectors>(nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        if (Avx512F.IsSupported)
            Wide<TRows, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues);
        else if (Fma.IsSupported)
            Middle<TRows, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues);
        else if (AdvSimd.IsSupported)
            Neon<TRows, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues);
        else
            Narrow<TRows, TVectors>(k, a, aRow, aK, b, bK, c, cRow, continues);
    }

    /// <summary>512 bits: all columns at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TRows, TVectors>(nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        float* aAt = a, bAt = b, cAt = c;
        Vector512<float> r0v0 = default, r0v1 = default, r0v2 = default, r0v3 = default;
        Vector512<float> r1v0 = default, r1v1 = default, r1v2 = default, r1v3 = default;
        Vector512<float> r2v0 = default, r2v1 = default, r2v2 = default, r2v3 = default;
        Vector512<float> r3v0 = default, r3v1 = default, r3v2 = default, r3v3 = default;
        Vector512<float> r4v0 = default, r4v1 = default, r4v2 = default, r4v3 = default;
        Vector512<float> r5v0 = default, r5v1 = default, r5v2 = default, r5v3 = default;
        if (continues)
        {
            r0v0 = Vector512.Load(cAt + 0 * cRow + 0);
            if (TVectors.Value > 1) r0v1 = Vector512.Load(cAt + 0 * cRow + 16);
            if (TVectors.Value > 2) r0v2 = Vector512.Load(cAt + 0 * cRow + 32);
            if (TVectors.Value > 3) r0v3 = Vector512.Load(cAt + 0 * cRow + 48);
            if (TRows.Value > 1) r1v0 = Vector512.Load(cAt + 1 * cRow + 0);
            if (TRows.Value > 1 && TVectors.Value > 1) r1v1 = Vector512.Load(cAt + 1 * cRow + 16);
            if (TRows.Value > 1 && TVectors.Value > 2) r1v2 = Vector512.Load(cAt + 1 * cRow + 32);
            if (TRows.Value > 1 && TVectors.Value > 3) r1v3 = Vector512.Load(cAt + 1 * cRow + 48);
            if (TRows.Value > 2) r2v0 = Vector512.Load(cAt + 2 * cRow + 0);
            if (TRows.Value > 2 && TVectors.Value > 1) r2v1 = Vector512.Load(cAt + 2 * cRow + 16);
            if (TRows.Value > 2 && TVectors.Value > 2) r2v2 = Vector512.Load(cAt + 2 * cRow + 32);
            if (TRows.Value > 2 && TVectors.Value > 3) r2v3 = Vector512.Load(cAt + 2 * cRow + 48);
            if (TRows.Value > 3) r3v0 = Vector512.Load(cAt + 3 * cRow + 0);
            if (TRows.Value > 3 && TVectors.Value > 1) r3v1 = Vector512.Load(cAt + 3 * cRow + 16);
            if (TRows.Value > 3 && TVectors.Value > 2) r3v2 = Vector512.Load(cAt + 3 * cRow + 32);
            if (TRows.Value > 3 && TVectors.Value > 3) r3v3 = Vector512.Load(cAt + 3 * cRow + 48);
            if (TRows.Value > 4) r4v0 = Vector512.Load(cAt + 4 * cRow + 0);
            if (TRows.Value > 4 && TVectors.Value > 1) r4v1 = Vector512.Load(cAt + 4 * cRow + 16);
            if (TRows.Value > 4 && TVectors.Value > 2) r4v2 = Vector512.Load(cAt + 4 * cRow + 32);
            if (TRows.Value > 4 && TVectors.Value > 3) r4v3 = Vector512.Load(cAt + 4 * cRow + 48);
            if (TRows.Value > 5) r5v0 = Vector512.Load(cAt + 5 * cRow + 0);
            if (TRows.Value > 5 && TVectors.Value > 1) r5v1 = Vector512.Load(cAt + 5 * cRow + 16);
            if (TRows.Value > 5 && TVectors.Value > 2) r5v2 = Vector512.Load(cAt + 5 * cRow + 32);
            if (TRows.Value > 5 && TVectors.Value > 3) r5v3 = Vector512.Load(cAt + 5 * cRow + 48);
        }
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> b0 = Vector512.Load(bAt + 0);
            Vector512<float> b1 = TVectors.Value > 1 ? Vector512.Load(bAt + 16) : default;
            Vector512<float> b2 = TVectors.Value > 2 ? Vector512.Load(bAt + 32) : default;
            Vector512<float> b3 = TVectors.Value > 3 ? Vector512.Load(bAt + 48) : default;
            {
                Vector512<float> x = Vector512.Create(*aAt);
                r0v0 = Fused.MultiplyAdd(x, b0, r0v0);
                if (TVectors.Value > 1) r0v1 = Fused.MultiplyAdd(x, b1, r0v1);
                if (TVectors.Value > 2) r0v2 = Fused.MultiplyAdd(x, b2, r0v2);
                if (TVectors.Value > 3) r0v3 = Fused.MultiplyAdd(x, b3, r0v3);
            }
            if (TRows.Value > 1)
            {
                Vector512<float> x = Vector512.Create(aAt[1 * aRow]);
                r1v0 = Fused.MultiplyAdd(x, b0, r1v0);
                if (TVectors.Value > 1) r1v1 = Fused.MultiplyAdd(x, b1, r1v1);
                if (TVectors.Value > 2) r1v2 = Fused.MultiplyAdd(x, b2, r1v2);
                if (TVectors.Value > 3) r1v3 = Fused.MultiplyAdd(x, b3, r1v3);
            }
            if (TRows.Value > 2)
            {
                Vector512<float> x = Vector512.Create(aAt[2 * aRow]);
                r2v0 = Fused.MultiplyAdd(x, b0, r2v0);
                if (TVectors.Value > 1) r2v1 = Fused.MultiplyAdd(x, b1, r2v1);
                if (TVectors.Value > 2) r2v2 = Fused.MultiplyAdd(x, b2, r2v2);
                if (TVectors.Value > 3) r2v3 = Fused.MultiplyAdd(x, b3, r2v3);
            }
            if (TRows.Value > 3)
            {
                Vector512<float> x = Vector512.Create(aAt[3 * aRow]);
                r3v0 = Fused.MultiplyAdd(x, b0, r3v0);
                if (TVectors.Value > 1) r3v1 = Fused.MultiplyAdd(x, b1, r3v1);
                if (TVectors.Value > 2) r3v2 = Fused.MultiplyAdd(x, b2, r3v2);
                if (TVectors.Value > 3) r3v3 = Fused.MultiplyAdd(x, b3, r3v3);
            }
            if (TRows.Value > 4)
            {
                Vector512<float> x = Vector512.Create(aAt[4 * aRow]);
                r4v0 = Fused.MultiplyAdd(x, b0, r4v0);
                if (TVectors.Value > 1) r4v1 = Fused.MultiplyAdd(x, b1, r4v1);
                if (TVectors.Value > 2) r4v2 = Fused.MultiplyAdd(x, b2, r4v2);
                if (TVectors.Value > 3) r4v3 = Fused.MultiplyAdd(x, b3, r4v3);
            }
            if (TRows.Value > 5)
            {
                Vector512<float> x = Vector512.Create(aAt[5 * aRow]);
                r5v0 = Fused.MultiplyAdd(x, b0, r5v0);
                if (TVectors.Value > 1) r5v1 = Fused.MultiplyAdd(x, b1, r5v1);
                if (TVectors.Value > 2) r5v2 = Fused.MultiplyAdd(x, b2, r5v2);
                if (TVectors.Value > 3) r5v3 = Fused.MultiplyAdd(x, b3, r5v3);
            }
            aAt += aK;
            bAt += bK;
        }
        r0v0.Store(cAt + 0 * cRow + 0);
        if (TVectors.Value > 1) r0v1.Store(cAt + 0 * cRow + 16);
        if (TVectors.Value > 2) r0v2.Store(cAt + 0 * cRow + 32);
        if (TVectors.Value > 3) r0v3.Store(cAt + 0 * cRow + 48);
        if (TRows.Value > 1) r1v0.Store(cAt + 1 * cRow + 0);
        if (TRows.Value > 1 && TVectors.Value > 1) r1v1.Store(cAt + 1 * cRow + 16);
        if (TRows.Value > 1 && TVectors.Value > 2) r1v2.Store(cAt + 1 * cRow + 32);
        if (TRows.Value > 1 && TVectors.Value > 3) r1v3.Store(cAt + 1 * cRow + 48);
        if (TRows.Value > 2) r2v0.Store(cAt + 2 * cRow + 0);
        if (TRows.Value > 2 && TVectors.Value > 1) r2v1.Store(cAt + 2 * cRow + 16);
        if (TRows.Value > 2 && TVectors.Value > 2) r2v2.Store(cAt + 2 * cRow + 32);
        if (TRows.Value > 2 && TVectors.Value > 3) r2v3.Store(cAt + 2 * cRow + 48);
        if (TRows.Value > 3) r3v0.Store(cAt + 3 * cRow + 0);
        if (TRows.Value > 3 && TVectors.Value > 1) r3v1.Store(cAt + 3 * cRow + 16);
        if (TRows.Value > 3 && TVectors.Value > 2) r3v2.Store(cAt + 3 * cRow + 32);
        if (TRows.Value > 3 && TVectors.Value > 3) r3v3.Store(cAt + 3 * cRow + 48);
        if (TRows.Value > 4) r4v0.Store(cAt + 4 * cRow + 0);
        if (TRows.Value > 4 && TVectors.Value > 1) r4v1.Store(cAt + 4 * cRow + 16);
        if (TRows.Value > 4 && TVectors.Value > 2) r4v2.Store(cAt + 4 * cRow + 32);
        if (TRows.Value > 4 && TVectors.Value > 3) r4v3.Store(cAt + 4 * cRow + 48);
        if (TRows.Value > 5) r5v0.Store(cAt + 5 * cRow + 0);
        if (TRows.Value > 5 && TVectors.Value > 1) r5v1.Store(cAt + 5 * cRow + 16);
        if (TRows.Value > 5 && TVectors.Value > 2) r5v2.Store(cAt + 5 * cRow + 32);
        if (TRows.Value > 5 && TVectors.Value > 3) r5v3.Store(cAt + 5 * cRow + 48);
    }

    /// <summary>256 bits: 16 columns at a time, 12 accumulators of the 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Middle<TRows, TVectors>(nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        for (int column = 0; column < 16 * TVectors.Value; column += 16)
        {
            float* aAt = a, bAt = b + column, cAt = c + column;
            Vector256<float> r0v0 = default, r0v1 = default;
            Vector256<float> r1v0 = default, r1v1 = default;
            Vector256<float> r2v0 = default, r2v1 = default;
            Vector256<float> r3v0 = default, r3v1 = default;
            Vector256<float> r4v0 = default, r4v1 = default;
            Vector256<float> r5v0 = default, r5v1 = default;
            if (continues)
            {
                r0v0 = Vector256.Load(cAt + 0 * cRow + 0);
                r0v1 = Vector256.Load(cAt + 0 * cRow + 8);
                if (TRows.Value > 1) r1v0 = Vector256.Load(cAt + 1 * cRow + 0);
                if (TRows.Value > 1) r1v1 = Vector256.Load(cAt + 1 * cRow + 8);
                if (TRows.Value > 2) r2v0 = Vector256.Load(cAt + 2 * cRow + 0);
                if (TRows.Value > 2) r2v1 = Vector256.Load(cAt + 2 * cRow + 8);
                if (TRows.Value > 3) r3v0 = Vector256.Load(cAt + 3 * cRow + 0);
                if (TRows.Value > 3) r3v1 = Vector256.Load(cAt + 3 * cRow + 8);
                if (TRows.Value > 4) r4v0 = Vector256.Load(cAt + 4 * cRow + 0);
                if (TRows.Value > 4) r4v1 = Vector256.Load(cAt + 4 * cRow + 8);
                if (TRows.Value > 5) r5v0 = Vector256.Load(cAt + 5 * cRow + 0);
                if (TRows.Value > 5) r5v1 = Vector256.Load(cAt + 5 * cRow + 8);
            }
            for (nint i = 0; i < k; i++)
            {
                Vector256<float> b0 = Vector256.Load(bAt + 0);
                Vector256<float> b1 = Vector256.Load(bAt + 8);
                {
                    Vector256<float> x = Vector256.Create(*aAt);
                    r0v0 = Fused.MultiplyAdd(x, b0, r0v0);
                    r0v1 = Fused.MultiplyAdd(x, b1, r0v1);
                }
                if (TRows.Value > 1)
                {
                    Vector256<float> x = Vector256.Create(aAt[1 * aRow]);
                    r1v0 = Fused.MultiplyAdd(x, b0, r1v0);
                    r1v1 = Fused.MultiplyAdd(x, b1, r1v1);
                }
                if (TRows.Value > 2)
                {
                    Vector256<float> x = Vector256.Create(aAt[2 * aRow]);
                    r2v0 = Fused.MultiplyAdd(x, b0, r2v0);
                    r2v1 = Fused.MultiplyAdd(x, b1, r2v1);
                }
                if (TRows.Value > 3)
                {
                    Vector256<float> x = Vector256.Create(aAt[3 * aRow]);
                    r3v0 = Fused.MultiplyAdd(x, b0, r3v0);
                    r3v1 = Fused.MultiplyAdd(x, b1, r3v1);
                }
                if (TRows.Value > 4)
                {
                    Vector256<float> x = Vector256.Create(aAt[4 * aRow]);
                    r4v0 = Fused.MultiplyAdd(x, b0, r4v0);
                    r4v1 = Fused.MultiplyAdd(x, b1, r4v1);
                }
                if (TRows.Value > 5)
                {
                    Vector256<float> x = Vector256.Create(aAt[5 * aRow]);
                    r5v0 = Fused.MultiplyAdd(x, b0, r5v0);
                    r5v1 = Fused.MultiplyAdd(x, b1, r5v1);
                }
                aAt += aK;
                bAt += bK;
            }
            r0v0.Store(cAt + 0 * cRow + 0);
            r0v1.Store(cAt + 0 * cRow + 8);
            if (TRows.Value > 1) r1v0.Store(cAt + 1 * cRow + 0);
            if (TRows.Value > 1) r1v1.Store(cAt + 1 * cRow + 8);
            if (TRows.Value > 2) r2v0.Store(cAt + 2 * cRow + 0);
            if (TRows.Value > 2) r2v1.Store(cAt + 2 * cRow + 8);
            if (TRows.Value > 3) r3v0.Store(cAt + 3 * cRow + 0);
            if (TRows.Value > 3) r3v1.Store(cAt + 3 * cRow + 8);
            if (TRows.Value > 4) r4v0.Store(cAt + 4 * cRow + 0);
            if (TRows.Value > 4) r4v1.Store(cAt + 4 * cRow + 8);
            if (TRows.Value > 5) r5v0.Store(cAt + 5 * cRow + 0);
            if (TRows.Value > 5) r5v1.Store(cAt + 5 * cRow + 8);
        }
    }

    /// <summary>128 bits of NEON: 16 columns at a time, 24 accumulators of the 32 registers. Nothing in it is of that processor alone, so that tests on others run it too.</summary>
    internal static void Neon(int rows, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
    {
        switch (rows)
        {
            case 1: Neon<Count1, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 2: Neon<Count2, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 3: Neon<Count3, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 4: Neon<Count4, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            case 5: Neon<Count5, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
            default: Neon<Count6, Count1>(k, a, aRow, aK, b, bK, c, cRow, continues); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Neon<TRows, TVectors>(nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        for (int column = 0; column < 16 * TVectors.Value; column += 16)
        {
            float* aAt = a, bAt = b + column, cAt = c + column;
            Vector128<float> r0v0 = default, r0v1 = default, r0v2 = default, r0v3 = default;
            Vector128<float> r1v0 = default, r1v1 = default, r1v2 = default, r1v3 = default;
            Vector128<float> r2v0 = default, r2v1 = default, r2v2 = default, r2v3 = default;
            Vector128<float> r3v0 = default, r3v1 = default, r3v2 = default, r3v3 = default;
            Vector128<float> r4v0 = default, r4v1 = default, r4v2 = default, r4v3 = default;
            Vector128<float> r5v0 = default, r5v1 = default, r5v2 = default, r5v3 = default;
            if (continues)
            {
                r0v0 = Vector128.Load(cAt + 0 * cRow + 0);
                r0v1 = Vector128.Load(cAt + 0 * cRow + 4);
                r0v2 = Vector128.Load(cAt + 0 * cRow + 8);
                r0v3 = Vector128.Load(cAt + 0 * cRow + 12);
                if (TRows.Value > 1) r1v0 = Vector128.Load(cAt + 1 * cRow + 0);
                if (TRows.Value > 1) r1v1 = Vector128.Load(cAt + 1 * cRow + 4);
                if (TRows.Value > 1) r1v2 = Vector128.Load(cAt + 1 * cRow + 8);
                if (TRows.Value > 1) r1v3 = Vector128.Load(cAt + 1 * cRow + 12);
                if (TRows.Value > 2) r2v0 = Vector128.Load(cAt + 2 * cRow + 0);
                if (TRows.Value > 2) r2v1 = Vector128.Load(cAt + 2 * cRow + 4);
                if (TRows.Value > 2) r2v2 = Vector128.Load(cAt + 2 * cRow + 8);
                if (TRows.Value > 2) r2v3 = Vector128.Load(cAt + 2 * cRow + 12);
                if (TRows.Value > 3) r3v0 = Vector128.Load(cAt + 3 * cRow + 0);
                if (TRows.Value > 3) r3v1 = Vector128.Load(cAt + 3 * cRow + 4);
                if (TRows.Value > 3) r3v2 = Vector128.Load(cAt + 3 * cRow + 8);
                if (TRows.Value > 3) r3v3 = Vector128.Load(cAt + 3 * cRow + 12);
                if (TRows.Value > 4) r4v0 = Vector128.Load(cAt + 4 * cRow + 0);
                if (TRows.Value > 4) r4v1 = Vector128.Load(cAt + 4 * cRow + 4);
                if (TRows.Value > 4) r4v2 = Vector128.Load(cAt + 4 * cRow + 8);
                if (TRows.Value > 4) r4v3 = Vector128.Load(cAt + 4 * cRow + 12);
                if (TRows.Value > 5) r5v0 = Vector128.Load(cAt + 5 * cRow + 0);
                if (TRows.Value > 5) r5v1 = Vector128.Load(cAt + 5 * cRow + 4);
                if (TRows.Value > 5) r5v2 = Vector128.Load(cAt + 5 * cRow + 8);
                if (TRows.Value > 5) r5v3 = Vector128.Load(cAt + 5 * cRow + 12);
            }
            for (nint i = 0; i < k; i++)
            {
                Vector128<float> b0 = Vector128.Load(bAt + 0), b1 = Vector128.Load(bAt + 4), b2 = Vector128.Load(bAt + 8), b3 = Vector128.Load(bAt + 12);
                {
                    Vector128<float> x = Vector128.Create(*aAt);
                    r0v0 = Fused.MultiplyAdd(x, b0, r0v0);
                    r0v1 = Fused.MultiplyAdd(x, b1, r0v1);
                    r0v2 = Fused.MultiplyAdd(x, b2, r0v2);
                    r0v3 = Fused.MultiplyAdd(x, b3, r0v3);
                }
                if (TRows.Value > 1)
                {
                    Vector128<float> x = Vector128.Create(aAt[1 * aRow]);
                    r1v0 = Fused.MultiplyAdd(x, b0, r1v0);
                    r1v1 = Fused.MultiplyAdd(x, b1, r1v1);
                    r1v2 = Fused.MultiplyAdd(x, b2, r1v2);
                    r1v3 = Fused.MultiplyAdd(x, b3, r1v3);
                }
                if (TRows.Value > 2)
                {
                    Vector128<float> x = Vector128.Create(aAt[2 * aRow]);
                    r2v0 = Fused.MultiplyAdd(x, b0, r2v0);
                    r2v1 = Fused.MultiplyAdd(x, b1, r2v1);
                    r2v2 = Fused.MultiplyAdd(x, b2, r2v2);
                    r2v3 = Fused.MultiplyAdd(x, b3, r2v3);
                }
                if (TRows.Value > 3)
                {
                    Vector128<float> x = Vector128.Create(aAt[3 * aRow]);
                    r3v0 = Fused.MultiplyAdd(x, b0, r3v0);
                    r3v1 = Fused.MultiplyAdd(x, b1, r3v1);
                    r3v2 = Fused.MultiplyAdd(x, b2, r3v2);
                    r3v3 = Fused.MultiplyAdd(x, b3, r3v3);
                }
                if (TRows.Value > 4)
                {
                    Vector128<float> x = Vector128.Create(aAt[4 * aRow]);
                    r4v0 = Fused.MultiplyAdd(x, b0, r4v0);
                    r4v1 = Fused.MultiplyAdd(x, b1, r4v1);
                    r4v2 = Fused.MultiplyAdd(x, b2, r4v2);
                    r4v3 = Fused.MultiplyAdd(x, b3, r4v3);
                }
                if (TRows.Value > 5)
                {
                    Vector128<float> x = Vector128.Create(aAt[5 * aRow]);
                    r5v0 = Fused.MultiplyAdd(x, b0, r5v0);
                    r5v1 = Fused.MultiplyAdd(x, b1, r5v1);
                    r5v2 = Fused.MultiplyAdd(x, b2, r5v2);
                    r5v3 = Fused.MultiplyAdd(x, b3, r5v3);
                }
                aAt += aK;
                bAt += bK;
            }
            r0v0.Store(cAt + 0 * cRow + 0);
            r0v1.Store(cAt + 0 * cRow + 4);
            r0v2.Store(cAt + 0 * cRow + 8);
            r0v3.Store(cAt + 0 * cRow + 12);
            if (TRows.Value > 1) r1v0.Store(cAt + 1 * cRow + 0);
            if (TRows.Value > 1) r1v1.Store(cAt + 1 * cRow + 4);
            if (TRows.Value > 1) r1v2.Store(cAt + 1 * cRow + 8);
            if (TRows.Value > 1) r1v3.Store(cAt + 1 * cRow + 12);
            if (TRows.Value > 2) r2v0.Store(cAt + 2 * cRow + 0);
            if (TRows.Value > 2) r2v1.Store(cAt + 2 * cRow + 4);
            if (TRows.Value > 2) r2v2.Store(cAt + 2 * cRow + 8);
            if (TRows.Value > 2) r2v3.Store(cAt + 2 * cRow + 12);
            if (TRows.Value > 3) r3v0.Store(cAt + 3 * cRow + 0);
            if (TRows.Value > 3) r3v1.Store(cAt + 3 * cRow + 4);
            if (TRows.Value > 3) r3v2.Store(cAt + 3 * cRow + 8);
            if (TRows.Value > 3) r3v3.Store(cAt + 3 * cRow + 12);
            if (TRows.Value > 4) r4v0.Store(cAt + 4 * cRow + 0);
            if (TRows.Value > 4) r4v1.Store(cAt + 4 * cRow + 4);
            if (TRows.Value > 4) r4v2.Store(cAt + 4 * cRow + 8);
            if (TRows.Value > 4) r4v3.Store(cAt + 4 * cRow + 12);
            if (TRows.Value > 5) r5v0.Store(cAt + 5 * cRow + 0);
            if (TRows.Value > 5) r5v1.Store(cAt + 5 * cRow + 4);
            if (TRows.Value > 5) r5v2.Store(cAt + 5 * cRow + 8);
            if (TRows.Value > 5) r5v3.Store(cAt + 5 * cRow + 12);
        }
    }

    /// <summary>128 bits, multiply-add emulated. 16 columns at a time.</summary>
    private static void Narrow<TRows, TVectors>(nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        for (int column = 0; column < 16 * TVectors.Value; column += 16)
        {
            for (int row = 0; row < TRows.Value; row += 2)
            {
                bool isPair = row + 1 < TRows.Value;
                float* aRows = a + row * aRow, cRows = c + row * cRow + column;
                if (Avx.IsSupported && TryNarrow(isPair, k, aRows, aRow, aK, b + column, bK, cRows, cRow, continues))
                    continue;
                NarrowRow(k, aRows, aK, b + column, bK, cRows, continues);
                if (isPair)
                    NarrowRow(k, aRows + aRow, aK, b + column, bK, cRows + cRow, continues);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowRow(nint k, float* a, nint aK, float* b, nint bK, float* c, bool continues)
    {
        float* aAt = a, bAt = b, cAt = c;
        Vector128<float> v0 = default, v1 = default, v2 = default, v3 = default;
        if (continues)
        {
            v0 = Vector128.Load(cAt);
            v1 = Vector128.Load(cAt + 4);
            v2 = Vector128.Load(cAt + 8);
            v3 = Vector128.Load(cAt + 12);
        }
        for (nint i = 0; i < k; i++)
        {
            Vector128<float> x = Vector128.Create(*aAt);
            v0 = Fused.MultiplyAdd(x, Vector128.Load(bAt), v0);
            v1 = Fused.MultiplyAdd(x, Vector128.Load(bAt + 4), v1);
            v2 = Fused.MultiplyAdd(x, Vector128.Load(bAt + 8), v2);
            v3 = Fused.MultiplyAdd(x, Vector128.Load(bAt + 12), v3);
            aAt += aK;
            bAt += bK;
        }
        v0.Store(cAt);
        v1.Store(cAt + 4);
        v2.Store(cAt + 8);
        v3.Store(cAt + 12);
    }
}
