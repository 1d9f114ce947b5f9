using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using GrpoActors.Core;

namespace GrpoActors.Journal.Records;

/// <summary>Reads what <see cref="RecordWriter"/> wrote. Any bytes at all give a value or a <see cref="JournalFormatException"/>.</summary>
/// <remarks>A count is believed only if what it announces still fits into the record, so memory stays within a constant multiple of the record's length.</remarks>
internal ref struct RecordReader(ReadOnlySpan<byte> record)
{
    public delegate T Read<T>(ref RecordReader reader);

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _record = record;
    private int _position;

    private readonly int Left => _record.Length - _position;

    public byte Byte(string field) => Take(1, field)[0];

    public bool Flag(string field) => Byte(field) switch
    {
        0 => false,
        1 => true,
        byte other => throw Wrong(field, "expected 0 or 1", other),
    };

    public int Int32(string field) => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int), field));

    public long Int64(string field) => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long), field));

    public float Single(string field) => BitConverter.Int32BitsToSingle(Int32(field));

    public double Double(string field) => BitConverter.Int64BitsToDouble(Int64(field));

    public TimeSpan Duration(string field) => new(Int64(field));

    public Digest Digest(string field) => Core.Digest.FromBytes(Take(Core.Digest.ByteLength, field));

    public string Text(string field)
    {
        ReadOnlySpan<byte> utf8 = Take(Count(field, 1), field);
        try
        {
            return Strict.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            throw Wrong(field, "expected UTF-8", "other bytes");
        }
    }

    /// <param name="last">Largest value that the enumeration defines; all smaller ones are defined too.</param>
    public byte Case(byte last, string field)
    {
        byte value = Byte(field);
        return value <= last ? value : throw Wrong(field, $"expected 0 to {last}", value);
    }

    /// <param name="elementBytesMin">Fewest bytes that one element takes.</param>
    public int Count(string field, int elementBytesMin)
    {
        int count = Int32(field);
        return count >= 0 && count <= Left / elementBytesMin
            ? count
            : throw Wrong(field, $"expected a count of at most {Left / elementBytesMin}, as {Left} bytes are left", count);
    }

    public ImmutableArray<T> Array<T>(string field, int elementBytesMin, Read<T> read)
    {
        var values = new T[Count(field, elementBytesMin)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = read(ref this);
        }

        return System.Runtime.InteropServices.ImmutableCollectionsMarshal.AsImmutableArray(values);
    }

    public readonly void End()
    {
        if (Left != 0)
        {
            throw new JournalFormatException($"A journal record goes on for {Left} bytes after its last field (byte {_position} of {_record.Length}); it was damaged or written by another program.");
        }
    }

    private ReadOnlySpan<byte> Take(int count, string field)
    {
        if (count > Left)
        {
            throw new JournalFormatException($"A journal record ends at byte {_record.Length}, inside its field '{field}': expected {count} more bytes at byte {_position}, found {Left}.");
        }

        ReadOnlySpan<byte> taken = _record.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly JournalFormatException Wrong(string field, string expected, object found) =>
        new($"A journal record is wrong in its field '{field}', before byte {_position}: {expected}, found {found}.");
}
