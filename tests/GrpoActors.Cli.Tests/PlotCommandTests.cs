using System.Globalization;
using System.Xml.Linq;
using GrpoActors.Cli.Commands;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Cli.Tests;

public sealed class PlotCommandTests : IDisposable
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Curves_of_a_run_and_of_another_log_share_one_scale()
    {
        Directory.CreateDirectory(folder.File("run"));
        File.WriteAllText(folder.File("run/metrics.jsonl"), "{\"step\":11,\"phase_step\":1,\"reward\":0.5}\n{\"step\":12,\"phase_step\":2}\n{\"step\":13,\"phase_step\":3,\"reward\":1}\n{\"step\":14,\"phase_step\":4,\"reward\":0}\n");
        File.WriteAllText(folder.File("trl.jsonl"), "{\"reward\":0.25}\n{\"reward\":0.75}\n");
        Assert.Equal(0, Run("--out", folder.File("x.svg"), "--metric", "reward", "ours & <mine>=" + folder.File("run"), folder.File("trl.jsonl")));
        XDocument picture = XDocument.Load(folder.File("x.svg"));
        double[][] points = [.. picture.Descendants(Svg + "polyline").Select(line => ((string)line.Attribute("points")!).Split(' ', ',').Select(x => double.Parse(x, CultureInfo.InvariantCulture)).ToArray())];
        Assert.Equal([6, 4], points.Select(line => line.Length));
        Assert.Equal([points[0][0], points[0][0] + ((points[0][4] - points[0][0]) / 3)], [points[1][0], points[1][2]], (a, b) => Math.Abs(a - b) < 0.2); // steps 1 and 2 of 1 to 4
        Assert.Equal((points[0][1] + points[0][5]) / 2, points[1][1], 0.2); // 0.25 lies half-way between 0.5 and 0
        Assert.Contains("ours & <mine>", picture.Descendants(Svg + "text").Select(text => text.Value));
    }

    [Fact]
    public void A_metric_that_is_not_there_is_a_sentence_with_those_that_are()
    {
        File.WriteAllText(folder.File("log.jsonl"), "{\"loss\":1,\"kl\":0}\n");
        string message = Assert.Throws<MistakeException>(() => Run("--out", folder.File("x.svg"), folder.File("log.jsonl"))).Message;
        Assert.Contains("no line has the number 'reward'; there are kl, loss.", message);
        Assert.False(File.Exists(folder.File("x.svg")));
    }

    private static int Run(params string[] arguments)
    {
        using var signals = new Signals(TextWriter.Null);
        return Root.Build(signals).Parse(["plot", .. arguments]).Invoke(new System.CommandLine.InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = TextWriter.Null });
    }
}
