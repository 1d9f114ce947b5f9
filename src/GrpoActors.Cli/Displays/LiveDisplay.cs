using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;
using Spectre.Console;
using Spectre.Console.Rendering;
using Line = Spectre.Console.Text;

namespace GrpoActors.Cli.Displays;

/// <summary>Step lines that scroll, above a footer that stays: progress of the phase, the reward's course, time left.</summary>
internal sealed class LiveDisplay(IAnsiConsole console) : IRunDisplay
{
    private const int CourseMax = 60;
    private const string Bars = "▁▂▃▄▅▆▇█";
    private readonly Lock _one = new();
    private readonly Queue<double> _course = new();
    private readonly RecentPace _pace = new();
    private string _phase = "";

    public Task Watch(IAsyncEnumerable<StepReport> reports) =>
        console.Live(new Line("waiting for the first step")).AutoClear(true).StartAsync(async live =>
        {
            live.Refresh();
            await foreach (StepReport report in reports)
            {
                lock (_one)
                {
                    Follow(report);
                    WriteLines(report);
                    live.UpdateTarget(Footer(report));
                }
            }
        });

    public void Say(string sentence)
    {
        lock (_one)
        {
            console.Write(new Line(sentence + "\n", new Style(Color.Yellow)));
        }
    }

    private void Follow(StepReport report)
    {
        _pace.Add(report);
        if (report.Phase != _phase)
        {
            _phase = report.Phase;
            _course.Clear();
        }

        if ((report.Kind == PhaseKind.Sft ? report.Loss : report.Reward) is { } height)
        {
            _course.Enqueue(height);
        }

        if (_course.Count > CourseMax)
        {
            _course.Dequeue();
        }
    }

    private void WriteLines(StepReport report)
    {
        if (report.Evaluation is not null)
        {
            console.Write(new Line(StepLine.Evaluation(report) + "\n", new Style(Color.Green, decoration: Decoration.Bold)));
        }

        console.Write(new Line(StepLine.Of(report, _pace) + "\n"));
        foreach (SampleReport sample in report.Samples)
        {
            console.Write(new Line(StepLine.Sample(sample) + "\n", new Style(sample.Advantage > 0 ? Color.Green : sample.Advantage < 0 ? Color.Red : Color.Grey)));
        }
    }

    private Rows Footer(StepReport report)
    {
        const int barMax = 40;
        int filled = barMax * report.Step / report.Steps;
        string bar = new string('━', filled) + new string('─', barMax - filled);
        string what = report.Kind == PhaseKind.Sft ? "loss" : "reward";
        IRenderable progress = new Line($"{report.Phase} {bar} {report.Step}/{report.Steps}  {StepLine.Time(_pace.Remaining(report))} left", new Style(Color.Aqua));
        IRenderable course = new Line($"{what} {Course()} of the last {_course.Count} steps", new Style(Color.Aqua));
        return new Rows(progress, course);
    }

    private string Course()
    {
        double low = _course.DefaultIfEmpty().Min(), high = _course.DefaultIfEmpty().Max(), range = high - low;
        return string.Concat(_course.Select(height => Bars[range > 0 ? (int)((Bars.Length - 1) * (height - low) / range) : 0]));
    }
}
