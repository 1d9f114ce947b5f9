using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GrpoActors.Numerics;

/// <summary>The left operand of a product: entry (r, k) lies at <paramref name="at"/> + r <paramref name="row"/> + k <paramref name="inner"/>; one of the strides is 1.</summary>
internal readonly unsafe struct Operand(float* at, nint row, nint inner)
{
    public float* At => at;

    public nint Row => row;

    public nint Inner => inner;

    public Operand From(int firstRow, int firstInner) => new(at + (firstRow * row) + (firstInner * inner), row, inner);
}

/// <summary>The right operand of a product in panels of 64 columns, [inner][width] each, that touch; the last is narrower where <paramref name="isTight"/>.</summary>
internal readonly unsafe struct Panels(float* at, int inner, int columns, bool isTight)
{
    /// <summary>The panel that starts at <paramref name="column"/> (a multiple of 64) and its width.</summary>
    public float* At(int column, out int width)
    {
        width = isTight ? Math.Min(GemmTile.Columns, PackedMatrix.RoundedUp(columns) - column) : GemmTile.Columns;
        return at + ((nint)column * inner);
    }
}

/// <summary>Rows copied so that a tile reads them one after another.</summary>
/// <remarks>
/// <code>
/// block of the inner index -> tile of up to 6 rows -> k -> row
/// </code>
/// Blocks, and tiles inside a block, are nearly equal parts.
/// </remarks>
internal static unsafe class TileRows
{
    /// <summary>Floats after the last one that may be written.</summary>
    public const int Slack = 8;

    private const int TokensAtATime = 8;

    public static int Tiles(int rows) => (rows + GemmTile.Rows - 1) / GemmTile.Rows;

    public static int First(int rows, int tile, int tiles) => rows * tile / tiles;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(Operand from, int rows, int inner, int blocks, float* to)
    {
        int tiles = Tiles(rows);
        for (int block = 0; block < blocks; block++)
        {
            int start = (int)((long)inner * block / blocks), length = (int)((long)inner * (block + 1) / blocks) - start;
            if (from.Inner == 1)
                Transposed(from.At + start, from.Row, rows, tiles, length, to + ((nint)start * rows));
            else
                AsItLies(from.At + (start * from.Inner), from.Inner, rows, tiles, length, to + ((nint)start * rows));
        }
    }

    /// <summary>Rows whose k touch. Of a tile with fewer than 6 rows what is written too much is written over by the next k, or by the next tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transposed(float* from, nint stride, int rows, int tiles, int length, float* to)
    {
        for (int tile = 0; tile < tiles; tile++)
        {
            int first = First(rows, tile, tiles), count = First(rows, tile + 1, tiles) - first;
            float* r0 = from + (first * stride), r1 = count > 1 ? r0 + stride : r0, r2 = count > 2 ? r1 + stride : r0, r3 = count > 3 ? r2 + stride : r0;
            float* r4 = count > 4 ? r3 + stride : r0, r5 = count > 5 ? r4 + stride : r0, at = to;
            int k = 0;
            for (; k + 4 <= length; k += 4, at += 4 * count)
            {
                Lanes.Turned(Vector128.Load(r0 + k), Vector128.Load(r1 + k), Vector128.Load(r2 + k), Vector128.Load(r3 + k), out Vector128<float> k0, out Vector128<float> k1, out Vector128<float> k2, out Vector128<float> k3);
                if (count > 4)
                {
                    (Vector128<float> low, Vector128<float> high) = Lanes.Interleaved(Vector128.Load(r4 + k), Vector128.Load(r5 + k));
                    k0.Store(at);
                    low.GetLower().Store(at + 4);
                    k1.Store(at + count);
                    low.GetUpper().Store(at + count + 4);
                    k2.Store(at + (2 * count));
                    high.GetLower().Store(at + (2 * count) + 4);
                    k3.Store(at + (3 * count));
                    high.GetUpper().Store(at + (3 * count) + 4);
                }
                else
                {
                    k0.Store(at);
                    k1.Store(at + count);
                    k2.Store(at + (2 * count));
                    k3.Store(at + (3 * count));
                }
            }
            for (; k < length; k++, at += count)
            {
                for (int row = 0; row < count; row++)
                    at[row] = r0[(row * stride) + k];
            }
            to += (nint)count * length;
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
                if (count < 4)
                {
                    for (int i = k; i < end; i++, at += count, source += stride)
                    {
                        for (int row = 0; row < count; row++)
                            at[row] = source[row];
                    }
                    continue;
                }
                int rest = count - 4;
                for (int i = k; i < end; i++, at += count, source += stride)
                {
                    Vector128<float> head = Vector128.Load(source), tail = Vector128.Load(source + rest);
                    head.Store(at);
                    tail.Store(at + rest);
                }
            }
        }
    }
}

public static unsafe partial class Gemm
{
    /// <summary>Makes panels of 64 columns of a matrix that lies in rows: all threads together, so that each panel is made once. Memory is read as it lies.</summary>
    /// <param name="isTurned">An item is a panel, of whose columns each is a row that lies in memory; else some rows, of each a part for every panel.</param>
    private readonly struct PanelsWork(float* from, nint stride, bool isTurned, int inner, int columns, float* to) : ITeamWork
    {
        private const int RowsPerItem = 64;

        private readonly int _panels = (columns + GemmTile.Columns - 1) / GemmTile.Columns;

        public int Items => isTurned ? _panels : (inner + RowsPerItem - 1) / RowsPerItem;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            if (isTurned)
            {
                int column = item * GemmTile.Columns;
                Lanes.Transpose(from + (column * stride), stride, 0, Math.Min(GemmTile.Columns, columns - column), inner, to + ((nint)column * inner));
                return;
            }
            int first = item * RowsPerItem, end = Math.Min(inner, first + RowsPerItem);
            for (int row = first; row < end; row++)
            {
                float* source = from + (row * stride), at = to + ((nint)row * GemmTile.Columns);
                for (int column = 0; column < columns; column += GemmTile.Columns, at += (nint)inner * GemmTile.Columns)
                    Lanes.Pad(source + column, stride, 1, Math.Min(GemmTile.Columns, columns - column), at, GemmTile.Columns);
            }
        }
    }

    /// <summary>A product whose right operand lies in rows: chunks of it become panels, then meet all rows.</summary>
    /// <param name="isTurned">Entry (k, n) lies at n <paramref name="stride"/> + k, else at k stride + n.</param>
    private static void RunInRows(
        ThreadTeam team, Operand rows, int count, float* right, nint stride, bool isTurned, int inner, int columns, float* result, nint resultStride, bool continues)
    {
        const int ChunkFloats = 1 << 20, InnerMax = 1536;
        if (count == 0 || inner == 0)
            return;
        int chunks = (inner + InnerMax - 1) / InnerMax, chunkInner = (inner + chunks - 1) / chunks;
        int allPanels = (columns + GemmTile.Columns - 1) / GemmTile.Columns, panelsMax = Math.Max(1, ChunkFloats / chunkInner / GemmTile.Columns);
        int columnChunks = (allPanels + panelsMax - 1) / panelsMax, chunkColumns = (allPanels + columnChunks - 1) / columnChunks * GemmTile.Columns;
        float* panels = team.SharedScratch((nint)chunkInner * chunkColumns);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int first = Part(inner, 1, chunk, chunks), length = Part(inner, 1, chunk + 1, chunks) - first;
            for (int column = 0; column < columns; column += chunkColumns)
            {
                int width = Math.Min(chunkColumns, columns - column);
                var making = new PanelsWork(right + (isTurned ? (column * stride) + first : (first * stride) + column), stride, isTurned, length, width, panels);
                team.Run(making.Items, ref making);
                var work = new BlockedWork(team, rows.From(0, first), count, new Panels(panels, length, width, isTight: false), length, width, result + column, resultStride, continues || chunk > 0);
                team.Run(work.Items, ref work);
            }
        }
    }
}
