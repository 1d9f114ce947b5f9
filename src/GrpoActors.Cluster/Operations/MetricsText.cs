using System.Globalization;
using System.Text;

namespace GrpoActors.Cluster.Operations;

/// <summary>Numbers in the text format that Prometheus reads.</summary>
internal static class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<MetricNumber> numbers)
    {
        var text = new StringBuilder();
        foreach ((string name, string help, double value, long? count) in numbers)
        {
            string type = count is not null ? "summary" : name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
            text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\").Replace("\n", "\\n")).Append('\n')
                .Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n')
                .Append(name).Append(count is null ? " " : "_sum ").Append(ValueOf(value)).Append('\n');
            if (count is not null)
            {
                text.Append(name).Append("_count ").Append(ValueOf(count.Value)).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string ValueOf(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsInfinity(value) ? value > 0 ? "+Inf" : "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);
}

/// <param name="Name">As Prometheus has it; names that end in <c>_total</c> only grow.</param>
/// <param name="Value">Of a histogram, its sum.</param>
/// <param name="Count">Of a histogram, its values; else null.</param>
internal readonly record struct MetricNumber(string Name, string Help, double Value, long? Count = null);
