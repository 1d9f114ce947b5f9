using System.Collections.Immutable;
using System.Globalization;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Jsonl;
using GrpoActors.Formats.TensorBoard;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;

namespace GrpoActors.Runtime.Projections;

/// <summary>
/// <c>metrics.jsonl</c> (one line a step), <c>samples.jsonl</c> and TensorBoard's events: views of the journal, appended as steps commit, never flushed to
/// disk step by step. At a start the whole stream is fed again: steps that the files hold are skipped, missing ones are written, and what goes
/// beyond the journal or is torn is cut, so that each step stands once.
/// </summary>
/// <remarks>Open -> Apply(every event of the journal) -> Recovered -> Apply(each event once it is durable). One thread at a time.</remarks>
public sealed class RunProjections : IDisposable
{
    private readonly RunIdentity plan;
    private readonly int samplesEverySteps;
    private readonly StepSamples? samplesOf;
    private readonly TimeProvider clock;
    private long committed;
    private readonly Stream metricsFile, samplesFile, boardFile;
    private readonly string metricsPath;
    private readonly JsonlWriter metrics, samples;
    private EventWriter board;
    private long lastStep;

    private RunProjections(RunIdentity plan, int samplesEverySteps, StepSamples? samplesOf, TimeProvider clock, Stream metricsFile, Stream samplesFile, Stream boardFile, string metricsPath)
    {
        (this.plan, this.samplesEverySteps, this.samplesOf, this.clock) = (plan, samplesEverySteps, samplesOf, clock);
        (this.metricsFile, this.samplesFile, this.boardFile, this.metricsPath) = (metricsFile, samplesFile, boardFile, metricsPath);
        metrics = new JsonlWriter(metricsFile);
        samples = new JsonlWriter(samplesFile);
        board = EventWriter.Append(boardFile);
        lastStep = WholeThrough();
        CutTo(lastStep);
    }

    /// <param name="samplesOf">Null: no samples are written.</param>
    /// <exception cref="StorageException">A file cannot be opened.</exception>
    public static RunProjections Open(RunFolder folder, IDisk disk, RunPlan plan, StepSamples? samplesOf, TimeProvider clock)
    {
        var opened = new List<Stream>();
        try
        {
            disk.CreateFolder(folder.TensorBoard);
            string events = disk.List(folder.TensorBoard).LastOrDefault(path => path.Contains("tfevents", StringComparison.Ordinal))
                ?? Path.Combine(folder.TensorBoard, string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{clock.GetUtcNow().ToUnixTimeSeconds()}.grpo"));
            foreach (string path in new[] { folder.Metrics, folder.Samples, events })
            {
                opened.Add(disk.OpenReadWrite(path));
            }

            return new RunProjections(plan.Identity, plan.Operation.SamplesEverySteps, samplesOf, clock, opened[0], opened[1], opened[2], folder.Metrics);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            opened.ForEach(stream => stream.Dispose());
            throw DiskFailure.Sentence("open the run's metrics", folder.Path, e);
        }
    }

    /// <summary>Folds an event, and writes the step that it commits unless the files hold it.</summary>
    /// <returns>What the step has to tell (no samples of a step that was written before); null for other events.</returns>
    public WrittenStep? Apply(FoldedEvent e)
    {
        committed = e.After.Version.Steps;
        if (CommittedStep.Of(e) is not { } step)
        {
            return null;
        }

        bool isNew = step.RunStep > lastStep;
        var written = new WrittenStep(step, StepMetrics.Of(step), isNew ? Samples(step) : []);
        if (isNew)
        {
            try
            {
                Write(written);
            }
            catch (Exception failure) when (DiskFailure.Is(failure))
            {
                throw DiskFailure.Sentence($"write the metrics of step {step.RunStep}", metricsPath, failure);
            }
        }

        return written;
    }

    /// <summary>The journal has been fed to its end: what the files hold beyond it is cut.</summary>
    public void Recovered()
    {
        if (lastStep > committed)
        {
            CutTo(committed);
        }
    }

    public void Dispose()
    {
        foreach (Stream file in new[] { metricsFile, samplesFile, boardFile })
        {
            try
            {
                file.Dispose();
            }
            catch (Exception e) when (DiskFailure.Is(e))
            {
                // On a full disk what is still buffered cannot be written; the next start writes it from the journal.
            }
        }
    }

    /// <summary>
    /// Steps that all three files hold whole. The last one of each file may lack its end, so it is written again. A process killed at any instant loses
    /// nothing here; a machine that loses power can lose older lines of samples.jsonl.
    /// </summary>
    private long WholeThrough()
    {
        Tail ofMetrics = JsonlTail.Of(metricsFile, oncePerStep: true), ofSamples = JsonlTail.Of(samplesFile, oncePerStep: false), ofBoard = TensorBoardTail.Of(boardFile);
        long last = Math.Min(ofMetrics.LastStep, ofBoard.LastStep);
        return Math.Max(0, (ofSamples.IsTorn ? Math.Min(last, ofSamples.LastStep) : last) - 1); // samples come every few steps: a whole end says nothing
    }

    private void CutTo(long step)
    {
        JsonlTail.Cut(metricsFile, step);
        JsonlTail.Cut(samplesFile, step);
        board = TensorBoardTail.Cut(boardFile, step) ? EventWriter.Append(boardFile) : EventWriter.Begin(boardFile, Now());
        lastStep = step;
    }

    private ImmutableArray<StepSample> Samples(CommittedStep step) =>
        samplesOf is not null && samplesEverySteps > 0 && (step.PhaseStep == 1 || step.PhaseStep % samplesEverySteps == 0) ? samplesOf.Of(step) : [];

    private void Write(WrittenStep written)
    {
        CommittedStep step = written.Step;
        foreach (StepSample sample in written.Samples)
        {
            WriteSample(step, sample);
        }

        samplesFile.Flush();
        double now = Now();
        foreach (Metric metric in written.Metrics)
        {
            board.Scalar(now, step.RunStep, metric.Name, (float)metric.Value);
        }

        boardFile.Flush();
        metrics.Write(json =>
        {
            json.WriteNumber("step", step.RunStep);
            json.WriteString("phase", step.Phase.Name);
            json.WriteNumber("phase_step", step.PhaseStep);
            foreach (Metric metric in written.Metrics)
            {
                json.WriteFinite(metric.Name, metric.Value);
            }
        });
        metricsFile.Flush();
        lastStep = step.RunStep;
    }

    private void WriteSample(CommittedStep step, StepSample sample) => samples.Write(json =>
    {
        json.WriteNumber("step", step.RunStep);
        json.WriteString("phase", step.Phase.Name);
        json.WriteString("completion_id", sample.Id.ToString());
        json.WriteString("prompt", sample.Report.Prompt);
        json.WriteString("completion", sample.Report.Completion);
        json.WriteString("finish", sample.Finish);
        json.WriteNumber("tokens", sample.Tokens);
        json.WriteStartObject("rewards");
        foreach (SampleReward reward in sample.Report.Rewards)
        {
            json.WriteFinite(reward.Name, reward.Value ?? double.NaN);
        }

        json.WriteEndObject();
        json.WriteFinite("reward", sample.Report.Reward ?? double.NaN);
        json.WriteFinite("advantage", sample.Report.Advantage);
    });

    private double Now() => clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
}

/// <summary>A committed step as its reports tell it.</summary>
/// <param name="Metrics">As in metrics.jsonl.</param>
public sealed record WrittenStep(CommittedStep Step, ImmutableArray<Metric> Metrics, ImmutableArray<StepSample> Samples);
