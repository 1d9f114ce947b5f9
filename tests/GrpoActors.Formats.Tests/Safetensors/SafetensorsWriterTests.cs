using System.Buffers.Binary;
using System.Text.Json;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Formats.Tests.Safetensors;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(WeightType.F32, 4)]
    [InlineData(WeightType.BF16, 2)]
    [InlineData(WeightType.F16, 2)]
    public void What_is_written_has_the_structure_of_the_format(WeightType type, int elementBytes)
    {
        byte[] bytes = Write([Tensor("z.weight", [2, 3], 1), Tensor("a.weight", [70_000], 2), Tensor("é\"", [], 3)], type);
        long headerLength = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.Equal(0, headerLength % 8);
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, (int)headerLength));
        Assert.Equal("pt", header.RootElement.GetProperty("__metadata__").GetProperty("format").GetString());
        long end = 0;
        var names = new List<string>();
        foreach (JsonProperty entry in header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            names.Add(entry.Name);
            Assert.Equal(type.ToString(), entry.Value.GetProperty("dtype").GetString());
            long[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(number => number.GetInt64())];
            Assert.Equal(end, offsets[0]);
            end = offsets[1];
            Assert.Equal(elementBytes * entry.Value.GetProperty("shape").EnumerateArray().Aggregate(1L, (product, size) => product * size.GetInt64()), offsets[1] - offsets[0]);
        }

        Assert.Equal(["a.weight", "z.weight", "é\""], names);
        Assert.Equal(bytes.Length, 8 + headerLength + end);
    }

    [Fact]
    public void What_is_written_is_read_back_to_the_bit()
    {
        TensorSource weights = Tensor("w", [300, 301], 5);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("w.safetensors", Write([weights, Tensor("v", [3], 1)], WeightType.F32)));
        Assert.Equal(weights.Values.ToArray(), file.ReadWeights("w", [300, 301]));
    }

    [Fact]
    public void Shards_hold_what_one_file_would()
    {
        TensorSource[] tensors = [Tensor("b", [10], 1), Tensor("a", [10], 2), Tensor("d", [100], 3), Tensor("c", [1], 4)];
        var names = SafetensorsWriter.WriteFolder(tensors, WeightType.F32, shardBytesMax: 80, name => File.Create(Path.Combine(_folder.Path, name)));
        Assert.Equal(["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"], names.AsEnumerable());
        using SafetensorsFolder folder = SafetensorsFolder.Open(_folder.Path);
        Assert.Equal(["a", "b", "c", "d"], folder.Tensors.Select(tensor => tensor.Name));
        Assert.All(tensors, tensor => Assert.Equal(tensor.Values.ToArray(), folder.ReadWeights(tensor.Name, [.. tensor.Shape])));
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder.Path, "model.safetensors.index.json")));
        Assert.Equal(121 * 4, index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64());
    }

    [Fact]
    public void What_fits_into_one_file_gets_no_index()
    {
        var names = SafetensorsWriter.WriteFolder([Tensor("a", [10], 2)], WeightType.BF16, shardBytesMax: 20, name => File.Create(Path.Combine(_folder.Path, name)));
        Assert.Equal(["model.safetensors"], names.AsEnumerable());
    }

    [Fact]
    public void A_tensor_missing_from_its_shard_is_named()
    {
        _folder.Write("s.safetensors", Write([Tensor("a", [1], 1)], WeightType.F32));
        _folder.Write(SafetensorsFolder.IndexFile, """{"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}""");
        Assert.Contains("'b' is in s.safetensors, which has no such tensor", Assert.Throws<SafetensorsFormatException>(() => SafetensorsFolder.Open(_folder.Path)).Message);
    }

    [Fact]
    public void A_value_that_the_type_cannot_hold_is_named_not_made_infinite()
    {
        Assert.Contains("'w' holds 70000", Assert.Throws<ArgumentException>(() => Write([new("w", [1], new[] { 70000f })], WeightType.F16)).Message);
        Assert.Contains("'w'", Assert.Throws<ArgumentException>(() => Write([new("w", [1], new[] { float.MaxValue })], WeightType.BF16)).Message);
    }

    [Fact]
    public void Names_given_twice_and_wrong_shapes_are_refused()
    {
        Assert.Contains("'a' is given twice", Assert.Throws<ArgumentException>(() => Write([Tensor("a", [1], 1), Tensor("a", [1], 1)], WeightType.F32)).Message);
        Assert.Contains("[2] has 1 values", Assert.Throws<ArgumentException>(() => Write([new("a", [2], new float[1])], WeightType.F32)).Message);
    }

    [AssetFact("fixtures/models/qwen3/model.safetensors")]
    public void A_file_of_the_reference_writer_is_written_again_byte_for_byte()
    {
        string path = Assets.Find("fixtures/models/qwen3/model.safetensors")!;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] again = Write([.. file.Tensors.Select(tensor => new TensorSource(tensor.Name, tensor.Shape, file.ReadWeights(tensor.Name, tensor.Shape.AsSpan())))], WeightType.F32);
        Assert.Equal(File.ReadAllBytes(path), again);
    }

    private static byte[] Write(IEnumerable<TensorSource> tensors, WeightType type)
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors, type);
        return stream.ToArray();
    }

    private static TensorSource Tensor(string name, long[] shape, int seed)
    {
        var random = new Random(seed);
        float[] values = new float[shape.Aggregate(1L, (product, size) => product * size)];
        foreach (ref float value in values.AsSpan())
        {
            value = random.NextSingle() - 0.5f;
        }

        return new TensorSource(name, shape, values);
    }
}
