using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>What this machine can do at most: the two limits that a kernel's speed is a share of. Source: Williams, Waterman and Patterson, CACM 52(4), 2009.</summary>
/// <param name="Threads">Threads that worked at once.</param>
/// <param name="FlopsPerSecond">fp32 multiply-adds from registers or the first-level cache, two operations each; all threads together.</param>
/// <param name="BytesPerSecond">Reading memory that no cache holds; all threads together.</param>
public sealed unsafe record Roofline(int Threads, double FlopsPerSecond, double BytesPerSecond)
{
    /// <summary>More than any last-level cache of one socket holds.</summary>
    private const long ReadBytes = 1L << 30;

    private const int ReadItemBytes = 1 << 18;

    private const int Rounds = 7;

    /// <summary>Takes about a second and 1 GiB of memory. Each limit is the best of several loops, several times: whatever disturbs only lowers it.</summary>
    public static Roofline Measure(int threads)
    {
        using var team = new ThreadTeam(threads);
        double flops = Math.Max(Best<PlainChains>(team), Math.Max(Best<TileChains>(team), Best<PanelTileChains>(team)));
        nuint bytes = (nuint)ReadBytes;
        float* memory = HugePages.Allocate(bytes);
        try
        {
            NativeMemory.Clear(memory, bytes);
            return new Roofline(threads, flops, BestRead(team, [new Stretch(memory, ReadBytes)]));
        }
        finally
        {
            HugePages.Free(memory);
        }
    }

    private static double Best<TLoop>(ThreadTeam team)
        where TLoop : struct, IFlopLoop
    {
        const int ItemsPerThread = 32;
        var work = new FlopWork<TLoop>();
        double best = 0;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            team.Run(ItemsPerThread * team.Threads, ref work);
            best = Math.Max(best, (double)ItemsPerThread * team.Threads * TLoop.Flops / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    /// <summary>How fast the memory in which packed weights lie can be read, all of them once: a machine's memory may be faster in one place than in another.</summary>
    public static double ReadBytesPerSecond(ThreadTeam team, IEnumerable<PackedMatrix> matrices)
    {
        ArgumentNullException.ThrowIfNull(team);
        return BestRead(team, [.. matrices.Select(matrix => new Stretch(matrix.Memory, matrix.Bytes & ~0xFFL))]);
    }

    /// <summary>Bytes that lie side by side, in whole steps of all loops.</summary>
    private readonly record struct Stretch(nint At, long Bytes)
    {
        public Stretch(void* at, long bytes)
            : this((nint)at, bytes)
        {
        }

        public IEnumerable<Stretch> Cut()
        {
            for (long start = 0; start < Bytes; start += ReadItemBytes)
                yield return new Stretch(At + (nint)start, Math.Min(ReadItemBytes, Bytes - start));
        }
    }

    private static double BestRead(ThreadTeam team, IEnumerable<Stretch> stretches)
    {
        Stretch[] items = [.. stretches.SelectMany(stretch => stretch.Cut())];
        return Math.Max(BestRead<OneStream>(team, items), Math.Max(BestRead<OneStreamAhead>(team, items), BestRead<FourStreams>(team, items)));
    }

    private static double BestRead<TLoop>(ThreadTeam team, Stretch[] items)
        where TLoop : struct, IReadLoop
    {
        var work = new ReadWork<TLoop>(items);
        double bytes = items.Sum(item => item.Bytes), best = 0;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            team.Run(items.Length, ref work);
            best = Math.Max(best, bytes / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    private interface IFlopLoop
    {
        static abstract long Flops { get; }

        static abstract void Run();
    }

    private interface IReadLoop
    {
        static abstract Vector512<int> Read(float* x, nint floats);
    }

    private readonly struct FlopWork<TLoop> : ITeamWork
        where TLoop : struct, IFlopLoop
    {
        public void Run(int item, int worker) => TLoop.Run();
    }

    private readonly struct ReadWork<TLoop>(Stretch[] items) : ITeamWork
        where TLoop : struct, IReadLoop
    {
        public void Run(int item, int worker) => Kept(TLoop.Read((float*)items[item].At, (nint)(items[item].Bytes / sizeof(float))));
    }

    /// <summary>Keeps the compiler from dropping a loop whose result nobody reads.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Kept<T>(T value) => _ = value;

    /// <summary>Twelve independent chains in registers: three times what latency needs on two ports of four cycles, and what 16 registers hold.</summary>
    private readonly struct PlainChains : IFlopLoop
    {
        private const int Iterations = 200_000;

        public static long Flops => 2L * 12 * Iterations * (Avx512F.IsSupported ? 16 : Fma.IsSupported ? 8 : 4);

        public static void Run()
        {
            if (Avx512F.IsSupported)
                Wide();
            else if (Fma.IsSupported)
                Middle();
            else
                Narrow();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Wide()
        {
            Vector512<float> x = Vector512.Create(0.5f), a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < Iterations; n++)
            {
                a = Fused.MultiplyAdd(a, x, x); b = Fused.MultiplyAdd(b, x, x); c = Fused.MultiplyAdd(c, x, x); d = Fused.MultiplyAdd(d, x, x);
                e = Fused.MultiplyAdd(e, x, x); f = Fused.MultiplyAdd(f, x, x); g = Fused.MultiplyAdd(g, x, x); h = Fused.MultiplyAdd(h, x, x);
                i = Fused.MultiplyAdd(i, x, x); j = Fused.MultiplyAdd(j, x, x); k = Fused.MultiplyAdd(k, x, x); l = Fused.MultiplyAdd(l, x, x);
            }
            Kept(a + b + c + d + e + f + g + h + i + j + k + l);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Middle()
        {
            Vector256<float> x = Vector256.Create(0.5f), a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < Iterations; n++)
            {
                a = Fused.MultiplyAdd(a, x, x); b = Fused.MultiplyAdd(b, x, x); c = Fused.MultiplyAdd(c, x, x); d = Fused.MultiplyAdd(d, x, x);
                e = Fused.MultiplyAdd(e, x, x); f = Fused.MultiplyAdd(f, x, x); g = Fused.MultiplyAdd(g, x, x); h = Fused.MultiplyAdd(h, x, x);
                i = Fused.MultiplyAdd(i, x, x); j = Fused.MultiplyAdd(j, x, x); k = Fused.MultiplyAdd(k, x, x); l = Fused.MultiplyAdd(l, x, x);
            }
            Kept(a + b + c + d + e + f + g + h + i + j + k + l);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Narrow()
        {
            Vector128<float> x = Vector128.Create(0.5f), a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < Iterations; n++)
            {
                a = Fused.MultiplyAdd(a, x, x); b = Fused.MultiplyAdd(b, x, x); c = Fused.MultiplyAdd(c, x, x); d = Fused.MultiplyAdd(d, x, x);
                e = Fused.MultiplyAdd(e, x, x); f = Fused.MultiplyAdd(f, x, x); g = Fused.MultiplyAdd(g, x, x); h = Fused.MultiplyAdd(h, x, x);
                i = Fused.MultiplyAdd(i, x, x); j = Fused.MultiplyAdd(j, x, x); k = Fused.MultiplyAdd(k, x, x); l = Fused.MultiplyAdd(l, x, x);
            }
            Kept(a + b + c + d + e + f + g + h + i + j + k + l);
        }
    }

    /// <summary>The tile of attention, its operands in the first-level cache.</summary>
    private readonly struct TileChains : IFlopLoop
    {
        private const int Inner = 64, Repeats = 2000;

        public static long Flops => 2L * GemmTile.Rows * GemmTile.Columns * Inner * Repeats;

        [SkipLocalsInit]
        public static void Run()
        {
            float* a = stackalloc float[GemmTile.Rows * Inner], b = stackalloc float[Inner * GemmTile.Columns], c = stackalloc float[GemmTile.Rows * GemmTile.Columns];
            new Span<float>(a, GemmTile.Rows * Inner).Fill(0.5f);
            new Span<float>(b, Inner * GemmTile.Columns).Fill(0.5f);
            for (int repeat = 0; repeat < Repeats; repeat++)
                GemmTile.Run(GemmTile.Rows, GemmTile.Columns / 16, Inner, a, Inner, 1, b, GemmTile.Columns, c, GemmTile.Columns, continues: false);
        }
    }

    /// <summary>The tile of the matrix products, likewise.</summary>
    private readonly struct PanelTileChains : IFlopLoop
    {
        private const int Inner = 64, Repeats = 2000;

        public static long Flops => 2L * PanelTile.Rows * PanelTile.Columns * Inner * Repeats;

        [SkipLocalsInit]
        public static void Run()
        {
            float* a = stackalloc float[PanelTile.Rows * Inner], b = stackalloc float[Inner * PanelTile.Columns], c = stackalloc float[PanelTile.Rows * PanelTile.Columns];
            new Span<float>(a, PanelTile.Rows * Inner).Fill(0.5f);
            new Span<float>(b, Inner * PanelTile.Columns).Fill(0.5f);
            for (int repeat = 0; repeat < Repeats; repeat++)
                PanelTile.Run(PanelTile.Rows, PanelTile.Columns / 16, Inner, a, (byte*)b, PanelTile.Columns * sizeof(float), isHalf: false, c, PanelTile.Columns, continues: false, null, 0, 0);
        }
    }

    private readonly struct OneStream : IReadLoop
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static Vector512<int> Read(float* x, nint floats)
        {
            Vector512<int> a = default, b = default, c = default, d = default;
            for (nint i = 0; i < floats; i += 64)
            {
                a |= Vector512.Load((int*)(x + i));
                b |= Vector512.Load((int*)(x + i + 16));
                c |= Vector512.Load((int*)(x + i + 32));
                d |= Vector512.Load((int*)(x + i + 48));
            }
            return a | b | c | d;
        }
    }

    private readonly struct OneStreamAhead : IReadLoop
    {
        private const int Ahead = 1024;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static Vector512<int> Read(float* x, nint floats)
        {
            Vector512<int> a = default, b = default, c = default, d = default;
            for (nint i = 0; i < floats; i += 64)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(x + i + Ahead);
                    Sse.Prefetch0(x + i + Ahead + 16);
                    Sse.Prefetch0(x + i + Ahead + 32);
                    Sse.Prefetch0(x + i + Ahead + 48);
                }
                a |= Vector512.Load((int*)(x + i));
                b |= Vector512.Load((int*)(x + i + 16));
                c |= Vector512.Load((int*)(x + i + 32));
                d |= Vector512.Load((int*)(x + i + 48));
            }
            return a | b | c | d;
        }
    }

    private readonly struct FourStreams : IReadLoop
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static Vector512<int> Read(float* x, nint floats)
        {
            Vector512<int> a = default, b = default, c = default, d = default;
            nint quarter = floats / 4;
            for (nint i = 0; i < quarter; i += 16)
            {
                a |= Vector512.Load((int*)(x + i));
                b |= Vector512.Load((int*)(x + i + quarter));
                c |= Vector512.Load((int*)(x + i + (2 * quarter)));
                d |= Vector512.Load((int*)(x + i + (3 * quarter)));
            }
            return a | b | c | d;
        }
    }
}
