using System.Buffers.Binary;
using System.Text;

namespace GrpoActors.Formats.TensorBoard;

/// <summary>Writes scalars as TensorBoard reads them: TFRecord frames around protocol buffers.</summary>
/// <remarks>
/// Frame: length u64 | masked CRC-32C of the length | event | masked CRC-32C of the event, little-endian.
/// Event: 1 wall_time f64, 2 step i64 (absent if 0), 3 file_version text, 5 summary { 1 value { 1 tag text, 2 simple_value f32 } }, 10 source_metadata { 1 writer text }.
/// The file's name must contain <c>tfevents</c>, for example <c>events.out.tfevents.1700000000.grpo</c>. Not thread-safe; the caller owns the stream.
/// Source: tensorflow/core/util/event.proto and lib/io/record_writer.cc.
/// </remarks>
public sealed class EventWriter
{
    private readonly Stream _to;

    /// <summary>Writes the file's first event. To go on with an existing file, see <see cref="Append"/>.</summary>
    /// <param name="wallTime">Seconds since 1970.</param>
    /// <param name="writer">Who writes, for whoever looks into the file.</param>
    public static EventWriter Begin(Stream to, double wallTime, string writer = "GrpoActors")
    {
        var begun = new EventWriter(to);
        var first = new Message();
        first.Double(1, wallTime);
        first.Text(3, "brain.Event:2");
        first.Nested(10, new Message().Text(1, writer));
        begun.Frame(first.Bytes);
        return begun;
    }

    /// <summary>Writes to the end of a file that <see cref="Begin"/> began.</summary>
    public static EventWriter Append(Stream to) => new(to);

    private EventWriter(Stream to) => _to = to;

    /// <summary>One event with one scalar.</summary>
    /// <param name="tag">For example <c>completions/mean_length</c>; the part before the slash groups charts.</param>
    public void Scalar(double wallTime, long step, string tag, float value)
    {
        var scalar = new Message();
        scalar.Double(1, wallTime);
        if (step != 0)
        {
            scalar.Int64(2, step);
        }

        scalar.Nested(5, new Message().Nested(1, new Message().Text(1, tag).Single(2, value)));
        Frame(scalar.Bytes);
    }

    private void Frame(ReadOnlySpan<byte> data)
    {
        byte[] frame = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteInt64LittleEndian(frame, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(8), Crc32C.Masked(frame.AsSpan(0, 8)));
        data.CopyTo(frame.AsSpan(12));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12 + data.Length), Crc32C.Masked(data));
        _to.Write(frame);
    }

    /// <summary>The few wire types of protocol buffers that are needed.</summary>
    private sealed class Message
    {
        private readonly List<byte> _bytes = [];

        public ReadOnlySpan<byte> Bytes => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes);

        public Message Double(int field, double value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(double)];
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
            Tag(field, 1);
            _bytes.AddRange(bytes);
            return this;
        }

        public Message Single(int field, float value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(float)];
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            Tag(field, 5);
            _bytes.AddRange(bytes);
            return this;
        }

        public Message Int64(int field, long value)
        {
            Tag(field, 0);
            Varint((ulong)value);
            return this;
        }

        public Message Text(int field, string value) => LengthDelimited(field, Encoding.UTF8.GetBytes(value));

        public Message Nested(int field, Message value) => LengthDelimited(field, value.Bytes);

        private Message LengthDelimited(int field, ReadOnlySpan<byte> value)
        {
            Tag(field, 2);
            Varint((ulong)value.Length);
            _bytes.AddRange(value);
            return this;
        }

        private void Tag(int field, int wireType) => Varint((ulong)(field << 3 | wireType));

        private void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                _bytes.Add((byte)(value | 0x80));
            }

            _bytes.Add((byte)value);
        }
    }
}
