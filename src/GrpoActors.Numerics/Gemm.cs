using System.Runtime.CompilerServices;

namespace GrpoActors.Numerics;

/// <summary>Matrix products of a linear layer y_TE = x_TD w_EDᵀ: forward, gradient of the input, gradient of the weights.</summary>
/// <remarks>
/// Every element is ONE chain of fused multiply-adds over the inner index, ascending, from zero or from the value that is there (<c>accumulate</c>, and always in
/// <see cref="WeightGradient(ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, ThreadTeam)"/>): for every number of rows, tile, vector width and thread count. So a row's bits do not depend on
/// its neighbours, and a weight gradient does not depend on how the tokens were cut into micro-batches.
/// The stride of a span is the distance of its rows in floats, at least their width; the short forms take rows that touch. Inputs and outputs must not overlap.
/// T may be 0. Nothing is allocated.
/// </remarks>
public static unsafe partial class Gemm
{
    /// <summary>y_TE = x_TD w_EDᵀ (+ y_TE where <paramref name="accumulate"/>).</summary>
    public static void Forward(ReadOnlySpan<float> x_TD, PackedMatrix w_ED, Span<float> y_TE, ThreadTeam team, bool accumulate = false)
        => Forward(x_TD, w_ED.Inputs, w_ED, y_TE, w_ED.Outputs, Tokens(x_TD.Length, w_ED.Inputs), team, accumulate);

    /// <summary>y_TE = x_TD w_EDᵀ (+ y_TE where <paramref name="accumulate"/>), rows at strides.</summary>
    public static void Forward(ReadOnlySpan<float> x_TD, int xStride, PackedMatrix w_ED, Span<float> y_TE, int yStride, int tokens, ThreadTeam team, bool accumulate = false)
    {
        Check(x_TD.Length, xStride, w_ED.Inputs, tokens, nameof(x_TD));
        Check(y_TE.Length, yStride, w_ED.Outputs, tokens, nameof(y_TE));
        fixed (float* x = x_TD, y = y_TE)
            Run(team, x, xStride, w_ED, isForward: true, y, yStride, tokens, accumulate);
    }

    /// <summary>dx_TD = dy_TE w_ED (+ dx_TD where <paramref name="accumulate"/>).</summary>
    public static void InputGradient(ReadOnlySpan<float> dy_TE, PackedMatrix w_ED, Span<float> dx_TD, ThreadTeam team, bool accumulate = false)
        => InputGradient(dy_TE, w_ED.Outputs, w_ED, dx_TD, w_ED.Inputs, Tokens(dy_TE.Length, w_ED.Outputs), team, accumulate);

    /// <summary>dx_TD = dy_TE w_ED (+ dx_TD where <paramref name="accumulate"/>), rows at strides.</summary>
    public static void InputGradient(ReadOnlySpan<float> dy_TE, int dyStride, PackedMatrix w_ED, Span<float> dx_TD, int dxStride, int tokens, ThreadTeam team, bool accumulate = false)
    {
        Check(dy_TE.Length, dyStride, w_ED.Outputs, tokens, nameof(dy_TE));
        Check(dx_TD.Length, dxStride, w_ED.Inputs, tokens, nameof(dx_TD));
        fixed (float* dy = dy_TE, dx = dx_TD)
            Run(team, dy, dyStride, w_ED, isForward: false, dx, dxStride, tokens, accumulate);
    }

    /// <summary>dw_ED += dy_TEᵀ x_TD: the chain of each element goes on from the value in dw over the tokens in order.</summary>
    public static void WeightGradient(ReadOnlySpan<float> dy_TE, ReadOnlySpan<float> x_TD, Span<float> dw_ED, ThreadTeam team)
    {
        // dw = E D, dy = T E, x = T D: T^2 = dy x / dw.
        if (dw_ED.Length == 0)
            throw new ArgumentException("A weight gradient needs at least one element.", nameof(dw_ED));
        int tokens = (int)Math.Sqrt((double)dy_TE.Length * x_TD.Length / dw_ED.Length);
        if (tokens == 0 || (long)tokens * tokens * dw_ED.Length != (long)dy_TE.Length * x_TD.Length)
        {
            if (dy_TE.Length == 0 && x_TD.Length == 0)
                return;
            throw new ArgumentException($"A weight gradient needs dy [T, E], x [T, D], dw [E, D], but got {dy_TE.Length}, {x_TD.Length} and {dw_ED.Length} elements.", nameof(dw_ED));
        }
        int outputs = dy_TE.Length / tokens, inputs = x_TD.Length / tokens;
        WeightGradient(dy_TE, outputs, x_TD, inputs, dw_ED, outputs, inputs, tokens, team);
    }

    /// <summary>dw_ED += dy_TEᵀ x_TD, rows of dy and x at strides.</summary>
    public static void WeightGradient(ReadOnlySpan<float> dy_TE, int dyStride, ReadOnlySpan<float> x_TD, int xStride, Span<float> dw_ED, int outputs, int inputs, int tokens, ThreadTeam team)
    {
        Check(dy_TE.Length, dyStride, outputs, tokens, nameof(dy_TE));
        Check(x_TD.Length, xStride, inputs, tokens, nameof(x_TD));
        Check(dw_ED.Length, inputs, inputs, outputs, nameof(dw_ED));
        fixed (float* dy = dy_TE, x = x_TD, dw = dw_ED)
            RunInRows(team, new Operand(dy, 1, dyStride), outputs, x, xStride, isTurned: false, tokens, inputs, dw, inputs, continues: true);
    }

    private static void Run(ThreadTeam team, float* x, nint xStride, PackedMatrix w_ED, bool isForward, float* y, nint yStride, int tokens, bool accumulate)
    {
        int inner = isForward ? w_ED.Inputs : w_ED.Outputs, columns = isForward ? w_ED.Outputs : w_ED.Inputs;
        var rows = new Operand(x, xStride, 1);
        if (w_ED.Lent.Length != 0)
        {
            fixed (float* lent = w_ED.Lent.Span)
                RunInRows(team, rows, tokens, lent, w_ED.Inputs, isForward, inner, columns, y, yStride, accumulate);
        }
        else if (tokens < ManyRows)
        {
            var work = new PanelWork(x, xStride, w_ED, isForward, y, yStride, tokens, accumulate, team.Threads);
            team.Run(work.Items, ref work);
        }
        else
        {
            var work = new BlockedWork(team, rows, tokens, isForward ? w_ED.ForwardPanels : w_ED.InputGradientPanels, inner, columns, y, yStride, accumulate);
            team.Run(work.Items, ref work);
        }
    }

    /// <summary>One tile; columns that the result does not have go to a buffer instead.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Tile(int rows, int columns, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
    {
        if ((columns & 15) == 0)
            GemmTile.Run(rows, columns >> 4, k, a, aRow, aK, b, bK, c, cRow, continues);
        else
            RaggedTile(rows, columns, k, a, aRow, aK, b, bK, c, cRow, continues);
    }

    [SkipLocalsInit]
    private static void RaggedTile(int rows, int columns, nint k, float* a, nint aRow, nint aK, float* b, nint bK, float* c, nint cRow, bool continues)
    {
        float* buffer = stackalloc float[GemmTile.Rows * GemmTile.Columns];
        uint bytes = (uint)columns * sizeof(float);
        for (int row = 0; continues && row < rows; row++)
        {
            Unsafe.InitBlockUnaligned(buffer + row * GemmTile.Columns, 0, GemmTile.Columns * sizeof(float));
            Unsafe.CopyBlockUnaligned(buffer + row * GemmTile.Columns, c + row * cRow, bytes);
        }
        GemmTile.Run(rows, (columns + 15) >> 4, k, a, aRow, aK, b, bK, buffer, GemmTile.Columns, continues);
        for (int row = 0; row < rows; row++)
            Unsafe.CopyBlockUnaligned(c + row * cRow, buffer + row * GemmTile.Columns, bytes);
    }

    private static int Tokens(int length, int width)
    {
        int tokens = length / width;
        return tokens * width == length ? tokens : throw new ArgumentException($"A matrix product needs whole rows of {width}, but the span has {length} elements.");
    }

    private static void Check(int length, int stride, int width, int rows, string name)
    {
        if (rows < 0 || stride < width || (rows > 0 && ((long)(rows - 1) * stride) + width > length))
            throw new ArgumentException($"A matrix product needs {rows} rows of {width} at stride {stride}, but {name} has {length} elements.", name);
    }

    /// <summary>Rows of x against the panels of a packed matrix. An item is a band of rows and a run of columns.</summary>
    /// <remarks>Weights come from memory once for all rows of a band, while the processor calculates.</remarks>
    private readonly struct PanelWork : ITeamWork
    {
        private const int BandFloats = 131072; // half a megabyte of x stays in the second-level cache while the panels pass over it

        private const int BlockInner = 64; // 16 KB of a panel

        private const int RunUnit = 32; // columns: two cache lines

        private readonly float* _x;
        private readonly float* _y;
        private readonly nint _xStride, _yStride;
        private readonly PackedMatrix _w;
        private readonly bool _isForward, _accumulate;
        private readonly int _tokens, _inner, _columns, _bands, _runs;

        public PanelWork(float* x, nint xStride, PackedMatrix w, bool isForward, float* y, nint yStride, int tokens, bool accumulate, int threads)
        {
            _x = x;
            _y = y;
            (_xStride, _yStride, _w, _isForward, _tokens, _accumulate) = (xStride, yStride, w, isForward, tokens, accumulate);
            _inner = isForward ? w.Inputs : w.Outputs;
            _columns = isForward ? w.Outputs : w.Inputs;
            int rows = Math.Clamp(BandFloats / _inner / GemmTile.Rows, 4, 32) * GemmTile.Rows;
            _bands = (tokens + rows - 1) / rows;
            // About four items a thread, two where the columns are few, none below some 100,000 multiply-adds.
            int units = (_columns + RunUnit - 1) / RunUnit;
            int wanted = (_bands * units >= 32 * threads ? 4 : 2) * threads;
            long flops = (long)tokens * _inner * _columns;
            int runs = threads == 1 || _bands == 0 ? 1 : (int)Math.Clamp(flops / 100_000 / _bands, 1, (wanted + _bands - 1) / _bands);
            _runs = Math.Min(runs, units);
        }

        public int Items => _bands * _runs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int band = item / _runs, run = item - band * _runs;
            int rowStart = Part(_tokens, 1, band, _bands), rows = Part(_tokens, 1, band + 1, _bands) - rowStart;
            int columnEnd = Part(_columns, RunUnit, run + 1, _runs);
            for (int column = Part(_columns, RunUnit, run, _runs); column < columnEnd;)
            {
                int panelStart = column & ~(GemmTile.Columns - 1), inPanel = column - panelStart;
                float* panel = (_isForward ? _w.ForwardPanel(panelStart, out int width) : _w.InputGradientPanel(panelStart, out width)) + inPanel;
                int columns = Math.Min(GemmTile.Columns - inPanel, columnEnd - column);
                Panel(rowStart, rows, column, columns, panel, width);
                column += columns;
            }
        }

        /// <summary>All rows of a band against one panel, in tiles of nearly equal height.</summary>
        /// <remarks>
        /// The panel goes by in blocks that the first-level cache holds; the tiles of one block ask for the next block (after the last that of the next panel),
        /// a part each. The accumulators wait in y meanwhile: the chain of an element stays one.
        /// </remarks>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Panel(int rowStart, int rows, int column, int columns, float* panel, int width)
        {
            int tiles = (rows + GemmTile.Rows - 1) / GemmTile.Rows, lines = tiles >= 4 ? 1 : tiles >= 2 ? 2 : 4, parts = 4 / lines;
            for (int start = 0; start < _inner; start += BlockInner)
            {
                int inner = Math.Min(BlockInner, _inner - start);
                float* b = panel + ((nint)start * width);
                for (int tile = 0; tile < tiles; tile++)
                {
                    int first = rows * tile / tiles, count = (rows * (tile + 1) / tiles) - first;
                    float* x = _x + ((rowStart + first) * _xStride) + start, y = _y + ((rowStart + first) * _yStride) + column;
                    bool continues = start > 0 || _accumulate;
                    int part = tile * parts / tiles;
                    bool asks = columns == GemmTile.Columns && (tile == 0 || part != (tile - 1) * parts / tiles);
                    if (asks)
                        GemmTile.RunAhead(count, inner, x, _xStride, 1, b, width, y, _yStride, continues, b + ((nint)(BlockInner + (part * BlockInner / parts)) * GemmTile.Columns), lines);
                    else
                        Tile(count, columns, inner, x, _xStride, 1, b, width, y, _yStride, continues);
                }
            }
        }

    }
}
