using System.Buffers.Binary;
using System.Text;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Formats.Tests.Safetensors;

public sealed class SafetensorsReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_written_by_hand_from_the_specification_is_read()
    {
        byte[] data = [.. Floats(1.5f, -2, 0.25f), 0x80, 0x3F, 0x00, 0xC0, 0x00, 0x3C, 0x01, 0x00];
        const string header = """{"b":{"dtype":"F32","shape":[3,1],"data_offsets":[0,12]},"__metadata__":{"format":"pt","note":"x"},"a":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},"c":{"dtype":"F16","shape":[1,2],"data_offsets":[16,20]}}  """;
        using SafetensorsFile file = Open(header, data);
        Assert.Equal(["a", "b", "c"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal([1.5f, -2, 0.25f], file.ReadWeights("b", [3, 1]));
        Assert.Equal([1f, -2f], file.ReadWeights("a", [2]));
        Assert.Equal([1f, MathF.Pow(2, -24)], file.ReadWeights("c", [1, 2]));
    }

    [Fact]
    public void Scalars_and_empty_tensors_are_allowed()
    {
        using SafetensorsFile file = Open("""{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[4,4]}}""", Floats(3));
        Assert.Equal([3f], file.ReadWeights("s", []));
        Assert.Empty(file.ReadWeights("e", [0, long.MaxValue]));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "'a'", "[2]", "4 bytes")]
    [InlineData("""{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}}""", "'a'", "F64", "4 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "'a'", "0 to 4", "no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", "'b'", "inside another", "6")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", "2 to 4", "no tensor", "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "take 4 bytes", "8 follow", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "'a' twice", "", "")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"U8","shape":[2],"data_offsets":[0,8]}}""", "'dtype' twice", "'a'", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "'a'", "within the 8 bytes", "[0, 16]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "'a'", "ascending", "[8, 0]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}""", "'a'", "must be two", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "'a'", "shape", "no whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "'a'", "shape", "no whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", "'a'", "shape", "no whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}}""", "'a'", "8 bytes", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}""", "'a'", "8 bytes", "")]
    [InlineData("""{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}""", "'a'", "unknown dtype 'Q4'", "")]
    [InlineData("""{"a":{"dtype":3,"shape":[2],"data_offsets":[0,8]}}""", "'a'", "string as dtype", "")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", "'a'", "no dtype", "")]
    [InlineData("""{"a":[1]}""", "'a'", "object", "")]
    [InlineData("""{"__metadata__":{"format":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "__metadata__", "strings", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", "broken JSON", "", "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x""", "broken JSON", "", "")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "broken JSON", "", "")]
    [InlineData("""{"a":{"x":[[[[[[[[[[[[1]]]]]]]]]]]]}}""", "broken JSON", "", "")]
    [InlineData("[]", "no JSON object", "", "")]
    [InlineData("", "no JSON object", "", "")]
    public void A_wrong_header_is_refused_in_a_sentence_that_names_the_place(string header, string first, string second, string third)
    {
        var refusal = Assert.Throws<SafetensorsFormatException>(() => Open(header, new byte[8]).Dispose());
        Assert.Contains("weights.safetensors: ", refusal.Message);
        Assert.All([first, second, third], part => Assert.Contains(part, refusal.Message));
        Assert.EndsWith(".", refusal.Message);
    }

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(7, "7 bytes")]
    public void A_file_shorter_than_its_length_field_is_refused(int bytes, string found) =>
        Assert.Contains(found, Assert.Throws<SafetensorsFormatException>(() => SafetensorsFile.Open(_folder.Write("w", new byte[bytes]))).Message);

    [Theory]
    [InlineData(100_000_001ul, "at most 100000000")]
    [InlineData(ulong.MaxValue, "at most 100000000")]
    [InlineData(9ul, "cut short")]
    public void A_header_larger_than_the_file_or_the_limit_is_refused_without_reading_it(ulong length, string expected)
    {
        byte[] bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        Assert.Contains(expected, Assert.Throws<SafetensorsFormatException>(() => SafetensorsFile.Open(_folder.Write("w", bytes))).Message);
    }

    [Fact]
    public void Any_changed_or_missing_byte_of_a_header_is_refused_or_gives_tensors_within_the_file()
    {
        byte[] good = File("""{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}""", new byte[12]);
        var random = new Random(11);
        for (int round = 0; round < 2_000; round++)
        {
            byte[] changed = round % 3 == 0 ? good[..random.Next(good.Length)] : [.. good];
            for (int i = random.Next(1, 4); i > 0 && round % 3 != 0; i--)
            {
                changed[random.Next(good.Length - 12)] = (byte)(round % 2 == 0 ? random.Next(256) : "0123456789{}[],:\""[random.Next(17)]);
            }

            string path = _folder.Write("w", changed);
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                Assert.All(file.Tensors, tensor => Assert.InRange(tensor.Offset + tensor.ByteLength, 8, changed.Length));
            }
            catch (SafetensorsFormatException refusal)
            {
                Assert.EndsWith(".", refusal.Message);
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Weights_that_are_not_finite_are_refused_by_name(float bad)
    {
        float[] values = [.. Enumerable.Repeat(1f, 100)];
        values[77] = bad;
        using SafetensorsFile file = Open("""{"w":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}""", Floats(values));
        string message = Assert.Throws<SafetensorsFormatException>(() => file.ReadWeights("w", [100])).Message;
        Assert.Contains("'w'", message);
        Assert.Contains("element 77", message);
    }

    [Fact]
    public void A_missing_tensor_another_shape_and_another_type_are_named()
    {
        using SafetensorsFile file = Open("""{"w":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}""", new byte[8]);
        Assert.Contains("no tensor 'v'", Assert.Throws<SafetensorsFormatException>(() => file.ReadWeights("v", [2])).Message);
        Assert.Contains("[2], and the model's config.json calls for [3]", Assert.Throws<SafetensorsFormatException>(() => file.ReadWeights("w", [3])).Message);
        Assert.Contains("dtype I32", Assert.Throws<SafetensorsFormatException>(() => file.ReadWeights("w", [2])).Message);
    }

    [Theory]
    [InlineData("../secret", "plain file name")]
    [InlineData("/etc/passwd", "plain file name")]
    [InlineData("..", "plain file name")]
    [InlineData("a\\\\b", "plain file name")]
    [InlineData("absent.safetensors", "not there")]
    public void A_shard_outside_the_folder_or_absent_is_refused(string fileName, string expected)
    {
        _folder.Write(SafetensorsFolder.IndexFile, $$$"""{"metadata":{},"weight_map":{"a":"{{{fileName}}}"}}""");
        Assert.Contains(expected, Assert.Throws<SafetensorsFormatException>(() => SafetensorsFolder.Open(_folder.Path)).Message);
    }

    [Theory]
    [InlineData("{", "broken JSON in line 1")]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":{"a":3}}""", "plain file name")]
    [InlineData("""{"weight_map":{"a":"x","a":"y"}}""", "'a' twice")]
    public void A_wrong_index_is_refused(string index, string expected)
    {
        _folder.Write(SafetensorsFolder.IndexFile, index);
        Assert.Contains(expected, Assert.Throws<SafetensorsFormatException>(() => SafetensorsFolder.Open(_folder.Path)).Message);
    }

    [Theory]
    [InlineData("pytorch_model.bin", "pytorch_model.bin is not read")]
    [InlineData("consolidated.00.pth", "pickled files can run code: save the model as safetensors")]
    [InlineData("adapter_model.safetensors", "adapter_model is a PEFT adapter: merge it into its base first")]
    [InlineData("adapter_model.bin", "adapter_model is a PEFT adapter: merge it into its base first")]
    [InlineData("model-Q4_K_M.gguf", "GGUF is not read: take the model's safetensors")]
    [InlineData("model-00001-of-00002.safetensors", "there are shards without model.safetensors.index.json: fetch it, too")]
    [InlineData("consolidated.safetensors", "weights under another name are not read: rename them to model.safetensors")]
    public void A_folder_without_weights_says_what_it_found(string file, string says)
    {
        _folder.Write(file, new byte[3]);
        Assert.Contains(says, Assert.Throws<SafetensorsFormatException>(() => SafetensorsFolder.Open(_folder.Path)).Message);
    }

    [Fact]
    public void A_Git_LFS_pointer_is_called_one()
    {
        _folder.Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132\nsize 446564\n");
        Assert.Contains("model.safetensors: it is a Git LFS pointer, not the file itself; run git lfs pull", Assert.Throws<SafetensorsFormatException>(() => SafetensorsFolder.Open(_folder.Path)).Message);
    }

    private SafetensorsFile Open(string header, byte[] data) => SafetensorsFile.Open(_folder.Write("weights.safetensors", File(header, data)));

    private static byte[] File(string header, byte[] data)
    {
        byte[] json = Encoding.UTF8.GetBytes(header), length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        return [.. length, .. json, .. data];
    }

    private static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];
}
