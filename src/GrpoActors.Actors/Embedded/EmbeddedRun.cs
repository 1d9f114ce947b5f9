using System.Runtime.CompilerServices;
using System.Threading.Channels;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Projections;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Embedded;

/// <summary>A run on this machine: workers as threads of this process.</summary>
internal sealed class EmbeddedRun(RunSetup setup, RunFolder folder, IJournalProvider journals, ICheckpointStore checkpoints, TimeProvider time, ILogger log, CrashPoints crashPoints, bool acceptLostTail)
{
    private readonly long started = time.GetTimestamp();

    /// <summary>Set when <see cref="TrainAsync"/> has ended, by whatever end.</summary>
    public RunResult? Result { get; private set; }

    /// <summary>Trains to the end, or until it is cancelled: then it stops with the state intact. Yields one report a step.</summary>
    public async IAsyncEnumerable<StepReport> TrainAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await using IJournal journal = journals.OpenForWriting();
        using var projections = RunProjections.Open(folder, crashPoints.Around(PhysicalDisk.Instance, "projection"), setup.Plan, Samples(), time);
        var history = new RunHistory();
        var recovery = Recovery.Fold(setup.Plan.Identity, journals.OpenForReading, checkpoints, acceptLostTail, Tell, log, journal.Fence);
        projections.Recovered();
        if (recovery.Run.Ended is not null)
        {
            Settle(recovery.Run);
        }
        else
        {
            Channel<StepReport> reports = Channel.CreateUnbounded<StepReport>();
            var reporter = new StepReporter(setup.Plan.Identity, time);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Task run = Task.Run(() => Run(journal, recovery, Report, reports.Writer, stop.Token), CancellationToken.None); // never on a caller's context
            try
            {
                await foreach (StepReport report in reports.Reader.ReadAllAsync(CancellationToken.None))
                {
                    yield return report;
                }

                await run;
            }
            finally
            {
                await Abandon(run, stop);
            }

            void Report(FoldedEvent e)
            {
                history.Add(e);
                if (projections.Apply(e.Event) is { } written)
                {
                    reports.Writer.TryWrite(reporter.Report(written));
                }
            }
        }

        Result = history.Result(folder.Path, setup.Engine.Traits, time.GetElapsedTime(started));

        void Tell(FoldedEvent e)
        {
            history.Add(e);
            projections.Apply(e.Event);
        }
    }

    /// <summary>A caller that leaves the stream early: the run stops before its journal is closed. Does nothing once the run is over.</summary>
    private async Task Abandon(Task run, CancellationTokenSource stop)
    {
        if (run.IsCompleted)
        {
            return;
        }

        await stop.CancelAsync();
        await run.ContinueWith(static _ => { }, TaskScheduler.Default);
        if (run.Exception?.InnerException is { } failure)
        {
            log.LogWarning(failure, "The run failed while it was being stopped: {Reason}", failure.Message);
        }
    }

    private async Task Run(IJournal journal, Recovery recovery, Action<FoldedEvent> report, ChannelWriter<StepReport> reports, CancellationToken cancellation)
    {
        try
        {
            RunOperation operation = setup.Plan.Operation;
            var decider = new Decider(Pipeline.Over(recovery.Run, setup.Identity, operation), operation.Deadlines.AskedMax) { Expected = recovery.Expected };
            Crew? crew = null;
            var loop = new DecisionLoop(decider, journal, Committed, crashPoints.Around(effect => crew!.Run(effect)), time, log);
            await using (crew = new Crew(setup, recovery, checkpoints, () => loop.Run, crashPoints.Around(loop.Post), loop.Fail, time, log))
            {
                crew.Start();
                try
                {
                    await loop.RunAsync(cancellation);
                }
                finally
                {
                    if (!cancellation.IsCancellationRequested) // whoever cancels is told who is late, and can leave at once
                    {
                        crew.LeaveBehind();
                    }
                }
            }

            Settle(loop.Run);

            void Committed(FoldedEvent e)
            {
                report(e);
                if (e.After.Version > e.Before.Version)
                {
                    crew!.RetireWeightsBelow(new PolicyVersion(e.After.Policies.Keys.First()));
                }
            }
        }
        finally
        {
            reports.TryComplete();
        }
    }

    /// <summary>The trainer may have been stopped, or have died, before it deleted what the last append retired; nobody comes after it to ask again.</summary>
    private void Settle(RunState ended)
    {
        try
        {
            checkpoints.RetireAllBut([.. ended.Checkpoints.Select(checkpoint => checkpoint.Step)]);
        }
        catch (StorageException failure)
        {
            log.LogWarning("{Reason} The run is complete without it", failure.Message);
        }
    }

    private StepSamples Samples() => new(
        setup.Plan.Identity, (phase, row) => setup.Phases[phase].Rows[(int)row].Prompt, setup.Rewards.Text);
}
