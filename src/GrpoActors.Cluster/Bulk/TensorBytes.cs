using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Cluster.Bulk;

/// <summary>
/// Tensors as the bytes of a safetensors file in float32, in place: what is read or written are the tensors' own values.
/// <code>
/// | header | tensor 0 | tensor 1 | ... |      in ordinal order of names
/// 0        starts[1]  starts[2]        LengthBytes
/// </code>
/// The header follows from names and shapes. So whoever knows the model knows the header, and what comes from another node is compared with it, not parsed.
/// </summary>
internal sealed class TensorBytes
{
    private const int BlockBytes = 1 << 18;

    private readonly byte[] header;
    private readonly NamedTensor[] tensors;
    private readonly long[] starts;

    public TensorBytes(IEnumerable<NamedTensor> tensors)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Weights travel between little-endian machines only.");
        }

        this.tensors = [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        header = SafetensorsWriter.Header([.. this.tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, tensor.Values))], WeightType.F32);
        starts = new long[this.tensors.Length + 2];
        starts[1] = header.Length;
        for (int i = 0; i < this.tensors.Length; i++)
        {
            starts[i + 2] = starts[i + 1] + ((long)this.tensors[i].Values.Length * sizeof(float));
        }
    }

    /// <summary>In ordinal order of names.</summary>
    public IReadOnlyList<NamedTensor> Tensors => tensors;

    public long LengthBytes => starts[^1];

    /// <summary>Copies from <paramref name="offset"/> on until <paramref name="to"/> is full or the last byte is reached.</summary>
    /// <returns>Bytes copied; 0 at the end.</returns>
    public int Read(long offset, Span<byte> to)
    {
        int read = 0;
        for (int part = PartAt(offset); read < to.Length && offset + read < LengthBytes; part++)
        {
            long within = offset + read - starts[part];
            if (part == 0)
            {
                read += Copy(header.AsSpan((int)within), to[read..]);
                continue;
            }

            while (within < starts[part + 1] - starts[part] && read < to.Length)
            {
                int copied = Copy(BytesAt(part, within), to[read..]);
                within += copied;
                read += copied;
            }
        }

        return read;
    }

    /// <summary>Puts these bytes into the tensors; those of the header must be what they are already.</summary>
    /// <exception cref="BulkException">Another header, or bytes after the end.</exception>
    public void Write(long offset, ReadOnlySpan<byte> from)
    {
        if (from.Length > LengthBytes - offset)
        {
            throw new BulkException($"The weights go on after their {LengthBytes} bytes: they are those of another model.");
        }

        for (int part = PartAt(offset); !from.IsEmpty; part++)
        {
            long within = offset - starts[part];
            if (part == 0)
            {
                int count = Math.Min(header.Length - (int)within, from.Length);
                if (!from[..count].SequenceEqual(header.AsSpan((int)within, count)))
                {
                    throw new BulkException("The weights name other tensors or shapes than the model has: they are those of another model.");
                }

                from = from[count..];
                offset += count;
                continue;
            }

            while (offset < starts[part + 1] && !from.IsEmpty)
            {
                int copied = Copy(from, BytesAt(part, offset - starts[part]));
                from = from[copied..];
                offset += copied;
            }
        }
    }

    public Digest Hash()
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        int count;
        for (long offset = 0; (count = Read(offset, block)) > 0; offset += count)
        {
            sha.AppendData(block, 0, count);
        }

        ArrayPool<byte>.Shared.Return(block);
        Span<byte> hash = stackalloc byte[Digest.ByteLength];
        sha.GetHashAndReset(hash);
        return Digest.FromBytes(hash);
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        int count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }

    /// <summary>The part that the byte lies in; of several that begin there, the last one, as the others are empty.</summary>
    private int PartAt(long offset)
    {
        int found = Array.BinarySearch(starts, offset);
        int part = found < 0 ? ~found - 1 : found;
        while (part + 1 < starts.Length && starts[part + 1] <= offset)
        {
            part++;
        }

        return part;
    }

    /// <summary>Bytes of a tensor from one byte on; a span cannot hold all of a tensor of more than 2 GiB.</summary>
    private Span<byte> BytesAt(int part, long within)
    {
        Span<float> values = tensors[part - 1].Values.Span[(int)(within / sizeof(float))..];
        return MemoryMarshal.AsBytes(values[..Math.Min(values.Length, BlockBytes)])[(int)(within % sizeof(float))..];
    }
}

/// <summary>Reads and writes <see cref="TensorBytes"/> from a position on. Several may read the same tensors at once.</summary>
internal sealed class TensorBytesStream(TensorBytes bytes) : Stream
{
    private long position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => bytes.LengthBytes;

    public override long Position
    {
        get => position;
        set => position = value is >= 0 && value <= Length ? value : throw new ArgumentOutOfRangeException(nameof(value), value, $"A position lies in [0, {Length}].");
    }

    public override int Read(Span<byte> buffer)
    {
        int read = bytes.Read(position, buffer);
        position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer, offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        bytes.Write(position, buffer);
        position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer, offset, count);
        return Task.CompletedTask;
    }

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => position, _ => Length };

    public override void SetLength(long value) => throw new NotSupportedException("The length follows from the model.");

    public override void Flush()
    {
    }
}
