using System.Buffers.Binary;
using System.Text.Json;
using Xunit;

namespace GrpoActors.Hub.Tests;

/// <summary>The safetensors format from its description alone (8 bytes of length, a JSON header, bytes without gaps); shares no code with the writer.</summary>
internal static class StructuralCheck
{
    private static readonly Dictionary<string, int> Sizes = new() { ["F32"] = 4, ["F16"] = 2, ["BF16"] = 2 };

    /// <summary>The tensors of all files of a folder: type, shape and bytes in hexadecimal.</summary>
    public static SortedDictionary<string, string> Tensors(string folder)
    {
        var tensors = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(folder, "*.safetensors"))
        {
            foreach ((string name, string content) in OfFile(File.ReadAllBytes(file)))
            {
                tensors.Add(name, content);
            }
        }

        return tensors;
    }

    private static IEnumerable<(string Name, string Content)> OfFile(byte[] bytes)
    {
        long headerLength = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.InRange(headerLength, 2, Math.Min(100_000_000, bytes.Length - 8));
        Assert.Equal((byte)'{', bytes[8]);
        Assert.Equal(0, headerLength % 8);
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, (int)headerLength));
        Assert.Equal("pt", header.RootElement.GetProperty("__metadata__").GetProperty("format").GetString());
        long end = 0, data = 8 + headerLength;
        var found = new List<(string, string)>();
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject().Where(property => property.Name != "__metadata__").OrderBy(property => property.Value.GetProperty("data_offsets")[0].GetInt64()))
        {
            Assert.Equal(["data_offsets", "dtype", "shape"], tensor.Value.EnumerateObject().Select(key => key.Name).Order(StringComparer.Ordinal));
            long first = tensor.Value.GetProperty("data_offsets")[0].GetInt64(), last = tensor.Value.GetProperty("data_offsets")[1].GetInt64();
            string type = tensor.Value.GetProperty("dtype").GetString()!;
            long elements = tensor.Value.GetProperty("shape").EnumerateArray().Aggregate(1L, (product, size) => product * size.GetInt64());
            Assert.Equal(end, first); // no gap, no overlap
            Assert.Equal(elements * Sizes[type], last - first);
            end = last;
            found.Add((tensor.Name, $"{type} {tensor.Value.GetProperty("shape").GetRawText()} {Convert.ToHexString(bytes, (int)(data + first), (int)(last - first))}"));
        }

        Assert.Equal(bytes.Length, data + end);
        return found;
    }
}
