using GrpoActors.Core.Deciding;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Projections;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;

namespace GrpoActors.Actors.Runs;

/// <summary>What people read of a run (metrics, samples, TensorBoard, a report a step): projections of the journal's events.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly bool ownsFolder;
    private readonly RunSetup setup;
    private readonly RunFolder folder;
    private readonly Action<StepReport> report;
    private readonly TimeProvider time;
    private readonly RunProjections projections;
    private readonly RunHistory history = new();
    private readonly StepReporter reporter;
    private readonly long started;

    /// <param name="ownsFolder">The folder is let go with the log.</param>
    /// <param name="disk">The projections'.</param>
    /// <param name="report">Told of each step once it is durable.</param>
    /// <exception cref="StorageException">A file cannot be opened.</exception>
    public RunLog(RunSetup setup, RunFolder folder, bool ownsFolder, IDisk disk, Action<StepReport> report, TimeProvider time)
    {
        (this.setup, this.folder, this.ownsFolder, this.report, this.time) = (setup, folder, ownsFolder, report, time);
        var samples = new StepSamples(setup.Plan.Identity, (phase, row) => setup.Phases[phase].Rows[(int)row].Prompt, setup.Rewards.Text);
        try
        {
            projections = RunProjections.Open(folder, disk, setup.Plan, samples, time);
        }
        catch when (ownsFolder)
        {
            folder.Dispose();
            throw;
        }

        reporter = new StepReporter(setup.Plan.Identity, time);
        started = time.GetTimestamp();
    }

    /// <summary>Called while the journal recovers, by the journal's thread; the run's actor calls nothing then.</summary>
    public void Replayed(FoldedEvent e)
    {
        history.Add(e);
        projections.Apply(e);
    }

    public void Recovered() => projections.Recovered();

    public void Committed(IEnumerable<FoldedEvent> events)
    {
        foreach (FoldedEvent e in events)
        {
            history.Add(e);
            if (projections.Apply(e) is { } written)
            {
                report(reporter.Report(written));
            }
        }
    }

    public RunResult Result() => history.Result(folder.Path, setup.Engine.Traits, time.GetElapsedTime(started));

    public void Dispose()
    {
        projections.Dispose();
        if (ownsFolder)
        {
            folder.Dispose();
        }
    }
}
