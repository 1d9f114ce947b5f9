using System.CommandLine;
using System.Text;
using GrpoActors.Cli.Models;

namespace GrpoActors.Cli.Plots;

/// <summary><c>grpo plot</c>.</summary>
internal static class PlotCommand
{
    private const string Description = """
        Draws a metric of one or more runs over the step, as an SVG picture.

        A CURVE is a run folder, or a jsonl file with one JSON object a step, such as another trainer's log; LABEL=CURVE names it in the legend.

        Example:
          grpo plot --metric rewards/fmt/mean --out fmt.svg "seed 1=runs/gsm8k" TRL=trl.jsonl
        """;

    public static Command Build()
    {
        var command = new Command("plot", Description.ReplaceLineEndings("\n"));
        var curves = new Argument<string[]>("CURVE") { Description = "Run folders or jsonl files, each perhaps with LABEL= before it.", Arity = ArgumentArity.OneOrMore };
        var metric = new Option<string>("--metric") { Description = "As metrics.jsonl names it.", HelpName = "NAME", DefaultValueFactory = _ => "reward" };
        var title = new Option<string?>("--title") { Description = "By default the metric's name.", HelpName = "TEXT" };
        var to = new Option<string>("--out") { Description = "The picture to write.", HelpName = "FILE.svg", Required = true };
        command.Add(curves);
        foreach (Option option in new Option[] { metric, title, to })
        {
            command.Add(option);
        }

        command.SetAction(parsed => RowFile.Guard(() =>
        {
            string name = parsed.GetRequiredValue(metric), file = parsed.GetRequiredValue(to);
            Curve[] read = [.. parsed.GetRequiredValue(curves).Select(curve => Read(curve, name))];
            File.WriteAllText(file, CurvePicture.Svg(parsed.GetValue(title) ?? name, read), new UTF8Encoding(false));
            parsed.InvocationConfiguration.Output.WriteLine(file);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Curve Read(string curve, string metric)
    {
        int equals = curve.IndexOf('=', StringComparison.Ordinal);
        string path = equals < 0 ? curve : curve[(equals + 1)..];
        return Curve.Read(equals < 0 ? path : curve[..equals], Directory.Exists(path) ? Path.Combine(path, "metrics.jsonl") : path, metric);
    }
}
