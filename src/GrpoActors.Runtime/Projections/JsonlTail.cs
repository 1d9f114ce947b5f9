using System.Text.Json;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Runtime.Projections;

/// <summary>How far a projection's file can be believed, and where a step ends in it.</summary>
/// <param name="LastStep">Of the last whole record; 0 if there is none.</param>
/// <param name="IsTorn">Something that is no whole record follows.</param>
internal readonly record struct Tail(long LastStep, bool IsTorn);

/// <summary>Finds the end of a step in a file of JSON lines whose first property is <c>step</c>, never descending.</summary>
internal static class JsonlTail
{
    /// <param name="oncePerStep">A step that stands twice counts as torn.</param>
    public static Tail Of(Stream file, bool oncePerStep)
    {
        long last = 0;
        foreach ((long? step, long _) in Lines(file))
        {
            if (step is not { } at || (oncePerStep ? at <= last : at < last))
            {
                return new Tail(last, IsTorn: true);
            }

            last = at;
        }

        return new Tail(last, IsTorn: false);
    }

    /// <summary>Cuts everything after the last whole line of step <paramref name="step"/> or an earlier one, and leaves the stream at its end.</summary>
    public static void Cut(Stream file, long step)
    {
        long end = 0;
        foreach ((long? at, long lineEnd) in Lines(file))
        {
            if (at is null || at > step)
            {
                break;
            }

            end = lineEnd;
        }

        file.SetLength(end);
        file.Position = end;
    }

    /// <summary>The step of each line, null for one that is not whole, with the offset behind it.</summary>
    private static IEnumerable<(long? Step, long End)> Lines(Stream file)
    {
        file.Position = 0;
        var line = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        long offset = 0;
        for (int read = file.Read(buffer); read > 0; read = file.Read(buffer))
        {
            int start = 0;
            for (int newline = Array.IndexOf(buffer, (byte)'\n', start, read - start); newline >= 0; newline = Array.IndexOf(buffer, (byte)'\n', start, read - start))
            {
                line.Write(buffer, start, newline - start);
                start = newline + 1;
                yield return (StepOf(line.GetBuffer().AsMemory(0, (int)line.Length)), offset + start);
                line.SetLength(0);
            }

            line.Write(buffer, start, read - start);
            offset += read;
            if (line.Length > JsonlReader.LineBytesMax)
            {
                break; // no line of ours is so long
            }
        }

        if (line.Length > 0)
        {
            yield return (null, offset);
        }
    }

    private static long? StepOf(ReadOnlyMemory<byte> line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("step", out JsonElement step) && step.TryGetInt64(out long value) ? value : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
