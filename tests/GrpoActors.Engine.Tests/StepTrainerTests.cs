using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Schedules;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Training;
using Xunit;
using static GrpoActors.Engine.Tests.SampledSteps;

namespace GrpoActors.Engine.Tests;

public sealed class StepTrainerTests
{
    private const string DifferenceMax = "sampling/sampling_logp_difference/max";
    private const string RatioMax = "sampling/importance_sampling_ratio/max";


    [Fact]
    public void On_policy_the_first_ratio_is_exactly_1_and_a_flipped_bit_moves_it()
    {
        TrainingBatch batch = Sampled(Plan("dapo"));
        StepOutputs outputs = Trained(batch, Plan("dapo"));
        Assert.Equal(0.0, outputs[DifferenceMax]);
        Assert.Equal(1.0, outputs[RatioMax]);
        Assert.Equal(1.0, outputs["sampling/importance_sampling_ratio/min"]);

        TrainingRow row = batch.Rows[5];
        float flipped = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(row.Completion.LogProbs[1]) ^ 1);
        Completion damaged = row.Completion with { LogProbs = row.Completion.LogProbs.SetItem(1, flipped) };
        outputs = Trained(batch with { Rows = batch.Rows.SetItem(5, row with { Completion = damaged }) }, Plan("dapo"));
        Assert.True(outputs[DifferenceMax] > 0);
        Assert.NotEqual(1.0, outputs[RatioMax] * outputs["sampling/importance_sampling_ratio/min"]);
    }

    [Theory]
    [InlineData("dapo", 0.04)]
    [InlineData("grpo", 0)]
    [InlineData("gspo", 0)]
    [InlineData("kl_cov", 0)]
    [InlineData("clip_cov", 0)]
    public void The_token_budget_of_a_micro_batch_changes_no_bit(string objective, double beta)
    {
        PhasePlan plan = Plan(objective, beta, iterations: 2, miniBatches: 2);
        TrainingBatch batch = Sampled(plan);
        StepOutputs[] outputs = [.. new[] { 10_000, 1, 60, 150 }.Select(budget => Trained(batch, plan, budget))];
        Assert.All(outputs, x => Assert.Equal(outputs[0].Update, x.Update));
        Assert.All(outputs, x => Assert.Equal(outputs[0].Metrics.AsEnumerable(), x.Metrics));
        Assert.False(outputs[0].Empty);
        Assert.Equal(default(Digest).Then(outputs[0].Update), outputs[0].Policy);
    }

    [Fact]
    public void Completions_share_their_prompt_in_units_that_the_token_budget_does_not_cut()
    {
        PhasePlan plan = Plan("dapo");
        TrainingBatch batch = Sampled(plan);
        int[] lengths = [400, 600, 24, 1, 2000, 12];
        ImmutableArray<TrainingRow> rows = [.. lengths.Select((length, i) => batch.Rows[i < 5 ? 0 : 5] with
        {
            Completion = batch.Rows[0].Completion with { Tokens = [.. Enumerable.Repeat(4, length)], LogProbs = [.. Enumerable.Repeat(-1.5f, length)] },
        })];
        foreach ((int budget, string batches) in new[] { (1, "3 | 1 | 1 | 1"), (1100, "3,1 | 1 | 1"), (5000, "3,1,1,1") })
        {
            var recorder = new RecordingTrainer();
            new StepTrainer(recorder, Seeds, budget).Train(batch with { Rows = rows }, plan, PromptOf, default, ["fours"], default);
            Assert.Equal(batches, string.Join(" | ", recorder.Groups));
        }

        var apart = new RecordingTrainer();
        new StepTrainer(apart, Seeds, 5000).Train(batch with { Rows = rows }, plan with { Group = plan.Groups with { PrefixSharing = false } }, PromptOf, default, ["fours"], default);
        Assert.Equal(["none"], apart.Groups);
    }

    [Fact]
    public void An_adaptive_coefficient_which_the_ledger_holds_does_not_depend_on_the_token_budget()
    {
        PhasePlan plan = Plan("grpo", beta: 0.5, iterations: 3, miniBatches: 2);
        plan = plan with { Group = plan.Groups with { Objective = plan.Groups.Objective with { AdaptiveKl = new AdaptiveKlPart(Target: 1e-3, Horizon: 100) } } };
        TrainingBatch batch = Sampled(plan);
        StepOutputs[] outputs = [.. new[] { 10_000, 1, 60, 150 }.Select(budget => Trained(batch, plan, budget))];
        Assert.NotEqual(0.5, outputs[0].Next.KlCoefficient);
        Assert.All(outputs, x => Assert.Equal(outputs[0].Next, x.Next));
        Digest Chain(StepOutputs x) => Ledger.Next(RunState.Begin(Run(plan)), batch.Inputs, x);
        Assert.All(outputs, x => Assert.Equal(Chain(outputs[0]), Chain(x)));
    }

    private static RunIdentity Run(PhasePlan phase) => new(
        7, "cpu", "1", new ModelSource(null, "{}", null), default, default, new OrderPlan(OrderKind.Canonical, 0, 3), [phase], [], null, RewardFailure.Record);

    [Fact]
    public void Rewarded_completions_become_more_probable()
    {
        PhasePlan plan = Plan("dapo");
        using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
        var steps = new StepTrainer(trainer, Seeds, 1000);
        double first = 0, last = 0;
        for (int step = 0; step < 25; step++)
        {
            TrainingBatch batch = Sampled(plan, trainer.Publish(new PolicyVersion(step), default), step);
            StepOutputs outputs = steps.Train(batch, plan, PromptOf, default, ["fours"], default);
            Assert.Equal(0.0, outputs[DifferenceMax]);
            (first, last) = (step == 0 ? outputs["reward"]!.Value : first, outputs["reward"]!.Value);
        }

        Assert.True(last > first + 0.2, $"The mean reward went from {first} to {last}.");
    }

    [Fact]
    public void Passes_and_mini_batches_each_make_an_update()
    {
        PhasePlan plan = Plan("grpo", iterations: 3, miniBatches: 2);
        TrainingBatch batch = Sampled(plan);
        var recorder = new RecordingTrainer();
        new StepTrainer(recorder, Seeds, 1000).Train(batch, plan, PromptOf, default, ["fours"], default);
        Assert.Equal(6, recorder.Updates.Count);
        int tokens = batch.Rows.Sum(row => row.Completion.Tokens.Length);
        for (int pass = 0; pass < 3; pass++)
        {
            Assert.Equal(tokens, recorder.Updates[2 * pass] + recorder.Updates[2 * pass + 1]);
        }
    }

    [Fact]
    public void Coefficients_are_those_of_the_objective_over_the_whole_mini_batch()
    {
        PhasePlan plan = Plan("dapo");
        TrainingBatch batch = Sampled(plan);
        var recorder = new RecordingTrainer();
        new StepTrainer(recorder, Seeds, microBatchTokens: 1).Train(WithBehaviour(batch, recorder), plan, PromptOf, default, ["fours"], default);
        double tokens = batch.Rows.Sum(row => row.Completion.Tokens.Length);
        float[] expected = [.. batch.Rows.SelectMany(row => row.Completion.Tokens.Select(_ => (float)(-row.Advantage / tokens)))];
        Assert.Equal(expected.Length, recorder.Coefficients.Count);
        for (int t = 0; t < expected.Length; t++)
        {
            Assert.Equal(expected[t], recorder.Coefficients[t], 1e-7f);
        }
    }

    [Fact]
    public void A_step_without_a_token_is_empty_and_touches_nothing()
    {
        var recorder = new RecordingTrainer();
        PhasePlan plan = Plan("dapo");
        Digest policy = Digest.Of("before");
        StepOutputs outputs = new StepTrainer(recorder, Seeds, 100).Train(Sampled(plan) with { Rows = [] }, plan, PromptOf, policy, ["fours"], default);
        Assert.True(outputs.Empty);
        Assert.Equal(policy, outputs.Policy);
        Assert.Empty(recorder.Updates);
        Assert.Equal(0, recorder.Forwards);
    }

    [Fact]
    public void A_log_prob_that_is_not_finite_stops_the_step_and_names_the_completion()
    {
        PhasePlan plan = Plan("dapo");
        TrainingBatch batch = Sampled(plan);
        plan = plan with { Group = plan.Groups with { PrefixSharing = false } };
        var recorder = new RecordingTrainer { PoisonForward = 2 };
        var failed = Assert.Throws<StepFailedException>(() => new StepTrainer(recorder, Seeds, microBatchTokens: 1).Train(batch, plan, PromptOf, default, ["fours"], default));
        Assert.Contains(batch.Rows[2].Id.ToString(), failed.Message, StringComparison.Ordinal);
        Assert.Empty(recorder.Updates);
    }

    [Fact]
    public void A_supervised_step_weighs_every_answer_token_alike()
    {
        WorkedExample[] examples = [new([3, 4, 5, 6, 7], 2), new([3, 8], 1), new([9, 10, 11, 12], 3)];
        var recorder = new RecordingTrainer();
        StepInputs inputs = Inputs(PhaseKind.Sft, 0);
        new StepTrainer(recorder, Seeds, microBatchTokens: 6).TrainSupervised(new TrainingBatch(inputs, [], default), AdamW, examples, default, default);
        Assert.Equal(Enumerable.Repeat(-1f / 5, 5), recorder.Coefficients);
        Assert.Equal([5], recorder.Updates);
    }

    [Fact]
    public void Supervised_steps_lower_the_loss_whatever_the_token_budget()
    {
        WorkedExample[] examples = [new([3, 4, 5, 6, 7, 2], 2), new([3, 8, 2], 1), new([9, 10, 11, 12, 2], 3)];
        StepOutputs[][] runs = [.. new[] { 100, 1 }.Select(budget =>
        {
            using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
            var steps = new StepTrainer(trainer, Seeds, budget);
            return Enumerable.Range(0, 30).Select(step => steps.TrainSupervised(new TrainingBatch(Inputs(PhaseKind.Sft, step), [], default), AdamW, examples, default, default)).ToArray();
        })];
        Assert.True(runs[0][^1]["loss"] < 0.5 * runs[0][0]["loss"]);
        Assert.Equal(runs[0].Select(step => step.Update), runs[1].Select(step => step.Update));
    }

    internal static StepOutputs Trained(TrainingBatch batch, PhasePlan plan, int microBatchTokens = 1000)
    {
        using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
        trainer.KeepReference();
        return new StepTrainer(trainer, Seeds, microBatchTokens).Train(batch, plan, PromptOf, default, ["fours"], default);
    }

    /// <summary>The batch with the log-probs that the recording trainer gives, so that ratios are 1.</summary>
    internal static TrainingBatch WithBehaviour(TrainingBatch batch, RecordingTrainer trainer)
        => batch with { Rows = [.. batch.Rows.Select(row => row with { Completion = row.Completion with { LogProbs = [.. row.Completion.LogProbs.Select(_ => trainer.LogProb)] } })] };
}
