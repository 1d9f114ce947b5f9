using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpoActors.Benchmarks;

/// <param name="Limit">The most that the machine allows, in the same unit; null where no limit is stated.</param>
/// <param name="BytesAllocated">A call; null where they were not counted.</param>
internal sealed record Row(string Case, double Value, string Unit, double? Limit = null, long? BytesAllocated = null)
{
    public double? Share => Value / Limit;
}

/// <summary>What one command found.</summary>
internal sealed class Report(string benchmark)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly List<Row> _rows = [];

    public void Add(Row row) => _rows.Add(row);

    public void WriteJson(TextWriter to) => to.WriteLine(JsonSerializer.Serialize(new { benchmark, rows = _rows }, Json));

    /// <summary>A Markdown table.</summary>
    public void WriteTable(TextWriter to)
    {
        string[][] cells =
        [
            [benchmark, "median", "unit", "limit", "share", "bytes allocated"],
            .. _rows.Select(row => new[] { row.Case, Number(row.Value), row.Unit, Number(row.Limit), row.Share is { } share ? $"{100 * share:0.0} %" : "", $"{row.BytesAllocated}" }),
        ];
        MarkdownTable.Write(to, cells, column => column is 0 or 2);
    }

    private static string Number(double? value) => value is { } number ? number.ToString(number >= 100 ? "#,##0" : number >= 10 ? "0.0" : "0.000") : "";
}
