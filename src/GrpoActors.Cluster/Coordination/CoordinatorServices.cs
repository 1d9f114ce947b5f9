using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Projections;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;

namespace GrpoActors.Cluster.Coordination;

/// <summary>What the run's supervisor is given by its node.</summary>
/// <param name="PrepareJournal">Gives the run's journal, its tables made where there are none.</param>
/// <param name="LeaseDuration">Of the trainer's lease.</param>
/// <param name="AnswerMax">A stage that has not decided by then, or an append that has not been answered, counts as failed; what was kept is found out by reading.</param>
/// <param name="RestartsMax">So often it begins again from the journal without a committed step between.</param>
internal sealed record CoordinatorServices(
    RunSetup Setup, Func<CoordinatorFolder> OpenFolder, Func<RunJournal> PrepareJournal, BulkClient Bulk, NodeShelf Shelf, RunStanding Standing,
    TimeSpan LeaseDuration, TimeSpan AnswerMax, int RestartsMax, int CommandsPerAppendMax, Action<StepReport> Report, TimeProvider Time)
{
    /// <exception cref="StorageException">The run folder cannot be had, or its files cannot be opened.</exception>
    public CoordinatorLog OpenLog() => new(Setup, OpenFolder(), Report, Time);
}

/// <param name="Owned">It is the coordinator's to close.</param>
internal sealed record CoordinatorFolder(RunFolder Folder, bool Owned) : IDisposable
{
    public void Dispose()
    {
        if (Owned)
        {
            Folder.Dispose();
        }
    }
}

/// <summary>What people read of a run (metrics, samples, TensorBoard, a line a step): written from the journal's events, as the embedded host writes it.</summary>
internal sealed class CoordinatorLog : IDisposable
{
    private readonly RunSetup setup;
    private readonly CoordinatorFolder folder;
    private readonly Action<StepReport> report;
    private readonly TimeProvider time;
    private readonly RunProjections projections;
    private readonly RunHistory history = new();
    private readonly StepReporter reporter;
    private readonly long started;

    public CoordinatorLog(RunSetup setup, CoordinatorFolder folder, Action<StepReport> report, TimeProvider time)
    {
        (this.setup, this.folder, this.report, this.time) = (setup, folder, report, time);
        var samples = new StepSamples(setup.Plan.Identity, (phase, row) => setup.Phases[phase].Rows[(int)row].Prompt, setup.Rewards.Text);
        try
        {
            projections = RunProjections.Open(folder.Folder, PhysicalDisk.Instance, setup.Plan, samples, time);
        }
        catch
        {
            folder.Dispose();
            throw;
        }

        reporter = new StepReporter(setup.Plan.Identity, time);
        started = time.GetTimestamp();
    }

    /// <summary>Called while the journal recovers, by the journal's thread; nobody else calls then.</summary>
    public void Replayed(FoldedEvent e)
    {
        history.Add(e);
        projections.Apply(e.Event);
    }

    public void Recovered() => projections.Recovered();

    public void Committed(IReadOnlyList<FoldedEvent> events)
    {
        foreach (FoldedEvent e in events)
        {
            history.Add(e);
            if (projections.Apply(e.Event) is { } written)
            {
                report(reporter.Report(written));
            }
        }
    }

    public RunResult Result() => history.Result(folder.Folder.Path, setup.Engine.Traits, time.GetElapsedTime(started));

    public void Dispose()
    {
        projections.Dispose();
        folder.Dispose();
    }
}
