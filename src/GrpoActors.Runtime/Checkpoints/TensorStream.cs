using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using GrpoActors.Engine;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Runtime.Checkpoints;

/// <summary>
/// A checkpoint's tensors as a safetensors stream of float32. Reading takes one pass, so that it can be hashed on the way, and any stream, not a file to
/// map; it accepts what <see cref="SafetensorsWriter"/> writes: float32 only, tensors end to end.
/// </summary>
internal static class TensorStream
{
    private const int HeaderLengthBytes = 8;

    public static void Write(Stream to, IEnumerable<NamedTensor> tensors) =>
        SafetensorsWriter.Write(to, tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values)), WeightType.F32);

    /// <param name="lengthBytes">Of the whole stream; nothing larger is ever allocated.</param>
    /// <exception cref="FormatException">The message is the rest of a sentence about the file.</exception>
    /// <returns>In the order of the file, which is the ordinal order of names.</returns>
    public static IReadOnlyList<NamedTensor> Read(Stream from, long lengthBytes)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Checkpoints are read on little-endian machines only.");
        }

        try
        {
            Span<byte> head = stackalloc byte[HeaderLengthBytes];
            from.ReadExactly(head);
            ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(head);
            if (headerBytes > (ulong)Math.Min(lengthBytes - HeaderLengthBytes, int.MaxValue / 2))
            {
                throw new FormatException($"its header claims {headerBytes} bytes");
            }

            byte[] header = new byte[(int)headerBytes];
            from.ReadExactly(header);
            long dataBytes = lengthBytes - HeaderLengthBytes - header.Length;
            var tensors = new List<NamedTensor>();
            long offset = 0;
            foreach ((string name, long[] shape, long begin, long end) in Entries(header).OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
            {
                long elements = shape.Aggregate(1L, (product, dimension) => checked(product * dimension));
                if (begin != offset || end > dataBytes || end - begin != checked(elements * sizeof(float)) || elements > Array.MaxLength)
                {
                    throw new FormatException($"its tensor '{name}' does not lie where its header says");
                }

                float[] values = GC.AllocateUninitializedArray<float>((int)elements);
                from.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
                tensors.Add(new NamedTensor(name, shape, values));
                offset = end;
            }

            return offset == dataBytes ? tensors : throw new FormatException($"it goes on for {dataBytes - offset} bytes after its last tensor");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or EndOfStreamException or OverflowException)
        {
            throw new FormatException("its header or its end is damaged", e);
        }
    }

    private static List<(string Name, long[] Shape, long Begin, long End)> Entries(byte[] header)
    {
        var entries = new List<(string, long[], long, long)>();
        using JsonDocument json = JsonDocument.Parse(header);
        foreach (JsonProperty property in json.RootElement.EnumerateObject().Where(property => property.Name != "__metadata__"))
        {
            if (property.Value.GetProperty("dtype").GetString() != "F32")
            {
                throw new FormatException($"its tensor '{property.Name}' is not float32");
            }

            long[] shape = [.. property.Value.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64())];
            JsonElement offsets = property.Value.GetProperty("data_offsets");
            entries.Add((property.Name, shape, offsets[0].GetInt64(), offsets[1].GetInt64()));
        }

        return entries;
    }
}
