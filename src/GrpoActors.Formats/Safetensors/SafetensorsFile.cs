using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace GrpoActors.Formats.Safetensors;

/// <summary>One safetensors file, memory-mapped and checked as a whole when it is opened. Reading is thread-safe.</summary>
/// <remarks>Another process must not shorten the file while it is open: the operating system ends a process that touches a mapped page that is gone.</remarks>
public sealed unsafe class SafetensorsFile : ITensorFiles
{
    private const int BlockElements = 1 << 16;

    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, TensorEntry> _byName;
    private readonly byte* _start;

    private SafetensorsFile(string path, MemoryMappedFile map, MemoryMappedViewAccessor view, byte* start, ImmutableArray<TensorEntry> tensors, ImmutableSortedDictionary<string, string> metadata)
    {
        (Path, _map, _view, Tensors, Metadata) = (path, map, view, tensors, metadata);
        _start = start;
        _byName = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    public string Path { get; }

    public ImmutableArray<TensorEntry> Tensors { get; }

    public ImmutableSortedDictionary<string, string> Metadata { get; }

    /// <exception cref="SafetensorsFormatException">The file is no whole safetensors file.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static SafetensorsFile Open(string path)
    {
        long bytes = LinkedFile.LengthBytes(path);
        if (bytes < SafetensorsHeader.LengthBytes)
        {
            throw new SafetensorsFormatException(path, $"the file has {bytes} bytes, and a safetensors file has at least {SafetensorsHeader.LengthBytes}.");
        }

        MemoryMappedFile map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, mapName: null, capacity: 0, MemoryMappedFileAccess.Read);
        MemoryMappedViewAccessor? view = null;
        try
        {
            view = map.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            if (GitLfsPointer.Begins(new ReadOnlySpan<byte>(start, (int)Math.Min(bytes, 64))))
            {
                throw new SafetensorsFormatException(path, GitLfsPointer.Sentence);
            }

            int jsonLength = SafetensorsHeader.JsonLength(path, new ReadOnlySpan<byte>(start, SafetensorsHeader.LengthBytes), bytes);
            var json = new ReadOnlySpan<byte>(start + SafetensorsHeader.LengthBytes, jsonLength);
            (ImmutableArray<TensorEntry> tensors, ImmutableSortedDictionary<string, string> metadata) = SafetensorsHeader.Parse(path, json, bytes);
            return new SafetensorsFile(path, map, view, start, tensors, metadata);
        }
        catch
        {
            view?.Dispose();
            map.Dispose();
            throw;
        }
    }

    public TensorEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The bytes as they lie in the file; valid until this is disposed.</summary>
    public ReadOnlySpan<byte> Bytes(TensorEntry tensor) => new(_start + tensor.Offset, checked((int)tensor.ByteLength));

    public void ReadFloat32(TensorEntry tensor, Span<float> destination)
    {
        if (tensor.Elements != destination.Length)
        {
            throw new SafetensorsFormatException(Path, $"tensor '{tensor.Name}' has {tensor.Elements} elements {tensor.ShapeText}, and {destination.Length} were expected.");
        }

        byte* source = _start + tensor.Offset;
        for (int done = 0; done < destination.Length; done += BlockElements)
        {
            Span<float> block = destination.Slice(done, Math.Min(BlockElements, destination.Length - done));
            switch (tensor.Type)
            {
                case "F32":
                    CopyFloat32(new ReadOnlySpan<byte>(source + (long)done * sizeof(float), block.Length * sizeof(float)), block);
                    break;
                case "F16":
                    FloatConversion.FromFloat16(new ReadOnlySpan<ushort>(source + (long)done * sizeof(ushort), block.Length), block);
                    break;
                case "BF16":
                    FloatConversion.FromBFloat16(new ReadOnlySpan<ushort>(source + (long)done * sizeof(ushort), block.Length), block);
                    break;
                default:
                    throw new SafetensorsFormatException(Path, $"tensor '{tensor.Name}' has dtype {tensor.Type}, and weights are read from F32, F16 or BF16; convert the model first.");
            }
        }
    }

    public void Dispose()
    {
        if (!_view.SafeMemoryMappedViewHandle.IsClosed)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _map.Dispose();
        }
    }

    private static void CopyFloat32(ReadOnlySpan<byte> source, Span<float> destination)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Weights are read on little-endian machines only.");
        }

        source.CopyTo(MemoryMarshal.AsBytes(destination));
    }
}
