using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Numerics;

public static unsafe partial class Gemm
{
    /// <summary>Where <paramref name="index"/> of <paramref name="count"/> nearly equal parts begins.</summary>
    internal static int Part(int length, int index, int count) => (int)((long)length * index / count);

    /// <summary>How rows are cut into bands, each of which one thread takes through the panels.</summary>
    private readonly struct Bands
    {
        /// <summary>Half a megabyte of rows stays in the second-level cache while the panels pass.</summary>
        private const int BandFloats = 131072;

        private const int RowsMin = 24, RowsMax = 384, ChunkInner = 768;

        public Bands(int rows, int inner, int threads)
        {
            InnerMax = Math.Max(ChunkInner, BandFloats / 2 / Math.Max(1, rows));
            Chunks = (inner + InnerMax - 1) / InnerMax;
            int height = Math.Clamp(BandFloats * Math.Max(1, Chunks) / Math.Max(1, inner) / PanelTile.Rows, RowsMin / PanelTile.Rows, RowsMax / PanelTile.Rows) * PanelTile.Rows;
            Count = (rows + height - 1) / height;
            // As many bands for one thread as for another; one band alone is shared by columns.
            if (Count > 1)
                Count = (Count + threads - 1) / threads * threads;
        }

        public int Count { get; }

        /// <summary>Parts of the inner index, one after another: rows x part is what a band holds.</summary>
        public int Chunks { get; }

        public int InnerMax { get; }
    }

    /// <summary>Rows against panels of 32 columns. An item is a band of rows and a run of panels.</summary>
    /// <remarks>
    /// <code>
    /// band      rows copied into tiles of up to 12, a chunk of the inner index at a time: half a megabyte that stays in the second-level cache
    /// block     of a panel: up to 128 of the inner index x 32 columns, which stays in the first-level cache while the tiles of the band pass
    /// result    of a band and a panel: waits in the caches between two blocks, which changes no bit
    /// </code>
    /// While the first tile works on a block, it asks for the next one; a lone tile reads its panel as one stream. So with few rows (decoding) the weights come from
    /// memory once for all of them, as fast as memory gives them.
    /// </remarks>
    private readonly struct PanelsWork : ITeamWork
    {
        private const int BlockInner = 128; // of the inner index

        /// <summary>Tiles that go through one strip of a panel after the other, in longer blocks: what a tile costs beside its multiply-adds weighs more than the results that come twice.</summary>
        private const int FewTilesMax = 4;

        /// <summary>Of the inner index: a stream is asked for 4 KB ahead.</summary>
        private static int StreamAhead => 1024 / PanelTile.Strip;

        private const int CacheLine = 64;

        /// <summary>Tiles from now on whose results are asked for; short ones are over before memory answers.</summary>
        private static int AskAhead => PanelTile.Rows == PanelTile.RowsMax ? 1 : 4;

        private readonly ThreadTeam _team;
        private readonly Operand _rows;
        private readonly Panels _panels;
        private readonly float* _result;
        private readonly nint _resultStride;
        private readonly bool _continues;
        private readonly int _count, _inner, _columns, _runs, _all;
        private readonly Bands _bands;

        public PanelsWork(ThreadTeam team, Operand rows, int count, Panels panels, int inner, int columns, float* result, nint resultStride, bool continues)
        {
            _result = result;
            (_team, _rows, _panels) = (team, rows, panels);
            (_resultStride, _count, _inner, _columns, _continues) = (resultStride, count, inner, columns, continues);
            _bands = new Bands(count, inner, team.Threads);
            _all = (columns + PanelTile.Columns - 1) / PanelTile.Columns;
            // Many panels are shared out a few at a time, so that a thread that is held up holds up no other; no item is below some 100,000 multiply-adds.
            int runs = _bands.Count > 1 || team.Threads == 1 ? 1 : _all >= 64 * team.Threads ? 4 * team.Threads : team.Threads;
            _runs = (int)Math.Clamp((long)count * inner * columns / 100_000, 1, Math.Min(_all, runs));
        }

        public int Items => _bands.Count * _runs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            int band = item / _runs, run = item - (band * _runs);
            int rowStart = Part(_count, band, _bands.Count), rows = Part(_count, band + 1, _bands.Count) - rowStart;
            int panelStart = Part(_all, run, _runs), panelEnd = Part(_all, run + 1, _runs);
            if (rows == 0)
                return;
            int innerMax = Math.Min(_inner, _bands.InnerMax);
            nint madeFloats = _panels.AreMade ? (nint)PanelTile.Columns * innerMax : 0;
            float* made = _team.ScratchOf(worker, madeFloats + ((nint)rows * innerMax) + TileRows.Slack), copied = made + madeFloats;
            for (int chunk = 0; chunk < _bands.Chunks; chunk++)
            {
                int first = Part(_inner, chunk, _bands.Chunks), inner = Part(_inner, chunk + 1, _bands.Chunks) - first;
                int blocks = Blocks(TileRows.Tiles(rows), inner);
                TileRows.Copy(_rows.From(rowStart, first), rows, inner, blocks, copied);
                for (int panel = panelStart; panel < panelEnd; panel++)
                {
                    Panel at = _panels.At(panel, first, inner, made);
                    Multiply(copied, rows, inner, blocks, at, Math.Min(PanelTile.Columns, _columns - (panel * PanelTile.Columns)), _result + (rowStart * _resultStride) + (panel * PanelTile.Columns), _continues || first > 0);
                }
            }
        }

        private int Blocks(int tiles, int inner)
        {
            int length = IsStripByStrip(tiles) ? 4 * BlockInner * sizeof(ushort) / _panels.EntryBytes : BlockInner;
            return tiles == 1 ? 1 : (inner + length - 1) / length;
        }

        private static bool IsStripByStrip(int tiles) => PanelTile.Strip < PanelTile.Columns && tiles <= FewTilesMax;

        private void Multiply(float* copied, int rows, int inner, int blocks, Panel panel, int columns, float* result, bool continues)
        {
            int tiles = TileRows.Tiles(rows);
            if (rows <= PanelTile.PairRows && columns == PanelTile.Columns && panel.Next == null)
            {
                PanelTile.RunPair(rows, inner, copied, panel.At, panel.RowBytes, panel.StripBytes, panel.IsHalf, result, _resultStride, continues, panel.At + (StreamAhead * panel.RowBytes));
                return;
            }
            int strips = columns > PanelTile.Strip ? 2 : 1, atOnce = IsStripByStrip(tiles) ? 1 : strips;
            for (int strip = 0; strip < strips; strip += atOnce)
                Multiply(copied, rows, inner, blocks, panel, columns, strip, strip + atOnce, result, continues);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Multiply(float* copied, int rows, int inner, int blocks, Panel panel, int columns, int firstStrip, int endStrip, float* result, bool continues)
        {
            int tiles = TileRows.Tiles(rows);
            nint ofStream = StreamAhead * panel.RowBytes;
            var asks = new Asks(panel, tiles);
            for (int block = 0; block < blocks; block++)
            {
                int start = Part(inner, block, blocks), length = Part(inner, block + 1, blocks) - start;
                float* a = copied + ((nint)start * rows), c = result;
                byte* b = panel.At + (start * panel.RowBytes), behind = b + (tiles == 1 ? ofStream : length * panel.RowBytes);
                for (int tile = 0; tile < tiles; tile++)
                {
                    int count = TileRows.First(rows, tile + 1, tiles) - TileRows.First(rows, tile, tiles);
                    float* next = c + (count * _resultStride);
                    if (block == 0 && tile + AskAhead < tiles)
                        Ask(next + ((AskAhead - 1) * PanelTile.Rows * _resultStride), _resultStride);
                    for (int strip = firstStrip; strip < endStrip; strip++)
                    {
                        byte* ahead = asks.At(tile, strip, behind, start, length, out nint aheadK);
                        Tile(
                            count, Math.Min(PanelTile.Strip, columns - (strip * PanelTile.Strip)), length, a, b + (strip * panel.StripBytes), panel.RowBytes, panel.IsHalf,
                            c + (strip * PanelTile.Strip), _resultStride, continues, ahead, aheadK, asks.LinesAtOnce);
                    }
                    a += (nint)count * length;
                    c = next;
                }
                continues = true;
            }
        }

        /// <summary>What the tiles ask for before it is needed: what comes after this panel where that lies elsewhere, and the next block.</summary>
        private readonly struct Asks(Panel panel, int tiles)
        {
            private const int SpreadMax = 4;

            private static bool IsOneStrip => PanelTile.Strip == PanelTile.Columns;

            /// <summary>Cache lines that a tile asks for at every k.</summary>
            public int LinesAtOnce => tiles == 1 && IsOneStrip && panel.RowBytes > CacheLine ? 2 : 1;

            /// <param name="behind">The next block, or what a lone tile's stream will need.</param>
            /// <param name="start">Of the block that the tile works on.</param>
            /// <param name="step">Bytes from k to k.</param>
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            public byte* At(int tile, int strip, byte* behind, int start, int length, out nint step)
            {
                // A line a tile where something lies elsewhere, and where a tile is as wide as a panel.
                int line = tiles == 1 ? strip : tile;
                if (panel.Next != null && line < 2)
                {
                    step = panel.NextRowBytes;
                    return strip > 0 && tiles > 1 ? null : panel.Next + (start * step) + (line * CacheLine);
                }
                if (IsOneStrip)
                {
                    line -= panel.Next == null ? 0 : 2;
                    step = panel.RowBytes;
                    return line < panel.RowBytes / CacheLine ? behind + (line * CacheLine) : null;
                }
                // Else the first few tiles ask for a part each, all the time: memory has no pause.
                int parts = Math.Min(tiles, SpreadMax), part = tile - (panel.Next == null || tiles == 1 ? 0 : 2);
                step = panel.RowBytes / parts;
                return part < parts ? behind + (strip * panel.StripBytes) + (part * length * step) : null;
            }
        }

        /// <summary>Asks for the results of a tile before it begins: rows far apart, which the processor does not foresee.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Ask(float* c, nint stride)
        {
            if (!Sse.IsSupported)
                return;
            for (int row = 0; row < PanelTile.Rows; row++, c += stride)
            {
                Sse.Prefetch0(c);
                Sse.Prefetch0(c + 16);
            }
        }
    }

    /// <summary>One tile; columns that the result does not have go to a buffer instead.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile(int rows, int columns, nint k, float* a, byte* b, nint bK, bool isHalf, float* c, nint cRow, bool continues, byte* ahead, nint aheadK, int lines)
    {
        if ((columns & 15) == 0)
            PanelTile.Run(rows, columns >> 4, k, a, b, bK, isHalf, c, cRow, continues, ahead, aheadK, lines);
        else
            RaggedTile(rows, columns, k, a, b, bK, isHalf, c, cRow, continues);
    }

    [SkipLocalsInit]
    private static void RaggedTile(int rows, int columns, nint k, float* a, byte* b, nint bK, bool isHalf, float* c, nint cRow, bool continues)
    {
        float* buffer = stackalloc float[PanelTile.RowsMax * PanelTile.Columns];
        uint bytes = (uint)columns * sizeof(float);
        for (int row = 0; continues && row < rows; row++)
        {
            Unsafe.InitBlockUnaligned(buffer + (row * PanelTile.Columns), 0, PanelTile.Columns * sizeof(float));
            Unsafe.CopyBlockUnaligned(buffer + (row * PanelTile.Columns), c + (row * cRow), bytes);
        }
        PanelTile.Run(rows, (columns + 15) >> 4, k, a, b, bK, isHalf, buffer, PanelTile.Columns, continues, null, 0, 0);
        for (int row = 0; row < rows; row++)
            Unsafe.CopyBlockUnaligned(c + (row * cRow), buffer + (row * PanelTile.Columns), bytes);
    }
}
