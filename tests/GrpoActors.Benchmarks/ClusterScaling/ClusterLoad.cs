using GrpoActors.Core;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Schedules;

namespace GrpoActors.Benchmarks.ClusterScaling;

/// <summary>What a simulated cluster works on, and what its workers cost. The coordinator's own costs are measured, not given.</summary>
/// <param name="SampleGroup">A generator's time for one group, in the mean.</param>
/// <param name="Spread">In [0, 1): a group takes between 1 - this and 1 + this of the mean.</param>
/// <param name="ScoreGroup">A scorer's time for one reward on one group.</param>
/// <param name="TrainGroup">The trainer's time for one group of a step.</param>
/// <param name="WeightsBytes">Of one version; each generator fetches each version that it samples with.</param>
/// <param name="LinkBytesPerSecond">Of the trainer's node, shared by all who fetch; 0: no limit.</param>
/// <param name="Message">The coordinator's time to receive one message beyond what is measured: network, mailbox.</param>
/// <param name="Latency">From one node to another.</param>
internal sealed record ClusterLoad(
    int GroupsPerStep, int Completions, int Tokens, int Steps, int GroupsPerTicket, TimeSpan SampleGroup, double Spread, TimeSpan ScoreGroup, TimeSpan TrainGroup,
    double WeightsBytes, double LinkBytesPerSecond, TimeSpan Message, TimeSpan Latency)
{
    public const int Rewards = 2;

    public int TokensPerGroup => Completions * Tokens;

    /// <summary>The same work where every worker answers at once: what is left is the coordinator.</summary>
    public ClusterLoad CoordinatorAlone() => this with
    {
        SampleGroup = TimeSpan.Zero,
        ScoreGroup = TimeSpan.Zero,
        TrainGroup = TimeSpan.Zero,
        WeightsBytes = 0,
        Latency = TimeSpan.Zero,
    };

    public RunPlan Plan(OrderPlan order)
    {
        var data = new DataPlan("rows.jsonl", 10_007, default, 256);
        var group = new GroupPlan(
            GroupsPerStep, Completions, Tokens, new SamplingPlan(1, 0, 1, 0, 1, [], [2]), 1, 1, ObjectivePlan.For(Dialect.Trl, "grpo"), 0, RefillExhausted.TrainWhatThereIs,
            DropZeroSpread: false, KeepUnscorable: false);
        var phase = new PhasePlan(
            "grpo", PhaseKind.Grpo, Steps, data, true, new LearningRateSchedule { LearningRate = 1e-6, TotalSteps = Steps }, new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1), 0, group);
        var identity = new RunIdentity(
            7, "simulated", "1", new ModelSource(null, "{}", null), Digest.Of("start"), Digest.Of("tokenizer"), order, [phase],
            [.. Enumerable.Range(0, Rewards).Select(reward => new RewardPlan($"reward{reward}", "simulated", 1, 1, "{}", TimeSpan.FromMinutes(1), 1))], null, RewardFailure.Record);
        var patience = TimeSpan.FromDays(1);
        return new RunPlan(identity, new RunOperation("run", 1, 1, 1, GroupsPerTicket, 4096, 0, 0, new DeadlinePlan(patience, patience, patience, patience), 3));
    }
}
