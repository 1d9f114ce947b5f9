using System.Runtime.CompilerServices;

namespace GrpoActors.Numerics;

public static unsafe partial class Gemm
{
    private static void RunLent(ReadOnlySpan<float> rows, int rowStride, PackedMatrix w_ED, bool isForward, Span<float> results, int resultStride, int tokens, bool accumulate, ThreadTeam team)
    {
        fixed (float* x = rows, y = results, lent = w_ED.Lent.Span)
        {
            var work = new LentWork(team, x, rowStride, lent, isForward ? w_ED.Inputs : w_ED.Outputs, isForward ? w_ED.Outputs : w_ED.Inputs, isForward, y, resultStride, tokens, accumulate);
            team.Run(work.Items, ref work);
        }
    }

    /// <summary>Rows of x against a matrix that nobody packed. An item is a band of rows and a run of panels, which it makes block by block in scratch memory.</summary>
    /// <remarks>A block of the band and one of a panel stay in the second-level cache. Between blocks of the inner index a result is stored and loaded again, which changes no bit.</remarks>
    private readonly struct LentWork : ITeamWork
    {
        private const int InnerBlock = 512, BandRowsMax = 80 * GemmTile.Rows, BandRowsMin = 48;

        private readonly ThreadTeam _team;
        private readonly float* _x;
        private readonly float* _y;
        private readonly float* _lent;
        private readonly nint _xStride, _yStride;
        private readonly bool _isForward, _accumulate;
        private readonly int _tokens, _inner, _innerBlock, _columns, _bandRows, _bands, _runColumns, _runs;

        public LentWork(ThreadTeam team, float* x, nint xStride, float* lent, int inner, int columns, bool isForward, float* y, nint yStride, int tokens, bool accumulate)
        {
            _x = x;
            _y = y;
            _lent = lent;
            (_team, _xStride, _yStride, _inner, _columns, _isForward, _tokens, _accumulate) = (team, xStride, yStride, inner, columns, isForward, tokens, accumulate);
            _innerBlock = _inner <= InnerBlock * 3 / 2 ? _inner : InnerBlock;
            int bands = Math.Max(Math.Max(1, (tokens + BandRowsMax - 1) / BandRowsMax), Math.Min(team.Threads, tokens / BandRowsMin));
            _bandRows = Math.Max(1, (tokens + (bands * GemmTile.Rows) - 1) / (bands * GemmTile.Rows)) * GemmTile.Rows;
            _bands = (tokens + _bandRows - 1) / _bandRows;
            // About eight items a thread, none below some 100,000 multiply-adds.
            int panels = (_columns + GemmTile.Columns - 1) / GemmTile.Columns;
            long itemsMax = (long)tokens * _inner * _columns / 100_000;
            int runs = _bands == 0 ? 1 : (int)Math.Clamp(Math.Min(itemsMax, 8 * team.Threads) / _bands, 1, panels);
            int panelsPerRun = (panels + runs - 1) / runs;
            _runColumns = panelsPerRun * GemmTile.Columns;
            _runs = (panels + panelsPerRun - 1) / panelsPerRun;
        }

        public int Items => _bands * _runs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int band = item / _runs, run = item - (band * _runs);
            int rowStart = band * _bandRows, rowEnd = Math.Min(_tokens, rowStart + _bandRows);
            int columnEnd = Math.Min(_columns, (run + 1) * _runColumns);
            float* panel = _team.ScratchOf(worker, (nint)_innerBlock * GemmTile.Columns);
            for (int first = 0; first < _inner; first += _innerBlock)
            {
                int inner = Math.Min(_innerBlock, _inner - first);
                bool continues = _accumulate || first > 0;
                for (int column = run * _runColumns; column < columnEnd; column += GemmTile.Columns)
                {
                    int columns = Math.Min(GemmTile.Columns, _columns - column);
                    if (_isForward)
                        Lanes.Transpose(_lent + ((nint)column * _inner) + first, _inner, 0, columns, inner, panel);
                    else
                        Lanes.Pad(_lent + ((nint)first * _columns) + column, _columns, inner, columns, panel, GemmTile.Columns);
                    for (int row = rowStart; row < rowEnd; row += GemmTile.Rows)
                        Tile(Math.Min(GemmTile.Rows, rowEnd - row), columns, inner, _x + (row * _xStride) + first, _xStride, 1, panel, GemmTile.Columns, _y + (row * _yStride) + column, _yStride, continues);
                }
            }
        }
    }
}
