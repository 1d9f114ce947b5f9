using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using GrpoActors.Core;

namespace GrpoActors.Journal.Records;

/// <summary>The fields of a record, little-endian, end to end.</summary>
internal sealed class RecordWriter
{
    private byte[] _bytes = new byte[256];
    private int _length;

    public byte[] ToArray() => _bytes.AsSpan(0, _length).ToArray();

    public void Byte(byte value) => Take(1)[0] = value;

    public void Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Take(sizeof(int)), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Take(sizeof(long)), value);

    public void Single(float value) => Int32(BitConverter.SingleToInt32Bits(value));

    public void Double(double value) => Int64(BitConverter.DoubleToInt64Bits(value));

    public void Duration(TimeSpan value) => Int64(value.Ticks);

    public void Digest(Digest value) => value.CopyTo(Take(Core.Digest.ByteLength));

    /// <summary>A lone surrogate (an exception's message may hold one) is stored as U+FFFD.</summary>
    public void Text(string value)
    {
        int count = Encoding.UTF8.GetByteCount(value);
        Int32(count);
        Encoding.UTF8.GetBytes(value, Take(count));
    }

    public void Array<T>(ImmutableArray<T> values, Action<RecordWriter, T> write)
    {
        Int32(values.Length);
        foreach (T value in values)
        {
            write(this, value);
        }
    }

    private Span<byte> Take(int count)
    {
        int needed = checked(_length + count);
        if (needed > _bytes.Length)
        {
            System.Array.Resize(ref _bytes, (int)Math.Min(Math.Max(needed, 2L * _bytes.Length), System.Array.MaxLength));
        }

        Span<byte> taken = _bytes.AsSpan(_length, count);
        _length = needed;
        return taken;
    }
}
