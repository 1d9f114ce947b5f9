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

    /// <summary>dx_TD = dy_TE w_ED (+ dx_TD where <paramref name="accumulate"/>); w_ED is lent.</summary>
    public static void InputGradient(ReadOnlySpan<float> dy_TE, PackedMatrix w_ED, Span<float> dx_TD, ThreadTeam team, bool accumulate = false)
        => InputGradient(dy_TE, w_ED.Outputs, w_ED, dx_TD, w_ED.Inputs, Tokens(dy_TE.Length, w_ED.Outputs), team, accumulate);

    /// <summary>dx_TD = dy_TE w_ED (+ dx_TD where <paramref name="accumulate"/>), rows at strides; w_ED is lent.</summary>
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
            RunInRows(team, new Operand(dy, 1, dyStride), outputs, new Operand(x, 1, xStride), tokens, inputs, dw, inputs, continues: true);
    }

    private static void Run(ThreadTeam team, float* x, nint xStride, PackedMatrix w_ED, bool isForward, float* y, nint yStride, int tokens, bool accumulate)
    {
        if (tokens == 0)
            return;
        int inner = isForward ? w_ED.Inputs : w_ED.Outputs, columns = isForward ? w_ED.Outputs : w_ED.Inputs;
        var rows = new Operand(x, xStride, 1);
        if (w_ED.PackedAs == PackedAs.Lent)
        {
            fixed (float* lent = w_ED.Rows)
                RunInRows(team, rows, tokens, isForward ? new Operand(lent, w_ED.Inputs, 1) : new Operand(lent, 1, w_ED.Inputs), inner, columns, y, yStride, accumulate);
            return;
        }
        if (!isForward)
            throw new InvalidOperationException($"An input gradient needs a matrix that is lent; this one is packed as {w_ED.PackedAs}.");
        var work = new PanelsWork(team, rows, tokens, w_ED.Panels, inner, columns, y, yStride, accumulate);
        team.Run(work.Items, ref work);
        GC.KeepAlive(w_ED);
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
}
