using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>Reductions whose order is fixed: 16 lanes inside blocks of 4,096 elements, one tree, block sums added in index order.</summary>
/// <remarks>
/// Inside a block element i goes to lane i mod 16, in index order; the lanes are added as 16 → 8 → 4 → 2 → 1, lane j with lane j + half.
/// Block sums are floats and are added in double, so that a long tensor loses nothing there. The bits depend on neither vector width nor threads.
/// </remarks>
public static unsafe class Lanes
{
    /// <summary>Elements of a block.</summary>
    public const int Block = 4096;

    /// <summary>Σ x.</summary>
    public static double Sum(ReadOnlySpan<float> x) => Reduce<SumTerm>(x, x);

    /// <summary>Σ x^2, each term fused into its lane.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> x) => Reduce<DotTerm>(x, x);

    /// <summary>Σ x y, each term fused into its lane.</summary>
    public static double Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        if (x.Length != y.Length)
            throw new ArgumentException($"A dot product needs two spans of one length, but these have {x.Length} and {y.Length} elements.");
        return Reduce<DotTerm>(x, y);
    }

    /// <summary>The largest element; -infinity for none; NaN if any is NaN.</summary>
    public static float Max(ReadOnlySpan<float> x)
    {
        fixed (float* p = x)
            return Max(p, x.Length);
    }

    /// <summary><see cref="SumOfSquares(ReadOnlySpan{float})"/> with the blocks shared by a team; the same bits.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> x, ThreadTeam team)
    {
        int blocks = (x.Length + Block - 1) / Block;
        if (team.Threads == 1 || blocks < 8)
            return SumOfSquares(x);
        float[] partials = System.Buffers.ArrayPool<float>.Shared.Rent(blocks);
        fixed (float* p = x, sums = partials)
        {
            var work = new SquaresWork(p, x.Length, sums, blocks);
            team.Run((blocks + SquaresWork.BlocksPerItem - 1) / SquaresWork.BlocksPerItem, ref work);
            double total = 0;
            for (int i = 0; i < blocks; i++)
                total += sums[i];
            System.Buffers.ArrayPool<float>.Shared.Return(partials);
            return total;
        }
    }

    private readonly struct SquaresWork(float* x, int length, float* sums, int blocks) : ITeamWork
    {
        public const int BlocksPerItem = 8;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int end = Math.Min(blocks, (item + 1) * BlocksPerItem);
            for (int block = item * BlocksPerItem; block < end; block++)
                sums[block] = BlockOf<DotTerm>(x + (nint)block * Block, x + (nint)block * Block, Math.Min(Block, length - block * Block));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float Max(float* x, int length)
    {
        Vector512<float> best = Vector512.Create(float.NegativeInfinity);
        Vector512<float> nan = Vector512<float>.Zero; // turns NaN and stays NaN: max itself may drop it
        int i = 0;
        for (; i + 16 <= length; i += 16)
        {
            Vector512<float> v = Vector512.Load(x + i);
            best = Vector512.ConditionalSelect(Vector512.GreaterThan(v, best), v, best);
            nan |= Vector512.OnesComplement(Vector512.Equals(v, v));
        }
        float result = Largest(best);
        bool isNaN = !Vector512.EqualsAll(nan.AsInt32(), Vector512<int>.Zero);
        for (; i < length; i++)
        {
            isNaN |= float.IsNaN(x[i]);
            result = x[i] > result ? x[i] : result;
        }
        return isNaN ? float.NaN : result;
    }

    /// <summary>The tree of one block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Tree(Vector512<float> lanes)
    {
        Vector256<float> eight = lanes.GetLower() + lanes.GetUpper();
        Vector128<float> four = eight.GetLower() + eight.GetUpper();
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two.GetElement(0) + two.GetElement(1);
    }

    /// <summary>The first <paramref name="count"/> (below 16) elements, the other lanes 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> LoadPart(float* x, int count)
    {
        if (Avx512F.IsSupported)
            return Avx512F.MaskLoad(x, Present(count), Vector512<float>.Zero);
        Vector512<float> v = default;
        Unsafe.CopyBlockUnaligned(&v, x, (uint)count * sizeof(float));
        return v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void StorePart(Vector512<float> v, float* x, int count)
    {
        if (Avx512F.IsSupported)
            Avx512F.MaskStore(x, Present(count), v);
        else
            Unsafe.CopyBlockUnaligned(x, &v, (uint)count * sizeof(float));
    }

    /// <summary>All ones in the lanes below <paramref name="count"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Present(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    /// <summary>The largest lane, no lane being NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Largest(Vector512<float> v)
    {
        Vector256<float> eight = Vector256.ConditionalSelect(Vector256.GreaterThan(v.GetLower(), v.GetUpper()), v.GetLower(), v.GetUpper());
        Vector128<float> four = Vector128.ConditionalSelect(Vector128.GreaterThan(eight.GetLower(), eight.GetUpper()), eight.GetLower(), eight.GetUpper());
        Vector128<float> swapped = Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        four = Vector128.ConditionalSelect(Vector128.GreaterThan(four, swapped), four, swapped);
        swapped = Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2));
        return Vector128.ConditionalSelect(Vector128.GreaterThan(four, swapped), four, swapped).ToScalar(); // no branch: which lane wins cannot be foreseen
    }

    /// <summary>Copies rows of <paramref name="n"/> floats, <paramref name="stride"/> apart, into rows of <paramref name="padded"/> (n rounded up to 16), zeros at the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pad(float* rows, nint stride, int count, int n, float* to, int padded)
    {
        for (int row = 0; row < count; row++, rows += stride, to += padded)
        {
            int i = 0;
            for (; i + 16 <= n; i += 16)
                Vector512.Load(rows + i).Store(to + i);
            if (i < n)
                LoadPart(rows + i, n - i).Store(to + i);
        }
    }

    /// <summary>Rows of n floats become columns <paramref name="first"/> .. <paramref name="end"/> - 1: out[n][j], rows of <paramref name="width"/>; zeros up to a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Transpose(float* rows, nint stride, int first, int end, int n, float* columns, nint width)
    {
        rows -= first * stride;
        int wide = first + ((end - first) & ~3), padded = (end + 15) & ~15, i = 0;
        // A cache line of each row at a time, and the next one asked for: there are more rows than the processor follows.
        for (; i + 16 <= n; i += 16)
        {
            for (int j = first; j < wide; j += 4)
            {
                float* from = rows + (j * stride) + i, to = columns + (i * width) + j;
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(from + 16);
                    Sse.Prefetch0(from + stride + 16);
                    Sse.Prefetch0(from + (2 * stride) + 16);
                    Sse.Prefetch0(from + (3 * stride) + 16);
                }
                TransposeFour(from, stride, to, width);
                TransposeFour(from + 4, stride, to + (4 * width), width);
                TransposeFour(from + 8, stride, to + (8 * width), width);
                TransposeFour(from + 12, stride, to + (12 * width), width);
            }
        }
        for (; i + 4 <= n; i += 4)
        {
            for (int j = first; j < wide; j += 4)
                TransposeFour(rows + (j * stride) + i, stride, columns + (i * width) + j, width);
        }
        for (int rest = i; rest < n; rest++)
        {
            for (int j = first; j < wide; j++)
                columns[(rest * width) + j] = rows[(j * stride) + rest];
        }
        for (int k = 0; k < n && wide < padded; k++)
        {
            for (int j = wide; j < padded; j++) // beyond it nobody reads
                columns[(k * width) + j] = j < end ? rows[(j * stride) + k] : 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeFour(float* from, nint stride, float* to, nint width)
    {
        Turned(
            Vector128.Load(from), Vector128.Load(from + stride), Vector128.Load(from + (2 * stride)), Vector128.Load(from + (3 * stride)),
            out Vector128<float> first, out Vector128<float> second, out Vector128<float> third, out Vector128<float> fourth);
        first.Store(to);
        second.Store(to + width);
        third.Store(to + (2 * width));
        fourth.Store(to + (3 * width));
    }

    /// <summary>Four rows of four become four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Turned(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d,
        out Vector128<float> first, out Vector128<float> second, out Vector128<float> third, out Vector128<float> fourth)
    {
        (Vector128<float> abLow, Vector128<float> abHigh) = Interleaved(a, b);
        (Vector128<float> cdLow, Vector128<float> cdHigh) = Interleaved(c, d);
        first = LowHalves(abLow, cdLow);
        second = HighHalves(abLow, cdLow);
        third = LowHalves(abHigh, cdHigh);
        fourth = HighHalves(abHigh, cdHigh);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector128<float> Low, Vector128<float> High) Interleaved(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported)
            return (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
        return (Vector128.Create(a.GetElement(0), b.GetElement(0), a.GetElement(1), b.GetElement(1)), Vector128.Create(a.GetElement(2), b.GetElement(2), a.GetElement(3), b.GetElement(3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> LowHalves(Vector128<float> a, Vector128<float> b)
        => Sse.IsSupported ? Sse.MoveLowToHigh(a, b) : Vector128.Create(a.GetLower(), b.GetLower());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> HighHalves(Vector128<float> a, Vector128<float> b)
        => Sse.IsSupported ? Sse.MoveHighToLow(b, a) : Vector128.Create(a.GetUpper(), b.GetUpper());

    /// <summary>The way back: the first <paramref name="n"/> floats of padded rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Unpad(float* rows, int padded, int count, int n, float* to, nint stride)
    {
        for (int row = 0; row < count; row++, rows += padded, to += stride)
        {
            int i = 0;
            for (; i + 16 <= n; i += 16)
                Vector512.Load(rows + i).Store(to + i);
            if (i < n)
                StorePart(Vector512.Load(rows + i), to + i, n - i);
        }
    }

    internal interface ITerm
    {
        static abstract Vector512<float> Add(Vector512<float> sum, Vector512<float> x, Vector512<float> y);
    }

    internal readonly struct SumTerm : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Add(Vector512<float> sum, Vector512<float> x, Vector512<float> y) => sum + x;
    }

    internal readonly struct DotTerm : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Add(Vector512<float> sum, Vector512<float> x, Vector512<float> y) => Fused.MultiplyAdd(x, y, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float BlockOf<TTerm>(float* x, float* y, int length)
        where TTerm : struct, ITerm
    {
        Vector512<float> sum = Vector512<float>.Zero;
        int i = 0;
        for (; i + 16 <= length; i += 16)
            sum = TTerm.Add(sum, Vector512.Load(x + i), Vector512.Load(y + i));
        if (i < length) // zeros in the missing lanes leave a sum that began at +0 as it is
            sum = TTerm.Add(sum, LoadPart(x + i, length - i), LoadPart(y + i, length - i));
        return Tree(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static double Reduce<TTerm>(float* x, float* y, nint length)
        where TTerm : struct, ITerm
    {
        double total = 0;
        for (nint start = 0; start < length; start += Block)
            total += BlockOf<TTerm>(x + start, y + start, (int)Math.Min(Block, length - start));
        return total;
    }

    private static double Reduce<TTerm>(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
        where TTerm : struct, ITerm
    {
        fixed (float* px = x, py = y)
            return Reduce<TTerm>(px, py, x.Length);
    }
}
