using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Unicode;

namespace GrpoActors.Formats.Safetensors;

/// <summary>Reads a header that may be anything at all.</summary>
/// <remarks>
/// Layout: header length u64 | header JSON, padded with spaces | data. Every byte of the data belongs to exactly one tensor: no hole, no overlap.
/// Source: the safetensors format (huggingface/safetensors, README), whose limit of 100 MB for the header holds here too.
/// </remarks>
internal static class SafetensorsHeader
{
    public const int LengthBytes = sizeof(ulong);
    public const int HeaderBytesMax = 100_000_000;

    private static int? BitsOf(string type) => type switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" => 8,
        "I16" or "U16" or "F16" or "BF16" => 16,
        "I32" or "U32" or "F32" => 32,
        "I64" or "U64" or "F64" or "C64" => 64,
        _ => null,
    };

    /// <summary>Length of the header's JSON, from the first 8 bytes of the file.</summary>
    public static int JsonLength(string path, ReadOnlySpan<byte> start, long fileBytes)
    {
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > HeaderBytesMax)
        {
            throw new SafetensorsFormatException(path, $"the header announces {length} bytes, and at most {HeaderBytesMax} are allowed; this is no safetensors file, or it is damaged.");
        }

        return (long)length <= fileBytes - LengthBytes
            ? (int)length
            : throw new SafetensorsFormatException(path, $"the header announces {length} bytes and the file ends after {fileBytes - LengthBytes}; it is cut short.");
    }

    /// <returns>In ordinal order of names.</returns>
    public static (ImmutableArray<TensorEntry> Tensors, ImmutableSortedDictionary<string, string> Metadata) Parse(string path, ReadOnlySpan<byte> json, long fileBytes)
    {
        var header = new Reading(path, LengthBytes + json.Length, fileBytes - LengthBytes - json.Length);
        try
        {
            if (json.IsEmpty || json[0] != (byte)'{' || !Utf8.IsValid(json))
            {
                throw header.Wrong("the header is no JSON object in UTF-8; this is no safetensors file, or it is damaged");
            }

            header.Read(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException and not SafetensorsFormatException)
        {
            throw header.Wrong($"the header is broken JSON near byte {LengthBytes + ((e as JsonException)?.BytePositionInLine ?? 0)}");
        }

        header.CheckThatTheDataIsCoveredOnce();
        return ([.. header.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)], header.Metadata.ToImmutableSortedDictionary(StringComparer.Ordinal));
    }

    private sealed class Reading(string path, long dataStart, long dataBytes)
    {
        private readonly HashSet<string> _names = new(StringComparer.Ordinal);

        public List<TensorEntry> Tensors { get; } = [];

        public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

        public SafetensorsFormatException Wrong(string problem) => new(path, problem + ".");

        public void Read(ReadOnlySpan<byte> utf8)
        {
            var json = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 8 });
            json.Read();
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string name = json.GetString()!;
                if (!_names.Add(name))
                {
                    throw Wrong($"the header names '{Shown(name)}' twice");
                }

                json.Read();
                if (name == "__metadata__")
                {
                    ReadMetadata(ref json);
                }
                else
                {
                    Tensors.Add(ReadTensor(ref json, name));
                }
            }

            json.Read(); // throws on anything but white space after the object
        }

        public void CheckThatTheDataIsCoveredOnce()
        {
            long covered = dataStart;
            foreach (TensorEntry tensor in Tensors.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.ByteLength))
            {
                if (tensor.Offset != covered)
                {
                    throw Wrong(tensor.Offset < covered
                        ? $"tensor '{Shown(tensor.Name)}' begins at data byte {tensor.Offset - dataStart}, inside another tensor that ends at {covered - dataStart}"
                        : $"the data bytes {covered - dataStart} to {tensor.Offset - dataStart} belong to no tensor; the one after them is '{Shown(tensor.Name)}'");
                }

                covered += tensor.ByteLength;
            }

            if (covered != dataStart + dataBytes)
            {
                throw Wrong($"the tensors take {covered - dataStart} bytes and {dataBytes} follow the header");
            }
        }

        private void ReadMetadata(ref Utf8JsonReader json)
        {
            Expect(json, JsonTokenType.StartObject, "__metadata__", "an object of strings");
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string key = json.GetString()!;
                json.Read();
                Expect(json, JsonTokenType.String, "__metadata__", "an object of strings");
                if (!Metadata.TryAdd(key, json.GetString()!))
                {
                    throw Wrong($"__metadata__ names '{Shown(key)}' twice");
                }
            }
        }

        private TensorEntry ReadTensor(ref Utf8JsonReader json, string name)
        {
            string? type = null;
            List<long>? shape = null, offsets = null;
            Expect(json, JsonTokenType.StartObject, name, "an object with dtype, shape and data_offsets");
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string key = json.GetString()!;
                bool again = key switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false };
                if (again)
                {
                    throw Wrong($"tensor '{Shown(name)}' has '{key}' twice");
                }

                json.Read();
                switch (key)
                {
                    case "dtype":
                        Expect(json, JsonTokenType.String, name, "a string as dtype");
                        type = json.GetString();
                        break;
                    case "shape":
                        shape = ReadNumbers(ref json, name, key);
                        break;
                    case "data_offsets":
                        offsets = ReadNumbers(ref json, name, key);
                        break;
                    default:
                        json.Skip();
                        break;
                }
            }

            if (type is null || shape is null || offsets is null)
            {
                throw Wrong($"tensor '{Shown(name)}' has no {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
            }

            return Check(name, type, shape, offsets);
        }

        private TensorEntry Check(string name, string type, List<long> shape, List<long> offsets)
        {
            if (BitsOf(type) is not { } bits)
            {
                throw Wrong($"tensor '{Shown(name)}' has the unknown dtype '{Shown(type)}'");
            }

            if (offsets is not [long begin, long end] || begin > end || end > dataBytes)
            {
                throw Wrong($"tensor '{Shown(name)}' has data_offsets [{string.Join(", ", offsets.Take(4))}], and they must be two, ascending and within the {dataBytes} bytes of data");
            }

            UInt128 elements = 1;
            foreach (long dimension in shape)
            {
                // Within 2^64 before each product, so it cannot overflow 128 bits. A zero dimension is allowed and makes the whole 0.
                elements = elements > ulong.MaxValue ? elements : elements * (ulong)dimension;
            }

            if (shape.Contains(0))
            {
                elements = 0;
            }

            if (elements > ulong.MaxValue || elements * (ulong)bits != (UInt128)(ulong)(end - begin) * 8)
            {
                throw Wrong($"tensor '{Shown(name)}' is {type} of shape [{string.Join(", ", shape.Take(8))}], which does not take the {end - begin} bytes that its data_offsets give it");
            }

            return new TensorEntry(name, type, [.. shape], (long)elements, dataStart + begin, end - begin);
        }

        private List<long> ReadNumbers(ref Utf8JsonReader json, string name, string key)
        {
            var numbers = new List<long>();
            Expect(json, JsonTokenType.StartArray, name, $"a list of numbers as {key}");
            while (json.Read() && json.TokenType != JsonTokenType.EndArray)
            {
                if (json.TokenType != JsonTokenType.Number || !json.TryGetInt64(out long number) || number < 0)
                {
                    throw Wrong($"tensor '{Shown(name)}' has in its {key} something that is no whole number from 0 to 2^63");
                }

                numbers.Add(number);
            }

            return numbers;
        }

        private void Expect(in Utf8JsonReader json, JsonTokenType type, string name, string expected)
        {
            if (json.TokenType != type)
            {
                throw Wrong($"the header's entry '{Shown(name)}' is not {expected}");
            }
        }

        private static string Shown(string name) => name.Length <= 100 ? name : name[..100] + "…";
    }
}
