using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Numerics;

public static unsafe partial class Gemm
{
    /// <summary>Rows from which a product copies its left operand into tiles.</summary>
    private const int ManyRows = 48;

    /// <summary>Where <paramref name="index"/> of <paramref name="count"/> nearly equal parts begins, in whole units.</summary>
    private static int Part(int length, int unit, int index, int count)
        => (int)Math.Min(length, (((long)length + unit - 1) / unit * index / count) * unit);

    /// <summary>Many rows against panels of 64 columns. An item is a band of rows and a run of columns.</summary>
    /// <remarks>
    /// <code>
    /// band      rows copied into tiles of up to 6, a chunk of the inner index at a time: half a megabyte that stays in the second-level cache
    /// block     of a panel: up to 128 of the inner index x 64 columns, which stays in the first-level cache while the tiles of the band pass
    /// result    of a band and a panel: waits in the second-level cache between two blocks, which changes no bit
    /// </code>
    /// </remarks>
    private readonly struct BlockedWork : ITeamWork
    {
        private const int BandFloats = 131072, BandTilesMax = 64, BandTilesMin = 4, ChunkInnerMax = 768, BlockInnerMax = 128;

        private readonly ThreadTeam _team;
        private readonly Operand _rows;
        private readonly Panels _panels;
        private readonly float* _result;
        private readonly nint _resultStride;
        private readonly bool _continues;
        private readonly int _count, _inner, _columns, _chunks, _bands, _runs, _unit;

        public BlockedWork(ThreadTeam team, Operand rows, int count, Panels panels, int inner, int columns, float* result, nint resultStride, bool continues)
        {
            _rows = rows;
            _panels = panels;
            _result = result;
            (_team, _resultStride, _count, _inner, _columns, _continues) = (team, resultStride, count, inner, columns, continues);
            _chunks = (inner + ChunkInnerMax - 1) / ChunkInnerMax;
            int bandRows = Math.Clamp(BandFloats / ((inner + _chunks - 1) / _chunks) / GemmTile.Rows, BandTilesMin, BandTilesMax) * GemmTile.Rows;
            _bands = (count + bandRows - 1) / bandRows;
            // As many bands for one thread as for another; one band alone is shared by columns. No item is below some 100,000 multiply-adds.
            if (_bands > 1)
                _bands = (_bands + team.Threads - 1) / team.Threads * team.Threads;
            _unit = columns >= 8 * GemmTile.Columns * team.Threads ? GemmTile.Columns : GemmTile.Columns / 2;
            int units = (columns + _unit - 1) / _unit;
            _runs = _bands > 1 || team.Threads == 1 ? 1 : (int)Math.Clamp((long)count * inner * columns / 100_000, 1, Math.Min(units, team.Threads));
        }

        public int Items => _bands * _runs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            int band = item / _runs, run = item - (band * _runs);
            int rowStart = Part(_count, 1, band, _bands), rows = Part(_count, 1, band + 1, _bands) - rowStart;
            int columnStart = Part(_columns, _unit, run, _runs), columnEnd = Part(_columns, _unit, run + 1, _runs);
            if (rows == 0)
                return;
            float* band_ = _team.ScratchOf(worker, ((nint)rows * Math.Min(_inner, ChunkInnerMax)) + TileRows.Slack);
            for (int chunk = 0; chunk < _chunks; chunk++)
            {
                int first = Part(_inner, 1, chunk, _chunks), inner = Part(_inner, 1, chunk + 1, _chunks) - first;
                int blocks = (inner + BlockInnerMax - 1) / BlockInnerMax;
                TileRows.Copy(_rows.From(rowStart, first), rows, inner, blocks, band_);
                for (int column = columnStart; column < columnEnd;)
                {
                    int panelStart = column & ~(GemmTile.Columns - 1), inPanel = column - panelStart;
                    float* panel = _panels.At(panelStart, out int width) + ((nint)first * width) + inPanel;
                    int columns = Math.Min(GemmTile.Columns - inPanel, columnEnd - column);
                    Panel(band_, rows, inner, blocks, panel, width, columns, _result + (rowStart * _resultStride) + column, _continues || first > 0);
                    column += columns;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Panel(float* band, int rows, int inner, int blocks, float* panel, int width, int columns, float* result, bool continues)
        {
            int tiles = TileRows.Tiles(rows), lines = tiles >= 4 ? 1 : tiles >= 2 ? 2 : 4, parts = 4 / lines;
            bool isWhole = columns == GemmTile.Columns;
            for (int block = 0; block < blocks; block++)
            {
                int start = Part(inner, 1, block, blocks), length = Part(inner, 1, block + 1, blocks) - start;
                float* a = band + ((nint)start * rows), b = panel + ((nint)start * width), c = result;
                for (int tile = 0; tile < tiles; tile++)
                {
                    int count = TileRows.First(rows, tile + 1, tiles) - TileRows.First(rows, tile, tiles);
                    int part = tile * parts / tiles;
                    float* next = c + (count * _resultStride);
                    if (block == 0 && isWhole && tile + 1 < tiles)
                        Ask(next, _resultStride);
                    if (isWhole && (tile == 0 || part != (tile - 1) * parts / tiles))
                        GemmTile.RunAhead(count, length, a, 1, count, b, width, c, _resultStride, continues, b + ((nint)(length + (part * length / parts)) * GemmTile.Columns), lines);
                    else
                        Tile(count, columns, length, a, 1, count, b, width, c, _resultStride, continues);
                    a += (nint)count * length;
                    c = next;
                }
                continues = true;
            }
        }

        /// <summary>Asks for the results of a tile before it begins: rows far apart, which the processor does not foresee.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Ask(float* c, nint stride)
        {
            if (!Sse.IsSupported)
                return;
            for (int row = 0; row < GemmTile.Rows; row++, c += stride)
            {
                Sse.Prefetch0(c);
                Sse.Prefetch0(c + 16);
                Sse.Prefetch0(c + 32);
                Sse.Prefetch0(c + 48);
            }
        }
    }
}
