using System.Globalization;
using System.Text;

namespace GrpoActors.Cluster.Operations;

/// <summary>Numbers in the text format that Prometheus reads.</summary>
internal static class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <param name="numbers">Names as <c>grpo.part.what</c>; dots and dashes become underscores. Names that end in <c>.total</c> only grow.</param>
    public static string Write(IEnumerable<(string Name, string Help, double Value)> numbers)
    {
        var text = new StringBuilder();
        foreach ((string dotted, string help, double value) in numbers)
        {
            string name = NameOf(dotted);
            text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\").Replace("\n", "\\n")).Append('\n')
                .Append("# TYPE ").Append(name).Append(name.EndsWith("_total", StringComparison.Ordinal) ? " counter\n" : " gauge\n")
                .Append(name).Append(' ').Append(ValueOf(value)).Append('\n');
        }

        return text.ToString();
    }

    public static string NameOf(string dotted) => string.Create(dotted.Length, dotted, static (to, from) =>
    {
        for (int i = 0; i < to.Length; i++)
        {
            to[i] = char.IsAsciiLetter(from[i]) || (i > 0 && char.IsAsciiDigit(from[i])) ? from[i] : '_';
        }
    });

    private static string ValueOf(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsInfinity(value) ? value > 0 ? "+Inf" : "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);
}
