using System.Buffers;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>A block of <see cref="HugePages"/> that can be handed out as <see cref="Memory{T}"/>: views keep it alive. Once it is disposed, asking a view for its span throws.</summary>
internal sealed unsafe class NativeFloats(int length) : MemoryManager<float>
{
    private readonly Block _block = new(length); // all zeros

    public Span<float> Span => GetSpan();

    public override Span<float> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_block.Start == null, typeof(NativeFloats));
        return new Span<float>(_block.Start, length);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_block.Start + elementIndex, default, this);

    public override void Unpin()
    {
        // It never moves.
    }

    public void Dispose() => _block.Dispose();

    protected override void Dispose(bool disposing) => Dispose();

    private sealed class Block : IDisposable
    {
        private readonly nuint _bytes;

        public Block(int length)
        {
            _bytes = (nuint)length * sizeof(float);
            Start = HugePages.Allocate(_bytes);
            if (_bytes > 0)
            {
                GC.AddMemoryPressure((long)_bytes);
            }
        }

        ~Block() => Free();

        public float* Start { get; private set; }

        public void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            if (Start == null)
            {
                return;
            }

            HugePages.Free(Start);
            Start = null;
            if (_bytes > 0)
            {
                GC.RemoveMemoryPressure((long)_bytes);
            }
        }
    }
}
