using System.Text.Json;

namespace GrpoActors.Formats.Jsonl;

/// <summary>Reads a data file row by row; memory holds one line at a time.</summary>
/// <remarks>Empty lines are skipped and counted, so that a row's number is that of an editor. A byte order mark is skipped.</remarks>
public static class JsonlReader
{
    /// <summary>Longest line: 16 MiB.</summary>
    public const int LineBytesMax = 16 << 20;

    /// <summary>Rows of any columns, as JSON objects.</summary>
    /// <param name="file">What messages call it.</param>
    /// <exception cref="JsonlFormatException">While reading: a row is no JSON object.</exception>
    public static IEnumerable<(long Line, JsonElement Row)> Objects(Stream stream, string file) => Objects(default, stream, file);

    /// <param name="begun">What was read of the stream before.</param>
    internal static IEnumerable<(long Line, JsonElement Row)> Objects(ReadOnlyMemory<byte> begun, Stream stream, string file)
    {
        foreach ((long line, ReadOnlyMemory<byte> utf8) in Lines(begun, stream, file))
        {
            yield return (line, Object(file, line, utf8));
        }
    }

    /// <summary>The lines that are not empty, numbered from 1. The memory is valid until the next line is asked for.</summary>
    public static IEnumerable<(long Line, ReadOnlyMemory<byte> Utf8)> Lines(Stream stream, string file) => Lines(default, stream, file);

    private static IEnumerable<(long Line, ReadOnlyMemory<byte> Utf8)> Lines(ReadOnlyMemory<byte> begun, Stream stream, string file)
    {
        byte[] buffer = new byte[1 << 16];
        begun.CopyTo(buffer);
        int start = 0, end = begun.Length;
        long line = 1;
        bool more = true;
        while (more || start < end)
        {
            int newline = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (newline < 0 && more)
            {
                (start, end) = MoveToFront(ref buffer, start, end, file, line);
                int read = stream.Read(buffer, end, buffer.Length - end);
                more = read > 0;
                end += read;
                continue;
            }

            int length = newline < 0 ? end - start : newline;
            ReadOnlyMemory<byte> content = Content(buffer.AsMemory(start, length), isFirst: line == 1);
            if (!content.IsEmpty)
            {
                yield return (line, content);
            }

            start += length + (newline < 0 ? 0 : 1);
            line++;
        }
    }

    private static (int Start, int End) MoveToFront(ref byte[] buffer, int start, int end, string file, long line)
    {
        if (end - start > LineBytesMax)
        {
            throw new JsonlFormatException(file, line, $"expected at most {LineBytesMax} bytes, found more");
        }

        byte[] to = end - start > buffer.Length / 2 ? new byte[2 * buffer.Length] : buffer;
        Buffer.BlockCopy(buffer, start, to, 0, end - start);
        buffer = to;
        return (0, end - start);
    }

    private static ReadOnlyMemory<byte> Content(ReadOnlyMemory<byte> line, bool isFirst)
    {
        if (isFirst && line.Span.StartsWith("\uFEFF"u8))
        {
            line = line[3..];
        }

        return line.Span.ContainsAnyExcept(" \t\r"u8) ? line : default;
    }

    internal static JsonElement Object(string file, long line, ReadOnlyMemory<byte> utf8)
    {
        JsonElement json = Parse(file, line, utf8);
        return json.ValueKind == JsonValueKind.Object ? json : throw new JsonlFormatException(file, line, $"expected a JSON object, found {Shown(json)}");
    }

    private static JsonElement Parse(string file, long line, ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return StrictJson.Parse(utf8);
        }
        catch (JsonException e)
        {
            string at = e.BytePositionInLine is { } position ? $" at byte {position + 1}" : "";
            throw new JsonlFormatException(file, line, $"broken JSON{at}: {StrictJson.Reason(e)}");
        }
    }

    internal static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
