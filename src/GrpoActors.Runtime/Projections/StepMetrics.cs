using System.Collections.Immutable;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Runtime.Projections;

/// <summary>A step's numbers under TRL's names where TRL has one: what the trainer reported, which the journal holds, and what a trainer cannot know.</summary>
/// <remarks>
/// Ours alone: <c>num_completion_tokens</c> (sampled since the run began; TRL's num_tokens counts prompts too), <c>eval_accuracy</c>, <c>empty</c>,
/// <c>rewards/NAME/failed</c> and <c>abstained</c>: outcomes over all completions that the step settled, those of dropped groups included.
/// <c>objectives/NAME/mean</c>, <c>factor</c> and <c>vetoed</c>: of each objective, over the same completions, where the run names any.
/// <c>epoch</c> counts the prompts that were opened, in passes over the phase's data. verl's throughput is one of a device: this process is one.
/// </remarks>
public static class StepMetrics
{
    /// <summary>In ordinal order of names.</summary>
    public static ImmutableArray<Metric> Of(CommittedStep step)
    {
        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            ["learning_rate"] = step.Inputs.LearningRate,
            ["step_time"] = (step.Timings.Training + step.Timings.Waiting).TotalSeconds,
        };
        if (step.Outputs.Empty)
        {
            metrics["empty"] = 1;
        }

        if (step.Evaluation is { } evaluation)
        {
            metrics["eval_accuracy"] = evaluation.Accuracy;
            metrics["eval_reward"] = evaluation.MeanReward;
        }

        if (step.Inputs.Kind == PhaseKind.Grpo)
        {
            metrics["num_completion_tokens"] = step.TokensSampled;
            metrics["epoch"] = step.Inputs.PrimaryCursor / (double)step.Phase.Data.Rows;
            foreach ((string name, RewardTally tally) in step.Rewards)
            {
                metrics[$"rewards/{name}/failed"] = tally.Failed;
                metrics[$"rewards/{name}/abstained"] = tally.Abstained;
            }

            foreach (ObjectiveLevel level in step.Objectives)
            {
                if (level.Mean is { } mean)
                {
                    metrics[$"objectives/{level.Name}/mean"] = mean;
                }

                metrics[$"objectives/{level.Name}/factor"] = level.Factor;
                metrics[$"objectives/{level.Name}/vetoed"] = level.Vetoed;
            }

            if (step.Phase.Groups.Objective.Dialect == Dialect.Verl)
            {
                AddVerl(metrics, step);
            }
        }

        foreach (Metric metric in step.Outputs.Metrics)
        {
            metrics[metric.Name] = metric.Value;
        }

        return [.. metrics.Select(pair => new Metric(pair.Key, pair.Value))];
    }

    private static void AddVerl(SortedDictionary<string, double> metrics, CommittedStep step)
    {
        double seconds = metrics["step_time"];
        metrics["training/epoch"] = metrics["epoch"];
        metrics["timing_s/step"] = metrics["perf/time_per_step"] = seconds;
        if (step.Outputs["perf/total_num_tokens"] is { } tokens && seconds > 0)
        {
            metrics["perf/throughput"] = tokens / seconds;
        }

        if (step.Evaluation is { } evaluation)
        {
            metrics[$"val-core/{step.EvaluationData}/acc/mean@1"] = evaluation.Accuracy;
            metrics[$"val-aux/{step.EvaluationData}/reward/mean@1"] = evaluation.MeanReward;
        }
    }
}
