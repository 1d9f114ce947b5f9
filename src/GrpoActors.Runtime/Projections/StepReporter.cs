using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Runtime.Projections;

/// <summary>Turns what was written of a step into its report, with the time that it took.</summary>
internal sealed class StepReporter(RunIdentity plan, TimeProvider time)
{
    private readonly long runSteps = plan.Phases.Sum(phase => (long)phase.Steps);
    private long since = time.GetTimestamp();

    public StepReport Report(WrittenStep written)
    {
        CommittedStep step = written.Step;
        long now = time.GetTimestamp();
        TimeSpan elapsed = time.GetElapsedTime(since, now);
        since = now;
        long tokens = step.Inputs.Kind == PhaseKind.Sft ? (long)(step.Outputs["num_target_tokens"] ?? 0) : step.TokensOfStep;
        ImmutableArray<SampleReport> samples = [.. written.Samples.Select(sample => sample.Report)];
        return new StepReport(
            step.Phase.Name, step.Phase.Kind, step.PhaseStep, step.Phase.Steps, step.RunStep, runSteps, written.Metrics, tokens, elapsed, step.Evaluation, samples, step.Rewards);
    }
}
