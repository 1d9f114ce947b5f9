using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Training;
using Xunit;
using static GrpoActors.Engine.Tests.SampledSteps;
using static GrpoActors.Engine.Tests.StepTrainerTests;

namespace GrpoActors.Engine.Tests;

/// <summary>What an objective asks of a step besides coefficients of tokens: masks, penalties in the reward, coefficients that move, draws, a reference that moves.</summary>
public sealed class StepObjectiveTests
{
    [Fact]
    public void A_completion_that_was_cut_off_teaches_nothing_and_leaves_the_denominator_where_the_plan_masks_it()
    {
        PhasePlan plan = With(Plan("dapo"), group => group with { MaskTruncated = true });
        TrainingBatch batch = Sampled(plan);
        bool Cut(TrainingRow row) => row.Completion.Finish == FinishReason.Length;
        Assert.Contains(batch.Rows, Cut);
        Assert.Contains(batch.Rows, row => !Cut(row));
        var recorder = new RecordingTrainer();
        Step(recorder, WithBehaviour(batch, recorder), plan);
        double teaching = batch.Rows.Where(row => !Cut(row)).Sum(row => row.Completion.Tokens.Length);
        Equal([.. batch.Rows.SelectMany(row => row.Completion.Tokens.Select(_ => Cut(row) ? 0 : -row.Advantage / teaching))], recorder.Coefficients, 1e-7);
    }

    [Fact]
    public void A_step_whose_completions_were_all_cut_off_is_empty()
    {
        PhasePlan plan = With(Plan("grpo"), group => group with { MaskTruncated = true });
        TrainingBatch batch = Sampled(plan);
        batch = batch with { Rows = [.. batch.Rows.Select(row => row with { Completion = row.Completion with { Finish = FinishReason.Length } })] };
        var recorder = new RecordingTrainer();
        Assert.True(Step(recorder, batch, plan).Empty);
        Assert.Empty(recorder.Updates);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_penalty_in_the_reward_is_taken_off_before_advantages_are_estimated(bool wholeOutput)
    {
        const double coefficient = 0.3;
        PhasePlan plan = Objective(Plan("gpg"), o => o with { KlInReward = new(coefficient, KlForm.K1, wholeOutput), Advantages = new() { Estimator = AdvantageEstimator.LeaveOneOut } });
        TrainingBatch batch = Sampled(plan, step: 1);
        var recorder = new RecordingTrainer { ReferenceLogProb = -2 };
        StepOutputs outputs = Step(recorder, batch, plan);

        double[] rewards = [.. batch.Rows.Select(row => row.Reward!.Value - coefficient * row.Completion.LogProbs.Sum(p => p + 2.0))];
        double tokens = batch.Rows.Sum(row => row.Completion.Tokens.Length);
        Equal(
            [.. batch.Rows.SelectMany((row, i) => row.Completion.Tokens.Select(_ => -(rewards[i] - rewards.Skip(i / 4 * 4).Take(4).Where((_, j) => j != i % 4).Average()) / tokens))],
            recorder.Coefficients, 1e-6);
        Assert.Equal(batch.Rows.Sum(row => row.Completion.LogProbs.Sum(p => p + 2.0)) / tokens, outputs["kl"]!.Value, 1e-6);
    }

    [Fact]
    public void A_token_has_its_own_advantage_where_rewards_are_discounted_and_where_each_token_pays_for_itself()
    {
        var advantages = new AdvantagePlan { Estimator = AdvantageEstimator.ReinforcePlusPlus, Gamma = 0.9 };
        PhasePlan plan = Objective(Plan("gpg"), o => o with { Advantages = advantages, KlInReward = new(0.1, KlForm.K2, WholeOutput: false) });
        TrainingBatch batch = Sampled(plan, step: 1);
        var recorder = new RecordingTrainer { ReferenceLogProb = -2 };
        Step(recorder, batch, plan);

        int[] starts = [0, .. batch.Rows.Select((_, i) => batch.Rows.Take(i + 1).Sum(row => row.Completion.Tokens.Length))];
        double[] tokenRewards = [.. batch.Rows.SelectMany(row => row.Completion.LogProbs.Select((p, t) => (t == row.Completion.LogProbs.Length - 1 ? row.Reward!.Value : 0) - 0.1 * 0.5 * (p + 2.0) * (p + 2.0)))];
        double[] expected = AdvantageEstimation.Estimate(advantages, new AdvantageInputs { RowStarts = starts, Groups = new int[16], TokenRewards = tokenRewards, Rewards = new double[16] }).Advantages;
        Assert.True(expected[..starts[1]].Distinct().Count() > 1);
        Equal([.. expected.Select(a => -a / starts[^1])], recorder.Coefficients, 1e-6);
    }

    [Fact]
    public void The_coefficient_of_a_penalty_in_the_reward_moves_by_verls_rule()
    {
        var rule = new AdaptiveKlPart(Target: 0.2, Horizon: 100);
        PhasePlan plan = Objective(Plan("grpo"), o => o with { KlInReward = new(0.3, KlForm.K1, true), AdaptiveKl = rule });
        TrainingBatch batch = Sampled(plan);
        batch = batch with { Inputs = batch.Inputs with { Adaptive = new AdaptiveState(0.3, 0, 1) } };
        StepOutputs outputs = Step(new RecordingTrainer { ReferenceLogProb = -2 }, batch, plan);
        double kl = batch.Rows.Average(row => row.Completion.LogProbs.Average(p => p + 2.0)); // mean over rows of their means
        Assert.Equal(rule.Next(0.3, kl, 16), outputs.Next.KlCoefficient, 1e-9);
    }

    [Fact]
    public void An_adaptive_entropy_bonus_rests_in_the_first_step_and_applies_while_the_entropy_is_low()
    {
        PhasePlan plan = Objective(Plan("grpo"), o => o with { Entropy = new(0.1), AdaptiveEntropy = new(Target: 1.5, Delta: 0.02, Min: 0, Max: 0.13) });
        TrainingBatch batch = Sampled(plan); // the recorder's entropies are 1
        AdaptiveState start = StartingCoefficients.Of(plan);
        Assert.Equal(new AdaptiveState(0, 0.1, 1, double.PositiveInfinity), start);

        var first = new RecordingTrainer();
        AdaptiveState second = Step(first, At(batch, start), plan).Next;
        Assert.Equal(0, first.EntropyCoefficientMax);
        Assert.Equal((0.1 + 0.02, 1.0), (second.EntropyCoefficient, second.LastEntropy!.Value));

        var applied = new RecordingTrainer();
        StepOutputs outputs = Step(applied, At(batch, second), plan);
        Assert.True(applied.EntropyCoefficientMax > 0);
        Assert.Equal(0.1 + 0.02, outputs["entropy_coef"]);
        Assert.Equal(0.13, outputs.Next.EntropyCoefficient);

        var high = new RecordingTrainer();
        AdaptiveState after = Step(high, At(batch, second with { LastEntropy = 2 }), plan).Next;
        Assert.Equal(0, high.EntropyCoefficientMax);
        Assert.Equal(1, after.LastEntropy);
    }

    [Fact]
    public void The_adaptive_entropy_coefficient_does_not_depend_on_the_token_budget()
    {
        PhasePlan plan = Objective(Plan("grpo", iterations: 2, miniBatches: 2), o => o with { Entropy = new(0.1), AdaptiveEntropy = new(Target: 5) });
        TrainingBatch batch = At(Sampled(plan), new AdaptiveState(0, 0.1, 1, 0.5));
        StepOutputs[] outputs = [.. new[] { 10_000, 1, 60 }.Select(budget => Trained(batch, plan, budget))];
        Assert.All(outputs, x => Assert.Equal(outputs[0].Next, x.Next));
        Assert.All(outputs, x => Assert.Equal(outputs[0].Update, x.Update));
        Assert.NotEqual(Trained(At(batch, new AdaptiveState(0, 0.1, 1, 10)), plan).Update, outputs[0].Update);
    }

    [Fact]
    public void Clip_cov_draws_other_tokens_in_another_step()
    {
        PhasePlan plan = Objective(Plan("clip_cov"), o => o with { Surrogate = new Surrogate.ClipCov(0.2, double.NegativeInfinity, double.PositiveInfinity, 0.2, 0.2, 0) });
        TrainingBatch batch = Sampled(plan);
        Digest Update(long step) => Trained(batch with { Inputs = batch.Inputs with { Step = step } }, plan).Update;
        Assert.Equal(Update(3), Update(3));
        Assert.NotEqual(Update(3), Update(4));
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(0.6)]
    public void The_reference_is_drawn_to_the_policy_element_by_element_and_survives_a_capture(double share)
    {
        PhasePlan plan = Plan("grpo");
        using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
        trainer.KeepReference();
        float[][] before = [.. trainer.Capture().Reference!.Select(tensor => tensor.Values.ToArray())]; // views: the next line changes what they show
        Step(trainer, Sampled(plan), plan);
        trainer.MixReference(share);
        TrainerState after = trainer.Capture();
        for (int i = 0; i < after.Weights.Count; i++)
        {
            float[] policy = after.Weights[i].Values.ToArray(), old = before[i];
            Assert.Equal(policy.Zip(old, (p, r) => ((float)share * p) + ((float)(1 - share) * r)), after.Reference![i].Values.ToArray());
        }

        using CpuTrainer restored = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
        restored.Restore(after);
        PackedBatch sequences = MicroModel.Batch(Spec, (7, 2), (5, 1));
        TokenScores left = MicroModel.Scores(sequences), right = MicroModel.Scores(sequences);
        trainer.ForwardReference(sequences, 1, left);
        restored.ForwardReference(sequences, 1, right);
        Assert.Equal(left.LogProbs, right.LogProbs);
    }

    [Fact]
    public void A_trainer_without_a_reference_has_none_to_draw()
    {
        using CpuTrainer trainer = MicroModel.Trainer(Spec, MicroModel.Weights(Spec));
        Assert.Throws<InvalidOperationException>(() => trainer.MixReference(0.5));
    }

    // Each pass over the four groups of four with one completion a micro-batch is 16 forward passes.
    [Theory]
    [InlineData("log-prob", 5, 5)]
    [InlineData("reference", 9, 9)]
    [InlineData("reference in the reward", 9, 9)]
    [InlineData("before the step", 7, 7)]
    [InlineData("survey", 11, 11)]
    [InlineData("entropy", 3, 3)]
    public void A_number_that_is_not_finite_wherever_it_comes_from_stops_the_step_and_names_the_completion(string where, int forward, int row)
    {
        PhasePlan plan = where switch
        {
            "reference" => Plan("grpo", beta: 0.1),
            "reference in the reward" => Objective(Plan("grpo"), o => o with { KlInReward = new(0.1, KlForm.K1, true) }),
            "before the step" => Objective(Plan("grpo"), o => o with { Mismatch = new MismatchPart(false, MismatchCut.Truncate, 2) }),
            "survey" => Plan("kl_cov"),
            "entropy" => Objective(Plan("grpo"), o => o with { Entropy = new(0.1) }),
            _ => Plan("grpo"),
        };
        TrainingBatch batch = Sampled(plan);
        foreach (float poison in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            var recorder = new RecordingTrainer { PoisonForward = forward, Poison = poison, PoisonEntropy = where == "entropy" };
            var failed = Assert.Throws<StepFailedException>(() => Step(recorder, At(batch, StartingCoefficients.Of(plan)), plan, microBatchTokens: 1));
            Assert.Contains($"Completion {batch.Rows[row].Id}:", failed.Message, StringComparison.Ordinal);
            Assert.Contains(poison.ToString(), failed.Message, StringComparison.Ordinal);
            Assert.Empty(recorder.Updates);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void So_does_a_journalled_log_prob_or_an_advantage(float poison)
    {
        PhasePlan plan = Plan("grpo");
        TrainingBatch batch = Sampled(plan);
        TrainingRow row = batch.Rows[6];
        foreach (TrainingRow poisoned in new[] { row with { Advantage = poison }, row with { Completion = row.Completion with { LogProbs = row.Completion.LogProbs.SetItem(1, poison) } } })
        {
            var recorder = new RecordingTrainer();
            var failed = Assert.Throws<StepFailedException>(() => Step(recorder, batch with { Rows = batch.Rows.SetItem(6, poisoned) }, plan));
            Assert.Contains(row.Id.ToString(), failed.Message, StringComparison.Ordinal);
            Assert.Empty(recorder.Updates);
        }
    }

    [Fact]
    public void Numbers_of_a_masked_completion_reach_nothing()
    {
        PhasePlan plan = With(Plan("grpo"), group => group with { MaskTruncated = true });
        TrainingBatch batch = Sampled(plan);
        int cut = Enumerable.Range(0, 16).First(i => batch.Rows[i].Completion.Finish == FinishReason.Length);
        var clean = new RecordingTrainer();
        Step(clean, batch, plan, microBatchTokens: 1);
        var poisoned = new RecordingTrainer { PoisonForward = cut };
        Step(poisoned, batch, plan, microBatchTokens: 1);
        Assert.Equal(clean.Coefficients, poisoned.Coefficients);
    }

    [Fact]
    public void Dialect_verl_reports_under_verls_names_too()
    {
        PhasePlan plan = Objective(Plan("grpo"), _ => ObjectivePlan.For(Dialect.Verl, "vanilla", new() { KlInReward = 0.2 }));
        TrainingBatch batch = Sampled(plan);
        StepOutputs outputs = Step(new RecordingTrainer { ReferenceLogProb = -2 }, batch with { Inputs = batch.Inputs with { Adaptive = new(0.2, 0, 1) } }, plan);
        double[] lengths = [.. batch.Rows.Select(row => (double)row.Completion.Tokens.Length)];
        Assert.Equal((lengths.Average(), lengths.Max(), lengths.Min()), (outputs["response_length/mean"], outputs["response_length/max"], outputs["response_length/min"]));
        Assert.Equal(lengths.Count(length => length == 12) / 16.0, outputs["response_length/clip_ratio"]);
        Assert.Equal(0, outputs["response/aborted_ratio"]);
        Assert.Equal((4.5, 6.0, 3.0), (outputs["prompt_length/mean"], outputs["prompt_length/max"], outputs["prompt_length/min"]));
        Assert.Equal(batch.Rows.Average(row => row.Reward!.Value), outputs["critic/score/mean"]!.Value, 1e-12);
        Assert.Equal(batch.Rows.Average(row => row.Reward!.Value - 0.2 * row.Completion.LogProbs.Sum(p => p + 2.0)), outputs["critic/rewards/mean"]!.Value, 1e-6);
        Assert.Equal(batch.Rows.Average(row => row.Completion.LogProbs.Average(p => p + 2.0)), outputs["actor/reward_kl_penalty"]!.Value, 1e-6);
        Assert.Equal(0.2, outputs["actor/reward_kl_penalty_coeff"]);
        foreach (string name in (string[])["actor/pg_loss", "actor/pg_clipfrac", "actor/ppo_kl", "actor/entropy", "actor/grad_norm", "actor/lr", "critic/advantages/max", "critic/returns/min", "training/global_step", "training/off_policy/trajectory_staleness/mean", "perf/total_num_tokens"])
        {
            Assert.NotNull(outputs[name]);
        }

        StepOutputs trl = Step(new RecordingTrainer(), batch, Plan("grpo"));
        Assert.DoesNotContain(trl.Metrics, metric => metric.Name.StartsWith("actor/", StringComparison.Ordinal) || metric.Name.StartsWith("critic/", StringComparison.Ordinal));
        Assert.NotNull(trl["clip_ratio/region_mean"]);
    }

    [Theory]
    [InlineData(Dialect.Trl, null, false)]
    [InlineData(Dialect.Verl, null, false)]
    [InlineData(Dialect.Paper, null, true)]
    [InlineData(Dialect.Trl, 1.1, false)]
    [InlineData(Dialect.Verl, 1.1, false)]
    public void Samples_of_an_older_policy_have_the_KL_chi_square_and_effective_sample_size_of_their_log_probs(Dialect dialect, double? weightMax, bool masked)
    {
        var options = new ObjectiveOptions { ImportanceSamplingMode = weightMax is null ? null : "token_truncate", ImportanceSamplingMax = weightMax };
        PhasePlan plan = With(Objective(Plan("grpo"), _ => ObjectivePlan.For(dialect, "grpo", options)), group => group with { MaskTruncated = masked });
        TrainingBatch batch = Sampled(plan, step: 3);
        batch = batch with { Rows = [.. batch.Rows.Select(row => row with { Version = new PolicyVersion(2) })] };
        StepOutputs outputs = Step(new RecordingTrainer(), At(batch, StartingCoefficients.Of(plan)), plan, microBatchTokens: 40);
        Assert.Equal(1, outputs["lag"]);

        double[][] logs = [.. batch.Rows.Where(row => !masked || row.Completion.Finish != FinishReason.Length).Select(row => row.Completion.LogProbs.Select(sampled => -1.5 - sampled).ToArray())];
        double[] log = [.. logs.SelectMany(row => row)], rho = [.. log.Select(Math.Exp)], weights = [.. rho.Select(x => Math.Min(x, weightMax ?? x))];
        double Found(string name) => outputs[(dialect == Dialect.Verl ? "rollout_corr/" : "grpo.mismatch.") + name]!.Value;
        Assert.Equal(-log.Average(), Found("kl"), 1e-8);
        Assert.Equal(rho.Average() - 1 - log.Average(), Found("k3_kl"), 1e-8);
        Assert.Equal(rho.Average(x => x * x) - 1, Found("chi2_token"), 1e-8);
        Assert.Equal(logs.Average(row => Math.Exp(2 * row.Sum())) - 1, Found("chi2_seq"), 1e-8);
        Assert.Equal(weights.Average() * weights.Average() / weights.Average(x => x * x), Found("rollout_is_eff_sample_size"), 1e-8);
        Assert.Equal((weights.Min(), weights.Max()), (Found("rollout_is_min"), Found("rollout_is_max")));
        Assert.True(Math.Abs(Found("kl")) > 0.01 && Found("chi2_token") > 0.01 && Found("rollout_is_eff_sample_size") < 0.99);
    }

    private static PhasePlan With(PhasePlan plan, Func<GroupPlan, GroupPlan> change) => plan with { Group = change(plan.Groups) };

    private static PhasePlan Objective(PhasePlan plan, Func<ObjectivePlan, ObjectivePlan> change) => With(plan, group => group with { Objective = change(group.Objective) });

    private static TrainingBatch At(TrainingBatch batch, AdaptiveState adaptive) => batch with { Inputs = batch.Inputs with { Adaptive = adaptive } };

    private static StepOutputs Step(ITrainer trainer, TrainingBatch batch, PhasePlan plan, int microBatchTokens = 1000)
    {
        plan = With(plan, group => group with { PrefixSharing = false }); // a forward pass of one completion each, where the budget is 1
        ObjectivePlan objective = plan.Groups.Objective;
        if (objective.KlInReward is not null && batch.Inputs.Adaptive.KlCoefficient == 0)
        {
            batch = At(batch, StartingCoefficients.Of(plan));
        }

        return new StepTrainer(trainer, Seeds, microBatchTokens).Train(batch, plan, PromptOf, default, ["fours"], default);
    }

    private static void Equal(double[] expected, List<float> found, double tolerance)
    {
        Assert.Equal(expected.Length, found.Count);
        for (int t = 0; t < expected.Length; t++)
        {
            Assert.Equal(expected[t], found[t], tolerance);
        }
    }
}
