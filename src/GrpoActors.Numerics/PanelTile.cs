using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>The inner loop of a product with panels: <c>c[r, n] = c0[r, n] + Σ_k a[r, k] b[k, n]</c>, each element one chain of fused multiply-adds, k ascending.</summary>
/// <remarks>
/// <code>
///                        n →                       512 bits: up to 12 x 32 accumulators of the 32 registers
///            b  k ↓  ..........                    256 bits: up to 6 x 16 of the 16 registers; of two strips at once up to 3 x 32
///  a  r ↓    c       r0v0  r0v1                    128 bits (NEON): up to 6 x 16 of the 32 registers
///     k →            r1v0  r1v1
/// </code>
/// A strip of a panel is as wide as a tile, so that one that comes from memory is one stream, read once for all rows of the tile. a lies as <see cref="TileRows"/>
/// copies it, the rows of one k side by side. With 128 bits a tile goes through <see cref="GemmTile"/>.
/// The accumulators are named locals because the compiler keeps only those in registers; repetition is right here and there, and nowhere else.
/// </remarks>
internal static unsafe class PanelTile
{
    /// <summary>Columns of a panel.</summary>
    public const int Columns = 32;

    /// <summary>Most rows that a tile of any width has.</summary>
    public const int RowsMax = 12;

    /// <summary>Rows of a tile.</summary>
    public static int Rows => Avx512F.IsSupported ? RowsMax : GemmTile.Rows;

    /// <summary>Columns of a tile. A panel is one or two strips of so many. How it lies in memory is no part of any result.</summary>
    public static int Strip => Avx512F.IsSupported ? Columns : 16;

    /// <summary>Rows for which <see cref="RunPair"/> takes both strips of a panel at once: with one, their few chains would wait for each other. 0: none.</summary>
    public static int PairRows => !Avx512F.IsSupported && Fma.IsSupported ? 3 : 0;

    /// <summary>Whether a tile reads bfloat16; otherwise such panels are widened first.</summary>
    public static bool ReadsHalf => Fma.IsSupported;

    /// <summary>A tile of 1 .. <see cref="Rows"/> rows and 16 columns, or 32 where a strip has them.</summary>
    /// <param name="b">Entries of a strip.</param>
    /// <param name="bK">Bytes from k to k.</param>
    /// <param name="ahead">Memory to ask for before it is needed; null: none.</param>
    /// <param name="aheadK">Bytes from k to k.</param>
    /// <param name="lines">Cache lines to ask for at each k: 1, or with 512 bits 2.</param>
    public static void Run(int rows, int vectors, nint k, float* a, byte* b, nint bK, bool isHalf, float* c, nint cRow, bool continues, byte* ahead, nint aheadK, int lines)
    {
        if (Avx512F.IsSupported)
        {
            if (isHalf)
                Run<Bfloat16Entries>(rows, vectors, k, a, b, bK, c, cRow, continues, ahead, aheadK, lines);
            else
                Run<FloatEntries>(rows, vectors, k, a, b, bK, c, cRow, continues, ahead, aheadK, lines);
        }
        else if (!Fma.IsSupported)
        {
            GemmTile.Run(rows, vectors, k, a, 1, rows, (float*)b, bK / sizeof(float), c, cRow, continues);
        }
        else if (isHalf)
        {
            RunMiddle<Bfloat16Entries>(rows, k, a, b, bK, c, cRow, continues, ahead, aheadK);
        }
        else
        {
            RunMiddle<FloatEntries>(rows, k, a, b, bK, c, cRow, continues, ahead, aheadK);
        }
    }

    /// <summary>As <see cref="Run"/>, for up to <see cref="PairRows"/> rows and the 32 columns of two strips, the second <paramref name="pair"/> bytes behind the first. Asks for a line of each.</summary>
    public static void RunPair(int rows, nint k, float* a, byte* b, nint bK, nint pair, bool isHalf, float* c, nint cRow, bool continues, byte* ahead)
    {
        if (isHalf)
            RunPair<Bfloat16Entries>(rows, k, a, b, bK, pair, c, cRow, continues, ahead);
        else
            RunPair<FloatEntries>(rows, k, a, b, bK, pair, c, cRow, continues, ahead);
    }

    private static void RunPair<TEntries>(int rows, nint k, float* a, byte* b, nint bK, nint pair, float* c, nint cRow, bool continues, byte* ahead)
        where TEntries : struct, IEntries
    {
        switch (rows)
        {
            case 1: Middle<TEntries, Count1, Count4, Count2>(k, a, b, bK, pair, c, cRow, continues, ahead, bK); break;
            case 2: Middle<TEntries, Count2, Count4, Count2>(k, a, b, bK, pair, c, cRow, continues, ahead, bK); break;
            default: Middle<TEntries, Count3, Count4, Count2>(k, a, b, bK, pair, c, cRow, continues, ahead, bK); break;
        }
    }

    private static void RunMiddle<TEntries>(int rows, nint k, float* a, byte* b, nint bK, float* c, nint cRow, bool continues, byte* ahead, nint aheadK)
        where TEntries : struct, IEntries
    {
        if (ahead == null)
            RunMiddle<TEntries, Count0>(rows, k, a, b, bK, c, cRow, continues, null, 0);
        else
            RunMiddle<TEntries, Count1>(rows, k, a, b, bK, c, cRow, continues, ahead, aheadK);
    }

    private static void RunMiddle<TEntries, TLines>(int rows, nint k, float* a, byte* b, nint bK, float* c, nint cRow, bool continues, byte* ahead, nint aheadK)
        where TEntries : struct, IEntries
        where TLines : struct, ICount
    {
        switch (rows)
        {
            case 1: Middle<TEntries, Count1, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
            case 2: Middle<TEntries, Count2, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
            case 3: Middle<TEntries, Count3, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
            case 4: Middle<TEntries, Count4, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
            case 5: Middle<TEntries, Count5, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
            default: Middle<TEntries, Count6, Count2, TLines>(k, a, b, bK, 0, c, cRow, continues, ahead, aheadK); break;
        }
    }

    private static void Run<TEntries>(int rows, int vectors, nint k, float* a, byte* b, nint bK, float* c, nint cRow, bool continues, byte* ahead, nint aheadK, int lines)
        where TEntries : struct, IEntries
    {
        if (vectors == 1)
            Run<TEntries, Count1, Count0>(rows, k, a, b, bK, c, cRow, continues, null, 0);
        else if (ahead == null)
            Run<TEntries, Count2, Count0>(rows, k, a, b, bK, c, cRow, continues, null, 0);
        else if (lines == 1)
            Run<TEntries, Count2, Count1>(rows, k, a, b, bK, c, cRow, continues, ahead, aheadK);
        else
            Run<TEntries, Count2, Count2>(rows, k, a, b, bK, c, cRow, continues, ahead, aheadK);
    }

    /// <summary>How the entries of a panel are stored; calculated with as float32.</summary>
    private interface IEntries
    {
        static abstract Vector512<float> Load(byte* at, int vector);

        static abstract Vector256<float> LoadEight(byte* at, int vector);
    }

    private readonly struct FloatEntries : IEntries
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* at, int vector) => Vector512.Load((float*)at + (16 * vector));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> LoadEight(byte* at, int vector) => Vector256.Load((float*)at + (8 * vector));
    }

    /// <summary>The upper halves of floats whose lower halves are 0.</summary>
    private readonly struct Bfloat16Entries : IEntries
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* at, int vector)
            => Vector512.ShiftLeft(Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)at + (16 * vector))), 16).AsSingle();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> LoadEight(byte* at, int vector)
            => Vector256.ShiftLeft(Avx2.ConvertToVector256Int32(Vector128.Load((ushort*)at + (8 * vector))), 16).AsSingle();
    }

    private static void Run<TEntries, TVectors, TLines>(int rows, nint k, float* a, byte* b, nint bK, float* c, nint cRow, bool continues, byte* ahead, nint aheadK)
        where TEntries : struct, IEntries
        where TVectors : struct, ICount
        where TLines : struct, ICount
    {
        switch (rows)
        {
            case 1: Tall<TEntries, Count1, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 2: Tall<TEntries, Count2, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 3: Tall<TEntries, Count3, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 4: Tall<TEntries, Count4, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 5: Tall<TEntries, Count5, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 6: Tall<TEntries, Count6, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 7: Tall<TEntries, Count7, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 8: Tall<TEntries, Count8, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 9: Tall<TEntries, Count9, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 10: Tall<TEntries, Count10, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            case 11: Tall<TEntries, Count11, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
            default: Tall<TEntries, Count12, TVectors, TLines>(k, a, b, bK, c, cRow, continues, ahead, aheadK); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tall<TEntries, TRows, TVectors, TLines>(nint k, float* a, byte* b, nint bK, float* c, nint cRow, bool continues, byte* ahead, nint aheadK)
        where TEntries : struct, IEntries
        where TRows : struct, ICount
        where TVectors : struct, ICount
        where TLines : struct, ICount
    {
        float* aAt = a;
        byte* bAt = b, aheadAt = ahead;
        Vector512<float> r0v0 = default, r0v1 = default;
        Vector512<float> r1v0 = default, r1v1 = default;
        Vector512<float> r2v0 = default, r2v1 = default;
        Vector512<float> r3v0 = default, r3v1 = default;
        Vector512<float> r4v0 = default, r4v1 = default;
        Vector512<float> r5v0 = default, r5v1 = default;
        Vector512<float> r6v0 = default, r6v1 = default;
        Vector512<float> r7v0 = default, r7v1 = default;
        Vector512<float> r8v0 = default, r8v1 = default;
        Vector512<float> r9v0 = default, r9v1 = default;
        Vector512<float> r10v0 = default, r10v1 = default;
        Vector512<float> r11v0 = default, r11v1 = default;
        if (continues)
        {
            r0v0 = Vector512.Load(c);
            if (TVectors.Value > 1) r0v1 = Vector512.Load(c + 16);
            if (TRows.Value > 1) r1v0 = Vector512.Load(c + (1 * cRow));
            if (TRows.Value > 1 && TVectors.Value > 1) r1v1 = Vector512.Load(c + (1 * cRow) + 16);
            if (TRows.Value > 2) r2v0 = Vector512.Load(c + (2 * cRow));
            if (TRows.Value > 2 && TVectors.Value > 1) r2v1 = Vector512.Load(c + (2 * cRow) + 16);
            if (TRows.Value > 3) r3v0 = Vector512.Load(c + (3 * cRow));
            if (TRows.Value > 3 && TVectors.Value > 1) r3v1 = Vector512.Load(c + (3 * cRow) + 16);
            if (TRows.Value > 4) r4v0 = Vector512.Load(c + (4 * cRow));
            if (TRows.Value > 4 && TVectors.Value > 1) r4v1 = Vector512.Load(c + (4 * cRow) + 16);
            if (TRows.Value > 5) r5v0 = Vector512.Load(c + (5 * cRow));
            if (TRows.Value > 5 && TVectors.Value > 1) r5v1 = Vector512.Load(c + (5 * cRow) + 16);
            if (TRows.Value > 6) r6v0 = Vector512.Load(c + (6 * cRow));
            if (TRows.Value > 6 && TVectors.Value > 1) r6v1 = Vector512.Load(c + (6 * cRow) + 16);
            if (TRows.Value > 7) r7v0 = Vector512.Load(c + (7 * cRow));
            if (TRows.Value > 7 && TVectors.Value > 1) r7v1 = Vector512.Load(c + (7 * cRow) + 16);
            if (TRows.Value > 8) r8v0 = Vector512.Load(c + (8 * cRow));
            if (TRows.Value > 8 && TVectors.Value > 1) r8v1 = Vector512.Load(c + (8 * cRow) + 16);
            if (TRows.Value > 9) r9v0 = Vector512.Load(c + (9 * cRow));
            if (TRows.Value > 9 && TVectors.Value > 1) r9v1 = Vector512.Load(c + (9 * cRow) + 16);
            if (TRows.Value > 10) r10v0 = Vector512.Load(c + (10 * cRow));
            if (TRows.Value > 10 && TVectors.Value > 1) r10v1 = Vector512.Load(c + (10 * cRow) + 16);
            if (TRows.Value > 11) r11v0 = Vector512.Load(c + (11 * cRow));
            if (TRows.Value > 11 && TVectors.Value > 1) r11v1 = Vector512.Load(c + (11 * cRow) + 16);
        }
        for (nint i = 0; i < k; i++)
        {
            if (TLines.Value > 0) Sse.Prefetch0(aheadAt);
            if (TLines.Value > 1) Sse.Prefetch0(aheadAt + 64);
            Vector512<float> b0 = TEntries.Load(bAt, 0);
            Vector512<float> b1 = TVectors.Value > 1 ? TEntries.Load(bAt, 1) : default;
            {
                Vector512<float> x = Vector512.Create(aAt[0]);
                r0v0 = Fused.MultiplyAdd(x, b0, r0v0);
                if (TVectors.Value > 1) r0v1 = Fused.MultiplyAdd(x, b1, r0v1);
            }
            if (TRows.Value > 1)
            {
                Vector512<float> x = Vector512.Create(aAt[1]);
                r1v0 = Fused.MultiplyAdd(x, b0, r1v0);
                if (TVectors.Value > 1) r1v1 = Fused.MultiplyAdd(x, b1, r1v1);
            }
            if (TRows.Value > 2)
            {
                Vector512<float> x = Vector512.Create(aAt[2]);
                r2v0 = Fused.MultiplyAdd(x, b0, r2v0);
                if (TVectors.Value > 1) r2v1 = Fused.MultiplyAdd(x, b1, r2v1);
            }
            if (TRows.Value > 3)
            {
                Vector512<float> x = Vector512.Create(aAt[3]);
                r3v0 = Fused.MultiplyAdd(x, b0, r3v0);
                if (TVectors.Value > 1) r3v1 = Fused.MultiplyAdd(x, b1, r3v1);
            }
            if (TRows.Value > 4)
            {
                Vector512<float> x = Vector512.Create(aAt[4]);
                r4v0 = Fused.MultiplyAdd(x, b0, r4v0);
                if (TVectors.Value > 1) r4v1 = Fused.MultiplyAdd(x, b1, r4v1);
            }
            if (TRows.Value > 5)
            {
                Vector512<float> x = Vector512.Create(aAt[5]);
                r5v0 = Fused.MultiplyAdd(x, b0, r5v0);
                if (TVectors.Value > 1) r5v1 = Fused.MultiplyAdd(x, b1, r5v1);
            }
            if (TRows.Value > 6)
            {
                Vector512<float> x = Vector512.Create(aAt[6]);
                r6v0 = Fused.MultiplyAdd(x, b0, r6v0);
                if (TVectors.Value > 1) r6v1 = Fused.MultiplyAdd(x, b1, r6v1);
            }
            if (TRows.Value > 7)
            {
                Vector512<float> x = Vector512.Create(aAt[7]);
                r7v0 = Fused.MultiplyAdd(x, b0, r7v0);
                if (TVectors.Value > 1) r7v1 = Fused.MultiplyAdd(x, b1, r7v1);
            }
            if (TRows.Value > 8)
            {
                Vector512<float> x = Vector512.Create(aAt[8]);
                r8v0 = Fused.MultiplyAdd(x, b0, r8v0);
                if (TVectors.Value > 1) r8v1 = Fused.MultiplyAdd(x, b1, r8v1);
            }
            if (TRows.Value > 9)
            {
                Vector512<float> x = Vector512.Create(aAt[9]);
                r9v0 = Fused.MultiplyAdd(x, b0, r9v0);
                if (TVectors.Value > 1) r9v1 = Fused.MultiplyAdd(x, b1, r9v1);
            }
            if (TRows.Value > 10)
            {
                Vector512<float> x = Vector512.Create(aAt[10]);
                r10v0 = Fused.MultiplyAdd(x, b0, r10v0);
                if (TVectors.Value > 1) r10v1 = Fused.MultiplyAdd(x, b1, r10v1);
            }
            if (TRows.Value > 11)
            {
                Vector512<float> x = Vector512.Create(aAt[11]);
                r11v0 = Fused.MultiplyAdd(x, b0, r11v0);
                if (TVectors.Value > 1) r11v1 = Fused.MultiplyAdd(x, b1, r11v1);
            }
            aAt += TRows.Value;
            bAt += bK;
            if (TLines.Value > 0) aheadAt += aheadK;
        }
        r0v0.Store(c);
        if (TVectors.Value > 1) r0v1.Store(c + 16);
        if (TRows.Value > 1) r1v0.Store(c + (1 * cRow));
        if (TRows.Value > 1 && TVectors.Value > 1) r1v1.Store(c + (1 * cRow) + 16);
        if (TRows.Value > 2) r2v0.Store(c + (2 * cRow));
        if (TRows.Value > 2 && TVectors.Value > 1) r2v1.Store(c + (2 * cRow) + 16);
        if (TRows.Value > 3) r3v0.Store(c + (3 * cRow));
        if (TRows.Value > 3 && TVectors.Value > 1) r3v1.Store(c + (3 * cRow) + 16);
        if (TRows.Value > 4) r4v0.Store(c + (4 * cRow));
        if (TRows.Value > 4 && TVectors.Value > 1) r4v1.Store(c + (4 * cRow) + 16);
        if (TRows.Value > 5) r5v0.Store(c + (5 * cRow));
        if (TRows.Value > 5 && TVectors.Value > 1) r5v1.Store(c + (5 * cRow) + 16);
        if (TRows.Value > 6) r6v0.Store(c + (6 * cRow));
        if (TRows.Value > 6 && TVectors.Value > 1) r6v1.Store(c + (6 * cRow) + 16);
        if (TRows.Value > 7) r7v0.Store(c + (7 * cRow));
        if (TRows.Value > 7 && TVectors.Value > 1) r7v1.Store(c + (7 * cRow) + 16);
        if (TRows.Value > 8) r8v0.Store(c + (8 * cRow));
        if (TRows.Value > 8 && TVectors.Value > 1) r8v1.Store(c + (8 * cRow) + 16);
        if (TRows.Value > 9) r9v0.Store(c + (9 * cRow));
        if (TRows.Value > 9 && TVectors.Value > 1) r9v1.Store(c + (9 * cRow) + 16);
        if (TRows.Value > 10) r10v0.Store(c + (10 * cRow));
        if (TRows.Value > 10 && TVectors.Value > 1) r10v1.Store(c + (10 * cRow) + 16);
        if (TRows.Value > 11) r11v0.Store(c + (11 * cRow));
        if (TRows.Value > 11 && TVectors.Value > 1) r11v1.Store(c + (11 * cRow) + 16);
    }

    /// <summary>256 bits: two vectors of one strip for up to 6 rows, four of two strips for up to 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Middle<TEntries, TRows, TVectors, TLines>(nint k, float* a, byte* b, nint bK, nint pair, float* c, nint cRow, bool continues, byte* ahead, nint aheadK)
        where TEntries : struct, IEntries
        where TRows : struct, ICount
        where TVectors : struct, ICount
        where TLines : struct, ICount
    {
        float* aAt = a;
        byte* bAt = b, aheadAt = ahead;
        Vector256<float> r0v0 = default, r0v1 = default, r0v2 = default, r0v3 = default;
        Vector256<float> r1v0 = default, r1v1 = default, r1v2 = default, r1v3 = default;
        Vector256<float> r2v0 = default, r2v1 = default, r2v2 = default, r2v3 = default;
        Vector256<float> r3v0 = default, r3v1 = default;
        Vector256<float> r4v0 = default, r4v1 = default;
        Vector256<float> r5v0 = default, r5v1 = default;
        if (continues)
        {
            r0v0 = Vector256.Load(c);
            r0v1 = Vector256.Load(c + 8);
            if (TVectors.Value > 2) r0v2 = Vector256.Load(c + 16);
            if (TVectors.Value > 2) r0v3 = Vector256.Load(c + 24);
            if (TRows.Value > 1) r1v0 = Vector256.Load(c + (1 * cRow));
            if (TRows.Value > 1) r1v1 = Vector256.Load(c + (1 * cRow) + 8);
            if (TRows.Value > 1 && TVectors.Value > 2) r1v2 = Vector256.Load(c + (1 * cRow) + 16);
            if (TRows.Value > 1 && TVectors.Value > 2) r1v3 = Vector256.Load(c + (1 * cRow) + 24);
            if (TRows.Value > 2) r2v0 = Vector256.Load(c + (2 * cRow));
            if (TRows.Value > 2) r2v1 = Vector256.Load(c + (2 * cRow) + 8);
            if (TRows.Value > 2 && TVectors.Value > 2) r2v2 = Vector256.Load(c + (2 * cRow) + 16);
            if (TRows.Value > 2 && TVectors.Value > 2) r2v3 = Vector256.Load(c + (2 * cRow) + 24);
            if (TRows.Value > 3) r3v0 = Vector256.Load(c + (3 * cRow));
            if (TRows.Value > 3) r3v1 = Vector256.Load(c + (3 * cRow) + 8);
            if (TRows.Value > 4) r4v0 = Vector256.Load(c + (4 * cRow));
            if (TRows.Value > 4) r4v1 = Vector256.Load(c + (4 * cRow) + 8);
            if (TRows.Value > 5) r5v0 = Vector256.Load(c + (5 * cRow));
            if (TRows.Value > 5) r5v1 = Vector256.Load(c + (5 * cRow) + 8);
        }
        for (nint i = 0; i < k; i++)
        {
            if (TLines.Value > 0) Sse.Prefetch1(aheadAt);
            if (TLines.Value > 1) Sse.Prefetch1(aheadAt + pair);
            Vector256<float> b0 = TEntries.LoadEight(bAt, 0);
            Vector256<float> b1 = TEntries.LoadEight(bAt, 1);
            if (TVectors.Value == 2)
            {
                {
                    Vector256<float> x = Vector256.Create(aAt[0]);
                    r0v0 = Fused.MultiplyAdd(x, b0, r0v0);
                    r0v1 = Fused.MultiplyAdd(x, b1, r0v1);
                }
                if (TRows.Value > 1)
                {
                    Vector256<float> x = Vector256.Create(aAt[1]);
                    r1v0 = Fused.MultiplyAdd(x, b0, r1v0);
                    r1v1 = Fused.MultiplyAdd(x, b1, r1v1);
                }
                if (TRows.Value > 2)
                {
                    Vector256<float> x = Vector256.Create(aAt[2]);
                    r2v0 = Fused.MultiplyAdd(x, b0, r2v0);
                    r2v1 = Fused.MultiplyAdd(x, b1, r2v1);
                }
                if (TRows.Value > 3)
                {
                    Vector256<float> x = Vector256.Create(aAt[3]);
                    r3v0 = Fused.MultiplyAdd(x, b0, r3v0);
                    r3v1 = Fused.MultiplyAdd(x, b1, r3v1);
                }
                if (TRows.Value > 4)
                {
                    Vector256<float> x = Vector256.Create(aAt[4]);
                    r4v0 = Fused.MultiplyAdd(x, b0, r4v0);
                    r4v1 = Fused.MultiplyAdd(x, b1, r4v1);
                }
                if (TRows.Value > 5)
                {
                    Vector256<float> x = Vector256.Create(aAt[5]);
                    r5v0 = Fused.MultiplyAdd(x, b0, r5v0);
                    r5v1 = Fused.MultiplyAdd(x, b1, r5v1);
                }
            }
            else
            {
                // Column by column: three numbers of a and one vector of b beside the accumulators fill the registers.
                Vector256<float> x0 = Vector256.Create(aAt[0]), x1 = TRows.Value > 1 ? Vector256.Create(aAt[1]) : default, x2 = TRows.Value > 2 ? Vector256.Create(aAt[2]) : default;
                r0v0 = Fused.MultiplyAdd(x0, b0, r0v0);
                if (TRows.Value > 1) r1v0 = Fused.MultiplyAdd(x1, b0, r1v0);
                if (TRows.Value > 2) r2v0 = Fused.MultiplyAdd(x2, b0, r2v0);
                r0v1 = Fused.MultiplyAdd(x0, b1, r0v1);
                if (TRows.Value > 1) r1v1 = Fused.MultiplyAdd(x1, b1, r1v1);
                if (TRows.Value > 2) r2v1 = Fused.MultiplyAdd(x2, b1, r2v1);
                b0 = TEntries.LoadEight(bAt + pair, 0);
                r0v2 = Fused.MultiplyAdd(x0, b0, r0v2);
                if (TRows.Value > 1) r1v2 = Fused.MultiplyAdd(x1, b0, r1v2);
                if (TRows.Value > 2) r2v2 = Fused.MultiplyAdd(x2, b0, r2v2);
                b1 = TEntries.LoadEight(bAt + pair, 1);
                r0v3 = Fused.MultiplyAdd(x0, b1, r0v3);
                if (TRows.Value > 1) r1v3 = Fused.MultiplyAdd(x1, b1, r1v3);
                if (TRows.Value > 2) r2v3 = Fused.MultiplyAdd(x2, b1, r2v3);
            }
            aAt += TRows.Value;
            bAt += bK;
            if (TLines.Value > 0) aheadAt += aheadK;
        }
        r0v0.Store(c);
        r0v1.Store(c + 8);
        if (TVectors.Value > 2) r0v2.Store(c + 16);
        if (TVectors.Value > 2) r0v3.Store(c + 24);
        if (TRows.Value > 1) r1v0.Store(c + (1 * cRow));
        if (TRows.Value > 1) r1v1.Store(c + (1 * cRow) + 8);
        if (TRows.Value > 1 && TVectors.Value > 2) r1v2.Store(c + (1 * cRow) + 16);
        if (TRows.Value > 1 && TVectors.Value > 2) r1v3.Store(c + (1 * cRow) + 24);
        if (TRows.Value > 2) r2v0.Store(c + (2 * cRow));
        if (TRows.Value > 2) r2v1.Store(c + (2 * cRow) + 8);
        if (TRows.Value > 2 && TVectors.Value > 2) r2v2.Store(c + (2 * cRow) + 16);
        if (TRows.Value > 2 && TVectors.Value > 2) r2v3.Store(c + (2 * cRow) + 24);
        if (TRows.Value > 3) r3v0.Store(c + (3 * cRow));
        if (TRows.Value > 3) r3v1.Store(c + (3 * cRow) + 8);
        if (TRows.Value > 4) r4v0.Store(c + (4 * cRow));
        if (TRows.Value > 4) r4v1.Store(c + (4 * cRow) + 8);
        if (TRows.Value > 5) r5v0.Store(c + (5 * cRow));
        if (TRows.Value > 5) r5v1.Store(c + (5 * cRow) + 8);
    }
}
