using GrpoActors.Actors.Telemetry;
using GrpoActors.Runtime.Reports;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Runs;

/// <summary>Writes a line a step, and one an evaluation.</summary>
internal sealed class StepLog(ILogger log)
{
    private readonly RecentPace pace = new();

    public void Write(StepReport report)
    {
        pace.Add(report);
        if (report.Evaluation is not null)
        {
            log.Evaluated(StepLine.Evaluation(report));
        }

        log.StepCommitted(StepLine.Of(report, pace));
    }
}
