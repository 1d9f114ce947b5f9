using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using GrpoActors.Core.Dumps;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo objective</c>.</summary>
internal static class ObjectiveCommand
{
    private const string Description = """
        Replays a dump of log-probs that TRL or verl recorded, and says how far our losses, gradients, metrics and advantages are from theirs.

        Prints the largest difference of each case and of all. Exits with 1 where one is beyond the tolerance. docs/objectives.md describes the format.

        Example:
          grpo objective dump.json --tolerance 1e-6
        """;

    private const int CaseCharactersMax = 100;

    public static Command Build()
    {
        var command = new Command("objective", Description.ReplaceLineEndings("\n"));
        var file = new Argument<string>("FILE") { Description = "A dump, as JSON." };
        var tolerance = new Option<double?>("--tolerance") { Description = "Largest difference allowed; by default what rounding explains: 1e-12 of float64 (verl, group-robust steps), 1e-6 of TRL's float32, 2e-6 of its discopop.", HelpName = "X" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        command.Add(file);
        command.Add(tolerance);
        command.Add(json);
        command.SetAction(parsed => RowFile.Guard(() =>
        {
            ReplayReport report = ObjectiveReplay.Replay(File.ReadAllText(parsed.GetRequiredValue(file)));
            double? bound = parsed.GetValue(tolerance);
            TextWriter to = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                RowFile.Write(to, writer => Write(writer, report, bound));
            }
            else
            {
                Print(to, report, bound);
            }

            return report.Within(bound) ? ExitCodes.Done : ExitCodes.Failure;
        }));
        return command;
    }

    private static void Print(TextWriter to, ReplayReport report, double? tolerance)
    {
        to.WriteLine($"{report.Source}: {report.Cases.Count} cases");
        to.WriteLine($"{"loss",8} {"gradient",8} {"metrics",8} {"advant.",8}  case");
        foreach (ReplayedCase x in report.Cases)
        {
            string mark = x.Within(tolerance) ? "" : x.WorstMetric is { } metric && x.Metrics > (tolerance ?? x.Tolerance) ? $"  BEYOND ({metric})" : "  BEYOND";
            to.WriteLine($"{Shown(x.Loss),8} {Shown(x.Gradient),8} {Shown(x.Metrics),8} {Shown(x.Advantages),8}  {Short(x.Case)}{mark}");
        }

        double[] bounds = [.. report.Cases.Select(x => tolerance ?? x.Tolerance).Distinct().Order()];
        int beyond = report.Cases.Count(x => !x.Within(tolerance));
        to.WriteLine($"largest difference {Shown(report.Largest)}, tolerance {string.Join(" or ", bounds.Select(x => Shown(x)))}: {(beyond == 0 ? "all within" : $"{beyond} cases beyond")}");
    }

    private static void Write(Utf8JsonWriter json, ReplayReport report, double? tolerance)
    {
        json.WriteString("source", report.Source);
        Number(json, "tolerance", tolerance);
        Number(json, "largest", report.Largest);
        json.WriteBoolean("within", report.Within(tolerance));
        json.WriteStartArray("cases");
        foreach (ReplayedCase x in report.Cases)
        {
            json.WriteStartObject();
            json.WriteString("case", x.Case);
            Number(json, "loss", x.Loss);
            Number(json, "gradient", x.Gradient);
            Number(json, "metrics", x.Metrics);
            json.WriteString("worstMetric", x.WorstMetric);
            Number(json, "advantages", x.Advantages);
            Number(json, "tolerance", tolerance ?? x.Tolerance);
            json.WriteBoolean("within", x.Within(tolerance));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // A metric that we do not have is infinitely far away, which JSON cannot say.
    private static void Number(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
        {
            json.WriteNumber(name, number);
        }
        else if (value is null)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteString(name, "Infinity");
        }
    }

    private static string Shown(double? value) => value switch
    {
        null => "-",
        0 => "0",
        { } number => number.ToString("0.0e-0", CultureInfo.InvariantCulture),
    };

    private static string Short(string text)
    {
        string line = text.ReplaceLineEndings(" ");
        return line.Length <= CaseCharactersMax ? line : line[..CaseCharactersMax] + "…";
    }
}
