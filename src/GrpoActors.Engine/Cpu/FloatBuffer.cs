using System.Runtime.CompilerServices;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Memory that grows to the largest size asked for and is then reused: no allocation in the steady state. Aligned to 64 bytes; not cleared.</summary>
internal sealed unsafe class FloatBuffer : IDisposable
{
    /// <summary>Floats of a line of 64 bytes: pieces of one buffer begin at multiples of it.</summary>
    public const int Line = 16;

    private float* _memory;
    private nint _capacity;

    ~FloatBuffer() => Free();

    /// <summary>Bytes held. What was never written costs no memory.</summary>
    public long Bytes => (long)_capacity * sizeof(float);

    /// <summary>The first <paramref name="length"/> elements; contents survive until more are asked for than ever before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<float> AtLeast(int length)
    {
        if (length > _capacity)
        {
            Grow(length);
        }

        return new Span<float>(_memory, length);
    }

    public Span<float> AtLeast(int rows, int columns) => AtLeast(checked(rows * columns));

    /// <summary>Makes room for so many elements, which may be more than a span holds.</summary>
    public void Reserve(nint length)
    {
        if (length > _capacity)
        {
            Grow(length);
        }
    }

    /// <summary>A piece of what was reserved.</summary>
    public Span<float> Piece(nint start, int length)
    {
        if (start < 0 || length < 0 || start + length > _capacity)
        {
            throw new ArgumentOutOfRangeException(nameof(length), length, $"A piece at {start} is asked for of a buffer of {_capacity}.");
        }

        return new Span<float>(_memory + start, length);
    }

    /// <summary>All there is.</summary>
    public Span<float> Whole => new(_memory, (int)nint.Min(_capacity, int.MaxValue));

    /// <summary>Gives the memory back; the next use takes it anew.</summary>
    public void Release() => Free();

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Grow(nint length)
    {
        // An eighth more than asked for, so that slightly longer batches do not each grow it.
        nint capacity = (length + length / 8 + Line - 1) / Line * Line;
        Free();
        _memory = HugePages.Allocate((nuint)capacity * sizeof(float));
        _capacity = capacity;
    }

    private void Free()
    {
        HugePages.Free(_memory);
        _memory = null;
        _capacity = 0;
    }
}
