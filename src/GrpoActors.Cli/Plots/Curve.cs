using System.Text.Json;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Cli.Plots;

/// <summary>One metric of one run, step by step.</summary>
/// <param name="Points">In the order of the file: step (or the line's number, where a line has none) and value. Lines without the metric are passed over.</param>
internal sealed record Curve(string Label, IReadOnlyList<(double Step, double Value)> Points)
{
    /// <summary>Of <c>metrics.jsonl</c>, or of another trainer's log with one JSON object a line.</summary>
    /// <exception cref="JsonlFormatException">A line is no JSON object.</exception>
    /// <exception cref="InvalidDataException">No line has the metric.</exception>
    public static Curve Read(string label, string file, string metric)
    {
        using Stream stream = File.OpenRead(file);
        var points = new List<(double, double)>();
        var seen = new SortedSet<string>(StringComparer.Ordinal);
        int lines = 0;
        foreach ((_, JsonElement row) in DataFileReader.Objects(stream, file))
        {
            lines++;
            if (Number(row, metric) is { } value)
            {
                points.Add((Number(row, "phase_step") ?? Number(row, "step") ?? lines, value));
            }
            else
            {
                seen.UnionWith(row.EnumerateObject().Where(key => key.Value.ValueKind == JsonValueKind.Number).Select(key => key.Name));
            }
        }

        return points.Count > 0
            ? new Curve(label, points)
            : throw new InvalidDataException($"{file}: no line has the number '{metric}'; there are {(seen.Count == 0 ? "none" : string.Join(", ", seen))}.");
    }

    private static double? Number(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number : null;
}
