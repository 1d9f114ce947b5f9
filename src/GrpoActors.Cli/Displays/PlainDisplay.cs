using GrpoActors.Runtime.Reports;

namespace GrpoActors.Cli.Displays;

/// <summary>One plain line a step: for files, pipes and terminals without a cursor.</summary>
internal sealed class PlainDisplay(TextWriter talk) : IRunDisplay
{
    private readonly Lock _one = new();

    public async Task Watch(IAsyncEnumerable<StepReport> reports)
    {
        var pace = new RecentPace();
        await foreach (StepReport report in reports)
        {
            pace.Add(report);
            if (report.Evaluation is not null)
            {
                Say(StepLine.Evaluation(report));
            }

            Say(StepLine.Of(report, pace));
            foreach (SampleReport sample in report.Samples)
            {
                Say(StepLine.Sample(sample));
            }
        }
    }

    public void Say(string sentence)
    {
        lock (_one)
        {
            talk.WriteLine(sentence);
        }
    }
}
