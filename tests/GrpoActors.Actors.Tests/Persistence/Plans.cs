using GrpoActors.Core;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Schedules;

namespace GrpoActors.Actors.Tests.Persistence;

/// <summary>Small plans for tests of the stages.</summary>
internal static class Plans
{
    public static RunOperation Operation { get; } = new(
        "run", 1, 1, 1, 0, 1024, 3, 0, new DeadlinePlan(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60)), 3);

    public static RunIdentity Identity(
        OrderKind order = OrderKind.Canonical, int lag = 0, int sftSteps = 2, int steps = 4, int groups = 3, int completions = 4, int refillRounds = 0,
        bool dropZeroSpread = false, RefillExhausted exhausted = RefillExhausted.TrainWhatThereIs, bool evaluate = true, RewardFailure onFailure = RewardFailure.Record, int retries = 1)
    {
        var data = new DataPlan("rows.jsonl", 17, default, 100);
        var optimizer = new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1);
        var sampling = new SamplingPlan(1, 0, 1, 0, 1, [], [2]);
        var objective = ObjectivePlan.For(Dialect.Trl, "grpo");
        var group = new GroupPlan(groups, completions, 8, sampling, 1, 1, objective, refillRounds, exhausted, dropZeroSpread, KeepUnscorable: false);
        return new RunIdentity(
            7, "fake", "1", new ModelSource(null, "{}", null), Digest.Of("start"), Digest.Of("tokenizer"), new OrderPlan(order, lag, 3),
            [
                new PhasePlan("sft", PhaseKind.Sft, sftSteps, data, true, new LearningRateSchedule { LearningRate = 1e-3, TotalSteps = sftSteps }, optimizer, 5, null),
                new PhasePlan("grpo", PhaseKind.Grpo, steps, data, true, new LearningRateSchedule { LearningRate = 1e-4, TotalSteps = steps }, optimizer, 0, group),
            ],
            [
                new RewardPlan("right", "exact", 1, 1, "{}", TimeSpan.FromSeconds(1), retries),
                new RewardPlan("format", "regex", 1, 0.2, "{}", TimeSpan.FromSeconds(1), retries),
            ],
            evaluate ? new EvaluationPlan(data, 2, "right", 1, 8) : null,
            onFailure);
    }
}
