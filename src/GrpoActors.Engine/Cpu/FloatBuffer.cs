using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace GrpoActors.Engine.Cpu;

/// <summary>Memory that grows to the largest size asked for and is then reused: no allocation in the steady state. Aligned to 64 bytes; not cleared.</summary>
internal sealed unsafe class FloatBuffer : IDisposable
{
    private float* _memory;
    private nuint _capacity;

    ~FloatBuffer() => Free();

    /// <summary>The first <paramref name="length"/> elements; contents survive until more are asked for than ever before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<float> AtLeast(int length)
    {
        if ((nuint)length > _capacity)
        {
            Grow((nuint)length);
        }

        return new Span<float>(_memory, length);
    }

    public Span<float> AtLeast(int rows, int columns) => AtLeast(checked(rows * columns));

    /// <summary>All there is.</summary>
    public Span<float> Whole => new(_memory, (int)_capacity);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Grow(nuint length)
    {
        // An eighth more than asked for, so that slightly longer batches do not each grow it.
        nuint capacity = nuint.Min((length + length / 8 + 15) & ~(nuint)15, int.MaxValue);
        Free();
        _memory = (float*)NativeMemory.AlignedAlloc(capacity * sizeof(float), 64);
        _capacity = capacity;
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _capacity = 0;
    }
}
