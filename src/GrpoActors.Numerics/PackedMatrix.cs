using System.Runtime.CompilerServices;

namespace GrpoActors.Numerics;

/// <summary>Which products a packed matrix serves.</summary>
[Flags]
public enum PackedFor
{
    /// <summary>Nothing is packed: the matrix is lent as it lies (<see cref="PackedMatrix.Lend"/>) and serves all.</summary>
    Nothing = 0,

    /// <summary><see cref="Gemm.Forward(ReadOnlySpan{float}, PackedMatrix, Span{float}, ThreadTeam, bool)"/>: enough for a sampler or a reference.</summary>
    Forward = 1,

    /// <summary><see cref="Gemm.InputGradient(ReadOnlySpan{float}, PackedMatrix, Span{float}, ThreadTeam, bool)"/>.</summary>
    InputGradient = 2,

    /// <summary>Training: both.</summary>
    Both = Forward | InputGradient,
}

/// <summary>A weight matrix w_ED (Hugging Face's [out, in]) laid out for the matrix kernels; packed once per version, read by any number of threads.</summary>
/// <remarks>
/// <code>
/// forward           panels of 32 outputs, each [D][32]: entry (d, e) is w[e, d]; the last panel is as wide as it must be, in steps of 16, zeros beyond E
/// input gradient    panels of 32 inputs,  each [E][32]: entry (e, d) is w[e, d]; likewise
/// </code>
/// Memory: 4 bytes · D · (E rounded up to 16), and once more for the input gradient; native, 64-byte aligned; freed by <see cref="Dispose"/>.
/// A matrix that is lent has no memory of its own: its panels are made when they are used, in scratch memory. With hundreds of rows that takes
/// a few hundredths of a product's time; with few it would take most of it.
/// </remarks>
public sealed unsafe class PackedMatrix : IDisposable
{
    private float* _forward;
    private float* _inputGradient;

    /// <summary>Makes room for a matrix, all zeros.</summary>
    /// <param name="outputs">E, at least 1.</param>
    /// <param name="inputs">D, at least 1.</param>
    /// <param name="uses">The products it will serve.</param>
    public PackedMatrix(int outputs, int inputs, PackedFor uses = PackedFor.Both)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Outputs = outputs;
        Inputs = inputs;
        Uses = uses;
        if (uses.HasFlag(PackedFor.Forward))
            _forward = Allocated((nuint)inputs * (nuint)RoundedUp(outputs));
        if (uses.HasFlag(PackedFor.InputGradient))
            _inputGradient = Allocated((nuint)outputs * (nuint)RoundedUp(inputs));
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~PackedMatrix() => Free();

    /// <summary>Reads w_ED where it lies, from now on; it may change between products. For a matrix packed for <see cref="PackedFor.Nothing"/>.</summary>
    public void Lend(ReadOnlyMemory<float> w_ED)
    {
        if (Uses != PackedFor.Nothing)
            throw new InvalidOperationException($"A matrix packed for {Uses} has memory of its own.");
        Shapes.Equal(w_ED.Length, (long)Outputs * Inputs, nameof(w_ED));
        Lent = w_ED;
    }

    /// <summary>Shape [E, D]; empty unless lent.</summary>
    internal ReadOnlyMemory<float> Lent { get; private set; }

    /// <summary>E.</summary>
    public int Outputs { get; }

    /// <summary>D.</summary>
    public int Inputs { get; }

    /// <summary>The products it serves.</summary>
    public PackedFor Uses { get; }

    /// <summary>Bytes of native memory held.</summary>
    public long Bytes => 4L * ((_forward == null ? 0 : (long)Inputs * RoundedUp(Outputs)) + (_inputGradient == null ? 0 : (long)Outputs * RoundedUp(Inputs)));

    /// <summary>Packs all of w_ED.</summary>
    public void Pack(ReadOnlySpan<float> w_ED, ThreadTeam team) => PackRows(0, w_ED, team);

    /// <summary>Packs output rows <paramref name="firstOutput"/> and following, so that several weights (q, k, v; gate, up) can be one product.</summary>
    public void PackRows(int firstOutput, ReadOnlySpan<float> w_ED, ThreadTeam team)
    {
        ArgumentNullException.ThrowIfNull(team);
        int rows = w_ED.Length / Inputs;
        if (rows * Inputs != w_ED.Length || firstOutput < 0 || firstOutput + rows > Outputs)
            throw new ArgumentException($"Packing at output {firstOutput} of a [{Outputs}, {Inputs}] matrix needs whole rows that fit, but the span has {w_ED.Length} elements.", nameof(w_ED));
        fixed (float* w = w_ED)
        {
            var work = new PackWork(this, w, firstOutput, rows);
            team.Run((rows + PackWork.RowsPerItem - 1) / PackWork.RowsPerItem, ref work);
        }
    }

    /// <summary>The weights of one output as they were packed for <see cref="PackedFor.Forward"/>: a tied embedding needs no copy beside the head.</summary>
    /// <param name="output">0 .. E - 1.</param>
    /// <param name="w_D">Written.</param>
    public void CopyRow(int output, Span<float> w_D)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(output, Outputs);
        Shapes.Equal(w_D.Length, Inputs, nameof(w_D));
        float* column = ForwardPanel(output & ~(PanelTile.Columns - 1), out int width) + (output & (PanelTile.Columns - 1));
        for (int d = 0; d < w_D.Length; d++)
            w_D[d] = column[(nint)d * width];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal static int RoundedUp(int columns) => (columns + 15) & ~15;

    internal Panels ForwardPanels => new(Needed(_forward, PackedFor.Forward), Inputs, Outputs, isTight: true);

    internal Panels InputGradientPanels => new(Needed(_inputGradient, PackedFor.InputGradient), Outputs, Inputs, isTight: true);

    /// <summary>The panel that starts at output <paramref name="column"/> (a multiple of 32) and its width.</summary>
    internal float* ForwardPanel(int column, out int width)
    {
        width = Math.Min(PanelTile.Columns, RoundedUp(Outputs) - column);
        return Needed(_forward, PackedFor.Forward) + (nint)column * Inputs;
    }

    internal float* InputGradientPanel(int column, out int width)
    {
        width = Math.Min(PanelTile.Columns, RoundedUp(Inputs) - column);
        return Needed(_inputGradient, PackedFor.InputGradient) + (nint)column * Outputs;
    }

    private float* Needed(float* panels, PackedFor use)
        => panels != null ? panels : throw new InvalidOperationException($"A matrix packed for {Uses} (or already disposed) was asked for {use}.");

    private static float* Allocated(nuint floats) => HugePages.Allocate(floats * sizeof(float));

    private void Free()
    {
        HugePages.Free(_forward);
        HugePages.Free(_inputGradient);
        _forward = null;
        _inputGradient = null;
    }

    private readonly struct PackWork(PackedMatrix matrix, float* w, int firstOutput, int rows) : ITeamWork
    {
        public const int RowsPerItem = 64;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            int start = item * RowsPerItem, end = Math.Min(rows, start + RowsPerItem), inputs = matrix.Inputs;
            if (matrix._forward != null)
            {
                for (int row = start; row < end;)
                {
                    int output = firstOutput + row, inPanel = output & (PanelTile.Columns - 1), count = Math.Min(PanelTile.Columns - inPanel, end - row);
                    float* panel = matrix.ForwardPanel(output - inPanel, out int width), source = w + ((nint)row * inputs);
                    // By whole vectors only, so that nobody's zeros meet another's weights.
                    if ((inPanel & 15) == 0 && ((count & 15) == 0 || output + count == matrix.Outputs))
                    {
                        Lanes.Transpose(source, inputs, inPanel, inPanel + count, inputs, panel, width);
                    }
                    else
                    {
                        for (int d = 0; d < inputs; d++)
                        {
                            for (int i = 0; i < count; i++)
                                panel[((nint)d * width) + inPanel + i] = source[((nint)i * inputs) + d];
                        }
                    }
                    row += count;
                }
            }
            if (matrix._inputGradient == null)
                return;
            for (int row = start; row < end; row++)
            {
                for (int d = 0; d < inputs; d += PanelTile.Columns)
                {
                    float* panel = matrix.InputGradientPanel(d, out int width) + (nint)(firstOutput + row) * width;
                    new ReadOnlySpan<float>(w + (nint)row * inputs + d, Math.Min(width, inputs - d)).CopyTo(new Span<float>(panel, width));
                }
            }
        }
    }
}
