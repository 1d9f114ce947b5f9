using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Formats.Jsonl;

/// <summary>Reads a data file row by row; memory holds one line at a time.</summary>
/// <remarks>Empty lines are skipped and counted, so that a row's number is that of an editor. A byte order mark is skipped.</remarks>
public static class JsonlReader
{
    /// <summary>Longest line: 16 MiB.</summary>
    public const int LineBytesMax = 16 << 20;

    private static readonly JsonlColumns Usual = new();

    /// <exception cref="JsonlFormatException">While reading: a row is wrong.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<JsonlRow> Read(string path, JsonlColumns? columns = null)
    {
        using FileStream stream = File.OpenRead(path);
        foreach (JsonlRow row in Read(stream, path, columns))
        {
            yield return row;
        }
    }

    /// <param name="file">What messages call it.</param>
    public static IEnumerable<JsonlRow> Read(Stream stream, string file, JsonlColumns? columns = null)
    {
        foreach ((long line, ReadOnlyMemory<byte> utf8) in Lines(stream, file))
        {
            yield return Row(file, line, utf8, columns ?? Usual);
        }
    }

    /// <summary>Rows of any columns, as JSON objects.</summary>
    /// <param name="file">What messages call it.</param>
    /// <exception cref="JsonlFormatException">While reading: a row is no JSON object.</exception>
    public static IEnumerable<(long Line, JsonElement Row)> Objects(Stream stream, string file)
    {
        foreach ((long line, ReadOnlyMemory<byte> utf8) in Lines(stream, file))
        {
            yield return (line, Object(file, line, utf8));
        }
    }

    /// <summary>The lines that are not empty, numbered from 1. The memory is valid until the next line is asked for.</summary>
    public static IEnumerable<(long Line, ReadOnlyMemory<byte> Utf8)> Lines(Stream stream, string file)
    {
        byte[] buffer = new byte[1 << 16];
        int start = 0, end = 0;
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

    private static JsonlRow Row(string file, long line, ReadOnlyMemory<byte> utf8, JsonlColumns columns)
    {
        JsonElement json = Object(file, line, utf8);
        JsonElement? Column(string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
        JsonElement? prompt = Column(columns.Prompt), messages = Column(columns.Messages);
        if (prompt is null == messages is null)
        {
            throw new JsonlFormatException(file, line, $"expected one of '{columns.Prompt}' and '{columns.Messages}', found {(prompt is null ? "neither" : "both")}");
        }

        // TRL's conversational data sets keep the messages under "prompt".
        if (prompt is { ValueKind: JsonValueKind.Array })
        {
            (messages, prompt) = (prompt, null);
        }

        CheckMessages(file, line, messages);
        string? completion = Text(file, line, columns.Completion, Column(columns.Completion), numberToo: false);
        if (columns.CompletionNeeded && string.IsNullOrEmpty(completion))
        {
            throw new JsonlFormatException(file, line, $"expected a text '{columns.Completion}', as this is a worked example, found {(completion is null ? "none" : "an empty one")}");
        }

        string[] known = [columns.Prompt, columns.Messages, columns.Completion, columns.Answer];
        return new JsonlRow(
            line, Text(file, line, columns.Prompt, prompt, numberToo: false), messages, completion,
            Text(file, line, columns.Answer, Column(columns.Answer), numberToo: true),
            json.EnumerateObject().Where(property => !known.Contains(property.Name)).ToImmutableSortedDictionary(property => property.Name, property => property.Value, StringComparer.Ordinal));
    }

    private static JsonElement Object(string file, long line, ReadOnlyMemory<byte> utf8)
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

    private static string? Text(string file, long line, string name, JsonElement? value, bool numberToo) => value switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Number } number when numberToo => number.GetRawText(),
        { } other => throw new JsonlFormatException(file, line, $"'{name}': expected text{(numberToo ? " or a number" : "")}, found {Shown(other)}"),
    };

    private static void CheckMessages(string file, long line, JsonElement? messages)
    {
        if (messages is not { } list)
        {
            return;
        }

        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
        {
            throw new JsonlFormatException(file, line, $"messages: expected a list of at least one message, found {Shown(list)}");
        }

        foreach (JsonElement message in list.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object || !message.TryGetProperty("role", out JsonElement role) || role.ValueKind != JsonValueKind.String)
            {
                throw new JsonlFormatException(file, line, $"messages: expected objects with a text 'role', found {Shown(message)}");
            }
        }
    }

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
