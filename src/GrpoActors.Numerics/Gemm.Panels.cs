using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Numerics;

/// <summary>One operand of a product: entry (r, k) lies at <paramref name="at"/> + r <paramref name="row"/> + k <paramref name="inner"/>; one of the strides is 1.</summary>
internal readonly unsafe struct Operand(float* at, nint row, nint inner)
{
    public float* At => at;

    public nint Row => row;

    public nint Inner => inner;

    public Operand From(int firstRow, int firstInner) => new(at + (firstRow * row) + (firstInner * inner), row, inner);
}

/// <summary>A part of a panel: row k of its first strip lies at <paramref name="at"/> + k <paramref name="rowBytes"/>, of its second <paramref name="stripBytes"/> behind. What comes after it lies at <paramref name="next"/> (null: behind it), <paramref name="nextRowBytes"/> from k to k.</summary>
internal readonly unsafe struct Panel(byte* at, nint rowBytes, nint stripBytes, bool isHalf, byte* next, nint nextRowBytes)
{
    public byte* At => at;

    public nint RowBytes => rowBytes;

    public nint StripBytes => stripBytes;

    /// <summary>Entries are bfloat16.</summary>
    public bool IsHalf => isHalf;

    public byte* Next => next;

    public nint NextRowBytes => nextRowBytes;
}

/// <summary>The right operand of a product in panels of 32 columns, each one or two strips [inner][width]: they lie there already and touch, or each is made when its turn comes.</summary>
internal readonly unsafe struct Panels
{
    private readonly byte* _panels;
    private readonly Operand _source;
    private readonly int _inner, _columns;
    private readonly bool _isTight, _isHalf;

    /// <param name="isTight">The last panel is no wider than it must be, in steps of 16.</param>
    /// <param name="isHalf">Entries are bfloat16.</param>
    public Panels(void* at, int inner, int columns, bool isTight, bool isHalf = false)
    {
        _panels = (byte*)at;
        (_inner, _columns, _isTight, _isHalf) = (inner, columns, isTight, isHalf);
    }

    /// <summary>Panels of a matrix that lies in memory, its columns as rows (<see cref="Operand.Inner"/> is 1) or as columns: each is made where it is used.</summary>
    public Panels(Operand source, int inner, int columns) => (_source, _inner, _columns) = (source, inner, columns);

    /// <summary>Whether <see cref="At"/> needs memory for a panel.</summary>
    public bool AreMade => _panels == null || (_isHalf && !PanelTile.ReadsHalf);

    /// <summary>Of an entry where tiles read it.</summary>
    public int EntryBytes => _isHalf && PanelTile.ReadsHalf ? sizeof(ushort) : sizeof(float);

    /// <summary>Part of a panel.</summary>
    /// <param name="made">Where it is made, if it is.</param>
    public Panel At(int panel, int first, int inner, float* made)
    {
        int column = panel * PanelTile.Columns;
        if (_panels != null)
        {
            int width = _isTight ? Math.Min(PanelTile.Strip, PackedMatrix.RoundedUp(_columns) - column) : PanelTile.Strip, bytes = _isHalf ? sizeof(ushort) : sizeof(float);
            byte* at = _panels + ((((nint)column * _inner) + ((nint)first * width)) * bytes);
            nint stripBytes = (nint)_inner * width * bytes;
            if (!AreMade)
                return new(at, width * bytes, stripBytes, _isHalf, null, width * bytes);
            for (int start = column; start < Math.Min(_columns, column + PanelTile.Columns); start += PanelTile.Strip)
                HalfPrecision.Widen((ushort*)(at + ((start - column) / PanelTile.Strip * stripBytes)), (nint)inner * width, made + ((nint)(start - column) * inner));
            return new((byte*)made, width * sizeof(float), (nint)inner * width * sizeof(float), isHalf: false, null, width * sizeof(float));
        }
        for (int start = column; start < Math.Min(_columns, column + PanelTile.Columns); start += PanelTile.Strip)
            Make(_source.From(start, first), inner, Math.Min(PanelTile.Strip, _columns - start), made + ((nint)(start - column) * inner));
        // Columns that are rows are one stream where all of them touch.
        float* next = _source.From(column + PanelTile.Columns, first).At;
        return new((byte*)made, PanelTile.Strip * sizeof(float), (nint)inner * PanelTile.Strip * sizeof(float), isHalf: false, (byte*)next, (_source.Inner == 1 ? PanelTile.Columns : _source.Inner) * sizeof(float));
    }

    /// <summary>Makes a strip, or some of its inner index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Make(Operand from, int inner, int columns, float* to)
    {
        if (from.Inner == 1)
            Lanes.Transpose(from.At, from.Row, 0, columns, inner, to, PanelTile.Strip);
        else
            Lanes.Pad(from.At, from.Inner, inner, columns, to, PanelTile.Strip);
    }
}

/// <summary>Rows copied so that a tile reads them one after another.</summary>
/// <remarks>
/// <code>
/// block of the inner index -> tile of up to 12 rows -> k -> row
/// </code>
/// Blocks, and tiles inside a block, are nearly equal parts.
/// </remarks>
internal static unsafe class TileRows
{
    /// <summary>Floats after the last one that may be written.</summary>
    public const int Slack = 16;

    private const int TokensAtATime = 8;

    public static int Tiles(int rows) => (rows + PanelTile.Rows - 1) / PanelTile.Rows;

    public static int First(int rows, int tile, int tiles) => rows * tile / tiles;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(Operand from, int rows, int inner, int blocks, float* to)
    {
        int tiles = Tiles(rows);
        bool areShort = PanelTile.Rows < 8 && rows / tiles >= 4;
        if (from.Inner == 1)
        {
            for (int tile = 0; tile < tiles; tile++)
                Transposed(from, rows, First(rows, tile, tiles), First(rows, tile + 1, tiles), inner, blocks, to);
            return;
        }
        for (int block = 0; block < blocks; block++)
        {
            int start = Gemm.Part(inner, block, blocks), length = Gemm.Part(inner, block + 1, blocks) - start;
            if (areShort)
                AsItLiesInShortTiles(from.At + (start * from.Inner), from.Inner, rows, tiles, length, to + ((nint)start * rows));
            else
                AsItLies(from.At + (start * from.Inner), from.Inner, rows, tiles, length, to + ((nint)start * rows));
        }
    }

    /// <summary>A tile of rows whose k touch, four rows at a time. The last ones first: what is written too much is written over by the first rows of the next k; behind the last k it is put back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transposed(Operand from, int rows, int first, int end, int inner, int blocks, float* to)
    {
        int count = end - first;
        for (int row = (count - 1) & ~3; row >= 0; row -= 4)
        {
            float* r0 = from.From(first + row, 0).At;
            float* r1 = row + 1 < count ? r0 + from.Row : r0, r2 = row + 2 < count ? r0 + (2 * from.Row) : r0, r3 = row + 3 < count ? r0 + (3 * from.Row) : r0;
            for (int block = 0; block < blocks; block++)
            {
                int start = Gemm.Part(inner, block, blocks), length = Gemm.Part(inner, block + 1, blocks) - start;
                float* tile = to + ((nint)start * rows) + ((nint)first * length), behind = tile + ((nint)count * length);
                Vector128<float> kept = Vector128.Load(behind);
                FourRows(r0 + start, r1 + start, r2 + start, r3 + start, length, tile + row, count);
                kept.Store(behind);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(float* r0, float* r1, float* r2, float* r3, int length, float* to, nint count)
    {
        int k = 0;
        if (Avx.IsSupported)
        {
            for (; k + 8 <= length; k += 8, to += 8 * count)
            {
                Vector256<float> a = Vector256.Load(r0 + k), b = Vector256.Load(r1 + k), c = Vector256.Load(r2 + k), d = Vector256.Load(r3 + k);
                Vector256<float> abLow = Avx.UnpackLow(a, b), abHigh = Avx.UnpackHigh(a, b), cdLow = Avx.UnpackLow(c, d), cdHigh = Avx.UnpackHigh(c, d);
                Vector256<float> k04 = Avx.Shuffle(abLow, cdLow, 0x44), k15 = Avx.Shuffle(abLow, cdLow, 0xEE), k26 = Avx.Shuffle(abHigh, cdHigh, 0x44), k37 = Avx.Shuffle(abHigh, cdHigh, 0xEE);
                float* to4 = to + (4 * count);
                k04.GetLower().Store(to);
                k15.GetLower().Store(to + count);
                k26.GetLower().Store(to + (2 * count));
                k37.GetLower().Store(to + (3 * count));
                k04.GetUpper().Store(to4);
                k15.GetUpper().Store(to4 + count);
                k26.GetUpper().Store(to4 + (2 * count));
                k37.GetUpper().Store(to4 + (3 * count));
            }
        }
        for (; k + 4 <= length; k += 4, to += 4 * count)
        {
            Lanes.Turned(Vector128.Load(r0 + k), Vector128.Load(r1 + k), Vector128.Load(r2 + k), Vector128.Load(r3 + k), out Vector128<float> k0, out Vector128<float> k1, out Vector128<float> k2, out Vector128<float> k3);
            k0.Store(to);
            k1.Store(to + count);
            k2.Store(to + (2 * count));
            k3.Store(to + (3 * count));
        }
        for (; k < length; k++, to += count)
            Vector128.Create(r0[k], r1[k], r2[k], r3[k]).Store(to);
    }

    /// <summary>Tiles of 4 to 7 of rows that touch at each k: each k is read from end to end, and what some k write to a tile waits in the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AsItLiesInShortTiles(float* from, nint stride, int rows, int tiles, int length, float* to)
    {
        int least = rows / tiles, longer = rows - (least * tiles);
        for (int k = 0; k < length; k++)
        {
            float* source = from + (k * stride), tile = to;
            for (int i = 0, carried = 0; i < tiles; i++)
            {
                // First, without a division a tile.
                carried += longer;
                int count = least;
                if (carried >= tiles)
                {
                    carried -= tiles;
                    count++;
                }
                float* at = tile + ((nint)k * count);
                Vector128<float> head = Vector128.Load(source), tail = Vector128.Load(source + count - 4);
                head.Store(at);
                tail.Store(at + count - 4);
                source += count;
                tile += (nint)count * length;
            }
        }
    }

    /// <summary>Rows that touch at each k: some k at a time, so that the cache lines of both sides are used up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AsItLies(float* from, nint stride, int rows, int tiles, int length, float* to)
    {
        for (int k = 0; k < length; k += TokensAtATime)
        {
            int end = Math.Min(length, k + TokensAtATime);
            for (int tile = 0; tile < tiles; tile++)
            {
                int first = First(rows, tile, tiles), count = First(rows, tile + 1, tiles) - first;
                float* at = to + ((nint)first * length) + ((nint)k * count), source = from + (k * stride) + first;
                if (count >= 8)
                {
                    for (int i = k; i < end; i++, at += count, source += stride)
                    {
                        if (Sse.IsSupported)
                            Sse.Prefetch0(source + (TokensAtATime * stride));
                        Vector256<float> head = Vector256.Load(source);
                        Vector128<float> tail = Vector128.Load(source + count - 4);
                        head.Store(at);
                        tail.Store(at + count - 4);
                    }
                    continue;
                }
                for (int i = k; i < end; i++, at += count, source += stride)
                {
                    for (int row = 0; row < count; row++)
                        at[row] = source[row];
                }
            }
        }
    }
}

public static unsafe partial class Gemm
{
    /// <summary>Makes panels of a matrix that lies in memory: all threads together, so that each panel is made once. Memory is read as it lies.</summary>
    /// <remarks>An item is a strip where its columns lie as rows; else some rows, of each a part for every strip.</remarks>
    private readonly struct MakingWork(Operand from, int inner, int columns, float* to) : ITeamWork
    {
        private const int RowsPerItem = 64;

        private readonly int _strips = (columns + PanelTile.Strip - 1) / PanelTile.Strip;

        public int Items => from.Inner == 1 ? _strips : (inner + RowsPerItem - 1) / RowsPerItem;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            if (from.Inner == 1)
            {
                int column = item * PanelTile.Strip;
                Panels.Make(from.From(column, 0), inner, Math.Min(PanelTile.Strip, columns - column), to + ((nint)column * inner));
                return;
            }
            int first = item * RowsPerItem, end = Math.Min(inner, first + RowsPerItem);
            for (int row = first; row < end; row++)
            {
                float* source = from.From(0, row).At, at = to + ((nint)row * PanelTile.Strip);
                int column = 0;
                for (; column + PanelTile.Strip <= columns; column += PanelTile.Strip, at += (nint)inner * PanelTile.Strip)
                {
                    Vector512.Load(source + column).Store(at);
                    if (PanelTile.Strip > 16)
                        Vector512.Load(source + column + 16).Store(at + 16);
                }
                if (column < columns)
                    Lanes.Pad(source + column, 0, 1, columns - column, at, PanelTile.Strip);
            }
        }
    }

    /// <summary>A product whose right operand lies in memory. One band of rows: each thread makes the panels of its columns. More: chunks become panels once for all bands.</summary>
    private static void RunInRows(ThreadTeam team, Operand rows, int count, Operand right, int inner, int columns, float* result, nint resultStride, bool continues)
    {
        const int ChunkFloats = 1 << 20, InnerMax = 1536;
        if (count == 0 || inner == 0)
            return;
        if (new Bands(count, inner, team.Threads).Count <= (right.Inner == 1 ? 1 : 2 * team.Threads))
        {
            var alone = new PanelsWork(team, rows, count, new Panels(right, inner, columns), inner, columns, result, resultStride, continues);
            team.Run(alone.Items, ref alone);
            return;
        }
        int chunks = (inner + InnerMax - 1) / InnerMax, chunkInner = (inner + chunks - 1) / chunks;
        int allPanels = (columns + PanelTile.Columns - 1) / PanelTile.Columns, panelsMax = Math.Max(1, ChunkFloats / chunkInner / PanelTile.Columns);
        int columnChunks = (allPanels + panelsMax - 1) / panelsMax, chunkColumns = (allPanels + columnChunks - 1) / columnChunks * PanelTile.Columns;
        float* panels = team.SharedScratch((nint)chunkInner * chunkColumns);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int first = Part(inner, chunk, chunks), length = Part(inner, chunk + 1, chunks) - first;
            for (int column = 0; column < columns; column += chunkColumns)
            {
                int width = Math.Min(chunkColumns, columns - column);
                var making = new MakingWork(right.From(column, first), length, width, panels);
                team.Run(making.Items, ref making);
                var work = new PanelsWork(team, rows.From(0, first), count, new Panels(panels, length, width, isTight: false), length, width, result + column, resultStride, continues || chunk > 0);
                team.Run(work.Items, ref work);
            }
        }
    }
}
