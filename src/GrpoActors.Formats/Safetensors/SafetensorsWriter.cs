using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpoActors.Formats.Safetensors;

/// <summary>How weights are stored.</summary>
public enum WeightType : byte
{
    F32 = 0,
    BF16 = 1,
    F16 = 2,
}

/// <param name="Values">Row-major; as many as the product of <paramref name="Shape"/>.</param>
public sealed record TensorSource(string Name, IReadOnlyList<long> Shape, ReadOnlyMemory<float> Values);

/// <summary>Writes the safetensors format: tensors in ordinal order of their names, header padded to 8 bytes, so one content gives one sequence of bytes.</summary>
public static class SafetensorsWriter
{
    private const int BlockElements = 1 << 16;

    private static readonly ImmutableSortedDictionary<string, string> FromPyTorch = ImmutableSortedDictionary<string, string>.Empty.Add("format", "pt");

    // Names are shown as they are (no \u escapes), as the reference writer does.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Streams one file. The caller owns the stream: it hashes, flushes and fsyncs as it needs.</summary>
    /// <param name="metadata">Default: <c>format: pt</c>, without which transformers refuses the file.</param>
    /// <exception cref="ArgumentException">A name twice, a shape that is not that of its values, a finite value that <paramref name="type"/> cannot hold.</exception>
    public static void Write(Stream to, IEnumerable<TensorSource> tensors, WeightType type, ImmutableSortedDictionary<string, string>? metadata = null)
    {
        TensorSource[] sorted = [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        to.Write(Header(sorted, type, metadata));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockElements * sizeof(float));
        try
        {
            foreach (TensorSource tensor in sorted)
            {
                ReadOnlySpan<float> values = tensor.Values.Span;
                for (int done = 0; done < values.Length; done += BlockElements)
                {
                    ReadOnlySpan<float> block = values.Slice(done, Math.Min(BlockElements, values.Length - done));
                    to.Write(Convert(tensor.Name, block, type, buffer));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes a folder's weights: one <c>model.safetensors</c>, or shards with an index where they would exceed a size.</summary>
    /// <param name="shardBytesMax">Of the tensors in one file; a single larger tensor gets a file of its own.</param>
    /// <param name="create">Opens the file of this name; the stream is disposed here, so whoever needs an fsync wraps it into the stream.</param>
    /// <returns>The names of the files, in the order they were written.</returns>
    public static ImmutableArray<string> WriteFolder(IEnumerable<TensorSource> tensors, WeightType type, long shardBytesMax, Func<string, Stream> create)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardBytesMax, 1);
        List<List<TensorSource>> shards = Cut([.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)], BytesOf(type), shardBytesMax);
        var names = ImmutableArray.CreateBuilder<string>();
        for (int i = 0; i < shards.Count; i++)
        {
            names.Add(shards.Count == 1 ? SafetensorsFolder.SingleFile : $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
            using Stream file = create(names[i]);
            Write(file, shards[i], type);
        }

        if (shards.Count > 1)
        {
            using Stream index = create(SafetensorsFolder.IndexFile);
            WriteIndex(index, shards, names, BytesOf(type));
            names.Add(SafetensorsFolder.IndexFile);
        }

        return names.ToImmutable();
    }

    public static int BytesOf(WeightType type) => type == WeightType.F32 ? sizeof(float) : sizeof(ushort);

    private static List<List<TensorSource>> Cut(TensorSource[] sorted, int elementBytes, long shardBytesMax)
    {
        List<List<TensorSource>> shards = [[]];
        long bytes = 0;
        foreach (TensorSource tensor in sorted)
        {
            long tensorBytes = (long)tensor.Values.Length * elementBytes;
            if (bytes + tensorBytes > shardBytesMax && shards[^1].Count > 0)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += tensorBytes;
        }

        return shards;
    }

    private static void WriteIndex(Stream to, List<List<TensorSource>> shards, ImmutableArray<string>.Builder names, int elementBytes)
    {
        using var json = new Utf8JsonWriter(to, Plain with { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", shards.Sum(shard => shard.Sum(tensor => (long)tensor.Values.Length * elementBytes)));
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        for (int i = 0; i < shards.Count; i++)
        {
            foreach (TensorSource tensor in shards[i])
            {
                json.WriteString(tensor.Name, names[i]);
            }
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>What a file of these tensors begins with. It follows from names, shapes and type alone.</summary>
    /// <param name="sorted">In ordinal order of names.</param>
    public static byte[] Header(TensorSource[] sorted, WeightType type, ImmutableSortedDictionary<string, string>? metadata = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach ((string key, string value) in metadata ?? FromPyTorch)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            long offset = 0;
            string? before = null;
            foreach (TensorSource tensor in sorted)
            {
                Check(tensor, before);
                before = tensor.Name;
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", type.ToString());
                json.WriteStartArray("shape");
                foreach (long dimension in tensor.Shape)
                {
                    json.WriteNumberValue(dimension);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset += (long)tensor.Values.Length * BytesOf(type);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        int padded = (buffer.WrittenCount + 7) / 8 * 8;
        byte[] header = new byte[SafetensorsHeader.LengthBytes + padded];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)padded);
        header.AsSpan(SafetensorsHeader.LengthBytes).Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header.AsSpan(SafetensorsHeader.LengthBytes));
        return header;
    }

    private static void Check(TensorSource tensor, string? before)
    {
        if (tensor.Name == before || tensor.Name == "__metadata__")
        {
            throw new ArgumentException($"The tensor name '{tensor.Name}' is {(tensor.Name == before ? "given twice" : "reserved by the format")}.");
        }

        if (tensor.Shape.Aggregate(1L, (product, dimension) => checked(product * dimension)) != tensor.Values.Length)
        {
            throw new ArgumentException($"Tensor '{tensor.Name}' of shape [{string.Join(", ", tensor.Shape)}] has {tensor.Values.Length} values.");
        }
    }

    private static ReadOnlySpan<byte> Convert(string name, ReadOnlySpan<float> values, WeightType type, byte[] buffer)
    {
        Span<byte> bytes = buffer.AsSpan(0, values.Length * BytesOf(type));
        switch (type)
        {
            case WeightType.F32:
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteSingleLittleEndian(bytes[(i * sizeof(float))..], values[i]);
                }

                break;
            case WeightType.BF16:
                for (int i = 0; i < values.Length; i++)
                {
                    Write16(name, bytes, i, values[i], FloatConversion.ToBFloat16(values[i]), exponentMask: 0x7F80);
                }

                break;
            default:
                for (int i = 0; i < values.Length; i++)
                {
                    Write16(name, bytes, i, values[i], FloatConversion.ToFloat16(values[i]), exponentMask: 0x7C00);
                }

                break;
        }

        return bytes;
    }

    private static void Write16(string name, Span<byte> bytes, int index, float value, ushort bits, ushort exponentMask)
    {
        if ((bits & exponentMask) == exponentMask && float.IsFinite(value))
        {
            throw new ArgumentException($"Tensor '{name}' holds {value}, which this 16-bit type cannot hold; choose F32.");
        }

        BinaryPrimitives.WriteUInt16LittleEndian(bytes[(index * sizeof(ushort))..], bits);
    }
}
