using System.Runtime.CompilerServices;

namespace GrpoActors.Numerics;

/// <summary>How a matrix lies in memory.</summary>
public enum PackedAs
{
    /// <summary>Lent as it lies (<see cref="PackedMatrix.Lend"/>): serves forward and input gradient, and may change between products.</summary>
    Lent,

    /// <summary>In panels, for <see cref="Gemm.Forward(ReadOnlySpan{float}, PackedMatrix, Span{float}, ThreadTeam, bool)"/> alone: a sampler's.</summary>
    Float32,

    /// <summary>The same with half the bytes, for weights that bfloat16 holds exactly (<see cref="HalfPrecision.IsBFloat16"/>). Products have the bits of float32.</summary>
    BFloat16,
}

/// <summary>A weight matrix w_ED (Hugging Face's [out, in]) laid out for the matrix kernels; packed once per version, read by any number of threads.</summary>
/// <remarks>
/// <code>
/// strips of as many outputs as a tile has (32 or 16, see <see cref="PanelTile"/>), each [D][32]: entry (d, e) is w[e, d]; the last one is as wide as it must be,
/// in steps of 16, zeros beyond E
/// </code>
/// Memory: 4 bytes (bfloat16: 2) · D · (E rounded up to 16); native, 64-byte aligned; freed by <see cref="Dispose"/>.
/// A matrix that is lent has no memory of its own: its panels are made when they are used, in scratch memory. With hundreds of rows that takes
/// a few hundredths of a product's time; with few it would take most of it.
/// </remarks>
public sealed unsafe class PackedMatrix : IDisposable
{
    private byte* _panels;
    private ReadOnlyMemory<float> _lent;

    /// <summary>Makes room for a matrix, all zeros.</summary>
    /// <param name="outputs">E, at least 1.</param>
    /// <param name="inputs">D, at least 1.</param>
    /// <param name="packedAs">Which products it will serve, and in how many bytes.</param>
    public PackedMatrix(int outputs, int inputs, PackedAs packedAs = PackedAs.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Outputs = outputs;
        Inputs = inputs;
        PackedAs = packedAs;
        if (packedAs != PackedAs.Lent)
            _panels = (byte*)HugePages.Allocate((nuint)inputs * (nuint)RoundedUp(outputs) * (nuint)EntryBytes);
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~PackedMatrix() => Free();

    /// <summary>Reads w_ED where it lies, from now on; it may change between products. For <see cref="PackedAs.Lent"/>.</summary>
    public void Lend(ReadOnlyMemory<float> w_ED)
    {
        if (PackedAs != PackedAs.Lent)
            throw new InvalidOperationException($"A matrix packed as {PackedAs} has memory of its own.");
        Shapes.Equal(w_ED.Length, (long)Outputs * Inputs, nameof(w_ED));
        _lent = w_ED;
    }

    /// <summary>Shape [E, D]: what was lent.</summary>
    internal ReadOnlySpan<float> Rows => !_lent.IsEmpty ? _lent.Span : throw new InvalidOperationException("A matrix that is to be lent was used before.");

    /// <summary>E.</summary>
    public int Outputs { get; }

    /// <summary>D.</summary>
    public int Inputs { get; }

    /// <summary>How it lies in memory.</summary>
    public PackedAs PackedAs { get; }

    /// <summary>Bytes of native memory held.</summary>
    public long Bytes => _panels == null ? 0 : (long)Inputs * RoundedUp(Outputs) * EntryBytes;

    /// <summary>Packs all of w_ED.</summary>
    public void Pack(ReadOnlySpan<float> w_ED, ThreadTeam team) => PackRows(0, w_ED, team);

    /// <summary>Packs output rows <paramref name="firstOutput"/> and following, so that several weights (q, k, v; gate, up) can be one product. As bfloat16: lower halves are dropped.</summary>
    public void PackRows(int firstOutput, ReadOnlySpan<float> w_ED, ThreadTeam team)
    {
        ArgumentNullException.ThrowIfNull(team);
        int rows = w_ED.Length / Inputs;
        if (rows * Inputs != w_ED.Length || firstOutput < 0 || firstOutput + rows > Outputs)
            throw new ArgumentException($"Packing at output {firstOutput} of a [{Outputs}, {Inputs}] matrix needs whole rows that fit, but the span has {w_ED.Length} elements.", nameof(w_ED));
        _ = Memory;
        fixed (float* w = w_ED)
        {
            var work = new PackWork(this, team, w, firstOutput, rows);
            team.Run((rows + PackWork.RowsPerItem - 1) / PackWork.RowsPerItem, ref work);
        }
    }

    /// <summary>The weights of one output as they were packed: a tied embedding needs no copy beside the head.</summary>
    /// <param name="output">0 .. E - 1.</param>
    /// <param name="w_D">Written.</param>
    public void CopyRow(int output, Span<float> w_D)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(output, Outputs);
        Shapes.Equal(w_D.Length, Inputs, nameof(w_D));
        int inPanel = output & (PanelTile.Strip - 1);
        byte* column = Panel(output - inPanel, out int width) + (inPanel * EntryBytes);
        for (int d = 0; d < w_D.Length; d++, column += width * EntryBytes)
            w_D[d] = PackedAs == PackedAs.BFloat16 ? BitConverter.UInt32BitsToSingle((uint)*(ushort*)column << 16) : *(float*)column;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal static int RoundedUp(int columns) => (columns + 15) & ~15;

    internal Panels Panels => new(Memory, Inputs, Outputs, isTight: true, PackedAs == PackedAs.BFloat16);

    private int EntryBytes => PackedAs == PackedAs.BFloat16 ? sizeof(ushort) : sizeof(float);

    internal byte* Memory => _panels != null ? _panels : throw new InvalidOperationException("A matrix that is lent or disposed has no panels.");

    /// <summary>The strip that starts at output <paramref name="column"/> and its width.</summary>
    private byte* Panel(int column, out int width)
    {
        width = Math.Min(PanelTile.Strip, RoundedUp(Outputs) - column);
        return Memory + ((nint)column * Inputs * EntryBytes);
    }

    private void Free()
    {
        HugePages.Free((float*)_panels);
        _panels = null;
    }

    private readonly struct PackWork(PackedMatrix matrix, ThreadTeam team, float* w, int firstOutput, int rows) : ITeamWork
    {
        public const int RowsPerItem = 64;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            int start = item * RowsPerItem, end = Math.Min(rows, start + RowsPerItem);
            for (int row = start; row < end;)
            {
                int output = firstOutput + row, inPanel = output & (PanelTile.Strip - 1), count = Math.Min(PanelTile.Strip - inPanel, end - row);
                Pack(w + ((nint)row * matrix.Inputs), output - inPanel, inPanel, count, worker);
                row += count;
            }
        }

        /// <summary>Some columns of a panel. By whole vectors where nobody's zeros can meet another's weights, else entry by entry.</summary>
        private void Pack(float* source, int column, int inPanel, int count, int worker)
        {
            int inputs = matrix.Inputs;
            byte* panel = matrix.Panel(column, out int width);
            bool isHalf = matrix.PackedAs == PackedAs.BFloat16, isWhole = (inPanel & 15) == 0 && ((count & 15) == 0 || column + inPanel + count == matrix.Outputs);
            if (isWhole && !isHalf)
            {
                Lanes.Transpose(source, inputs, inPanel, inPanel + count, inputs, (float*)panel, width);
                return;
            }
            if (isWhole && inPanel == 0 && ((count + 15) & ~15) == width)
            {
                float* turned = team.ScratchOf(worker, (nint)inputs * width);
                Lanes.Transpose(source, inputs, 0, count, inputs, turned, width);
                HalfPrecision.Narrow(turned, (nint)inputs * width, (ushort*)panel);
                return;
            }
            for (int d = 0; d < inputs; d++)
            {
                for (int i = 0; i < count; i++)
                {
                    float entry = source[((nint)i * inputs) + d];
                    nint at = ((nint)d * width) + inPanel + i;
                    if (isHalf)
                        ((ushort*)panel)[at] = (ushort)(BitConverter.SingleToUInt32Bits(entry) >> 16);
                    else
                        ((float*)panel)[at] = entry;
                }
            }
        }
    }
}
