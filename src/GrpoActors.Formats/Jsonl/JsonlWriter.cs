using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpoActors.Formats.Jsonl;

/// <summary>Writes one JSON object a line, each line in a single write, so that a reader beside it never sees half of one for long.</summary>
/// <remarks>Not thread-safe. The caller owns the stream.</remarks>
public sealed class JsonlWriter(Stream to)
{
    // Text stays readable; the file is JSON, never pasted into HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _line = new();

    /// <param name="properties">Writes the properties of the line's object.</param>
    public void Write(Action<Utf8JsonWriter> properties)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line, Options))
        {
            json.WriteStartObject();
            properties(json);
            json.WriteEndObject();
        }

        _line.Write("\n"u8);
        to.Write(_line.WrittenSpan);
    }
}

public static class JsonlNumbers
{
    /// <summary>JSON has no NaN and no infinity: they are written as null, never as a number.</summary>
    public static void WriteFinite(this Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
