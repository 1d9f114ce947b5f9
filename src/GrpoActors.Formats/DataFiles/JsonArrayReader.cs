using System.Text.Json;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Formats.DataFiles;

/// <summary>A file that is one JSON array of objects; memory holds all of it.</summary>
internal static class JsonArrayReader
{
    /// <summary>1 GiB.</summary>
    private const int BytesMax = 1 << 30;

    /// <param name="begun">What was read of the stream before.</param>
    public static IEnumerable<(long Line, JsonElement Row)> Objects(ReadOnlyMemory<byte> begun, Stream rest, string file)
    {
        byte[] utf8 = All(begun, rest, file);
        foreach ((long line, Range range) in Elements(utf8, file))
        {
            yield return (line, JsonlReader.Object(file, line, utf8.AsMemory(range)));
        }
    }

    private static byte[] All(ReadOnlyMemory<byte> begun, Stream rest, string file)
    {
        using var all = new MemoryStream();
        all.Write(begun.Span.StartsWith("\uFEFF"u8) ? begun.Span[3..] : begun.Span);
        byte[] chunk = new byte[1 << 16];
        for (int read; (read = rest.Read(chunk)) > 0;)
        {
            if (all.Length + read > BytesMax)
            {
                throw new DataFileException(file, "is a JSON array of more than 1 GiB: write one object a line, as .jsonl");
            }

            all.Write(chunk, 0, read);
        }

        return all.ToArray();
    }

    /// <summary>Where the elements are, and the line that each begins in.</summary>
    private static List<(long Line, Range Utf8)> Elements(byte[] utf8, string file)
    {
        var elements = new List<(long, Range)>();
        long line = 1;
        int counted = 0;
        try
        {
            var json = new Utf8JsonReader(utf8);
            json.Read();
            while (json.Read() && json.TokenType != JsonTokenType.EndArray)
            {
                int start = (int)json.TokenStartIndex;
                line += utf8.AsSpan(counted..start).Count((byte)'\n');
                counted = start;
                json.Skip();
                elements.Add((line, start..(int)json.BytesConsumed));
            }

            json.Read(); // whatever follows the array is an error
            return elements;
        }
        catch (JsonException broken)
        {
            throw new JsonlFormatException(file, (broken.LineNumber ?? 0) + 1, $"broken JSON at byte {(broken.BytePositionInLine ?? 0) + 1}: {StrictJson.Reason(broken)}");
        }
    }
}
