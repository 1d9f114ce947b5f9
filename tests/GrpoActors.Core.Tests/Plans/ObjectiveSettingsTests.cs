using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

/// <summary>Everything that an objective can be told, a run file can tell it, under the names of TRL and verl.</summary>
public sealed class ObjectiveSettingsTests
{
    private static ObjectivePlan Plan(string objective, params (string Key, string Value)[] sets) => Group(objective, sets).Objective;

    private static GroupPlan Group(string objective, params (string Key, string Value)[] sets) =>
        RunFiles.Read([("phases.grpo.objective", objective), .. sets.Select(set => (set.Key == "dialect" ? set.Key : $"phases.grpo.{set.Key}", set.Value))]).PlanOrThrow().Identity.Phases[1].Groups;

    [Fact]
    public void Parameters_of_single_objectives_reach_the_plan()
    {
        Assert.Equal(new Surrogate.Sapo(2, 3), Plan("sapo", ("sapo_temperature_pos", "2"), ("tau_neg", "3")).Surrogate);
        Assert.Equal(new Surrogate.Vespo(1, 2, 3, 4), Plan("vespo", ("vespo_k_pos", "1"), ("vespo_lambda_pos", "2"), ("vespo_k_neg", "3"), ("vespo_lambda_neg", "4")).Surrogate);
        Assert.Equal(new Surrogate.Dro(0.3), Plan("dro", ("dro_beta", "0.3")).Surrogate);
        Assert.Equal(new Surrogate.KlCov(0.01, 2), Plan("kl_cov", ("kl_cov_ratio", "0.01"), ("ppo_kl_coef", "2")).Surrogate);
        Assert.Equal(new Surrogate.ClipCov(0.01, 0.5, 6, 0.1, 0.3, 0), Plan("clip_cov", ("clip_cov_ratio", "0.01"), ("clip_cov_lb", "0.5"), ("clip_cov_ub", "6"), ("epsilon", "0.1"), ("epsilon_high", "0.3")).Surrogate);
        Assert.Equal(new Surrogate.Dppo(BinaryDivergence.Kl, 0.1, 0.1, 5), Plan("dppo_kl", ("epsilon", "0.1"), ("clip_ratio_c", "5")).Surrogate);
        Assert.Equal(100, Plan("dr_grpo", ("loss_scale_factor", "100")).Aggregation.Norm);
    }

    [Fact]
    public void Kl_settings_reach_the_plan()
    {
        ObjectivePlan plan = Plan("grpo", ("beta", "0.1"), ("target_kl", "0.2"), ("horizon", "500"), ("sync_ref_model", "true"), ("ref_model_sync_steps", "7"), ("ref_model_mixup_alpha", "0.5"));
        Assert.Equal((0.1, 0.1), (plan.Kl.Coefficient, plan.KlCoefficient));
        Assert.Equal(new AdaptiveKlPart(0.2, 500), plan.AdaptiveKl);
        Assert.Equal(new ReferenceRule(7, 0.5), plan.Reference);
        Assert.Equal(new ReferenceRule(512, 0.6), Plan("grpo", ("beta", "0.1"), ("sync_ref_model", "true")).Reference);
        Assert.Equal(new KlInRewardPart(0.05, KlForm.K1, WholeOutput: true), Plan("rloo", ("kl_in_reward", "0.05")).KlInReward);
        Assert.Equal(new KlInRewardPart(0.001, KlForm.K3, WholeOutput: false), Plan("grpo", ("dialect", "verl"), ("kl_in_reward", "0.001"), ("kl_penalty", "k3")).KlInReward);
        Assert.Null(Plan("grpo").KlInReward);
    }

    [Fact]
    public void Where_the_penalty_is_in_the_reward_the_moving_coefficient_is_its_own()
    {
        ObjectivePlan plan = Plan("grpo", ("beta", "0.1"), ("kl_in_reward", "0.05"), ("target_kl", "0.2"));
        Assert.Equal(0.05, plan.KlCoefficient);
        plan = plan.With(0.07, 0);
        Assert.Equal((0.1, 0.07), (plan.Kl.Coefficient, plan.KlInReward!.Coefficient));
    }

    [Fact]
    public void Entropy_settings_reach_the_plan_and_the_first_step_has_no_adaptive_bonus()
    {
        ObjectivePlan plan = Plan("grpo", ("entropy_coeff", "0.01"), ("top_entropy_quantile", "0.2"), ("use_adaptive_entropy", "true"),
            ("entropy_target", "0.3"), ("entropy_coef_delta", "0.001"), ("entropy_coef_min", "0.002"), ("entropy_coef_max", "0.5"));
        Assert.Equal(new EntropyPart(0.01) { TopQuantile = 0.2 }, plan.Entropy);
        Assert.Equal(new AdaptiveEntropyPart(0.3, 0.001, 0.002, 0.5), plan.AdaptiveEntropy);
        PhasePlan phase = RunFiles.Read(("phases.grpo.use_adaptive_entropy", "true"), ("phases.grpo.entropy_coef", "0.01")).PlanOrThrow().Identity.Phases[1];
        Assert.Equal(new AdaptiveState(0, 0.01, 1, double.PositiveInfinity), StartingCoefficients.Of(phase));
        Assert.Null(StartingCoefficients.Of(RunFiles.Read().PlanOrThrow().Identity.Phases[1]).LastEntropy);
    }

    [Fact]
    public void Mismatch_settings_reach_the_plan()
    {
        Assert.Null(Plan("grpo").Mismatch);
        Assert.Equal(new MismatchPart(true, MismatchCut.Mask, 3), Plan("grpo", ("vllm_importance_sampling_mode", "sequence_mask")).Mismatch);
        Assert.Equal(new MismatchPart(false, MismatchCut.Truncate, 5), Plan("grpo", ("rollout_is", "token"), ("rollout_is_threshold", "5")).Mismatch);
        Assert.Equal(
            new MismatchPart(false, MismatchCut.Mask, 5) { Min = 0.5, LogClamp = 20, BatchNormalised = true },
            Plan("vanilla", ("dialect", "verl"), ("rollout_is", "token"), ("rollout_is_threshold", "5"), ("vllm_importance_sampling_clip_min", "0.5"), ("rollout_is_batch_normalize", "true")).Mismatch);
        Assert.Equal(
            [new RejectionPart(RejectionLevel.Token, RejectionStatistic.K1, 2, 0.5), new RejectionPart(RejectionLevel.SequenceMean, RejectionStatistic.K3, 0.01)],
            Plan("grpo", ("rollout_rs", "token_k1, seq_mean_k3"), ("rollout_rs_threshold", "0.5_2, 0.01")).Rejections.AsEnumerable());
        Assert.Equal(0.3, Plan("grpo", ("off_policy_mask_threshold", "0.3")).OffPolicyMaskThreshold);
        Assert.True(Plan("grpo", ("use_decoupled_loss", "true")).Decoupled);
        Assert.Equal(new MismatchPart(false, MismatchCut.Truncate, 3), Plan("grpo", ("use_decoupled_loss", "true")).Mismatch);
        Assert.Equal(new MismatchPart(false, MismatchCut.Truncate, 5) { LogClamp = 20 }, Plan("vanilla", ("dialect", "verl"), ("use_decoupled_loss", "true"), ("rollout_is_threshold", "5")).Mismatch);
        Assert.Null(Plan("grpo", ("use_decoupled_loss", "true"), ("rollout_is", "off")).Mismatch);
    }

    [Fact]
    public void Settings_of_advantages_reach_the_plan()
    {
        AdvantagePlan plan = Plan("grpo", ("advantage_epsilon", "0.5"), ("population_std", "true"), ("advantage_clip", "2")).Advantages;
        Assert.Equal((0.5, true, 2.0), (plan.Epsilon, plan.PopulationDeviation, plan.ClipAt));
        plan = Plan("reinforce", ("adv_estimator", "reinforce_plus_plus"), ("gamma", "0.9")).Advantages;
        Assert.Equal((AdvantageEstimator.ReinforcePlusPlus, 0.9), (plan.Estimator, plan.Gamma));
    }

    [Fact]
    public void Rules_of_sampling_reach_the_plan()
    {
        GroupPlan plan = Group("grpo", ("mask_truncated_completions", "true"), ("max_num_gen_batches", "4"));
        Assert.Equal((true, 4), (plan.MaskTruncated, plan.MaxGenBatches));
        Assert.Equal((false, 10), (Group("grpo").MaskTruncated, Group("grpo").MaxGenBatches));
    }

    [Fact]
    public void A_plan_with_all_of_it_is_the_same_after_it_was_written_and_read()
    {
        PlanResult result = RunFiles.Read(
            ("phases.grpo.objective", "clip_cov"), ("phases.grpo.beta", "0.1"), ("phases.grpo.kl_in_reward", "0.05"), ("phases.grpo.target_kl", "0.2"), ("phases.grpo.sync_ref_model", "true"),
            ("phases.grpo.use_adaptive_entropy", "true"), ("phases.grpo.rollout_is", "token"), ("phases.grpo.rollout_rs", "token_k1"), ("phases.grpo.rollout_rs_threshold", "2"),
            ("phases.grpo.advantage_clip", "2"), ("phases.grpo.mask_truncated_completions", "true"));
        RunPlan plan = result.PlanOrThrow();
        RunPlan again = PlanIdentity.Parse(PlanIdentity.PlanJson(plan, result.Values));
        Assert.Equal(PlanIdentity.CanonicalJson(plan.Identity), PlanIdentity.CanonicalJson(again.Identity));
    }

    [Theory]
    [InlineData("sapo_temperature_pos", "2", "phases.grpo.sapo_temperature_pos: is 2, but objective dapo (dialect trl), as it is set here, has no such number. Remove it. [--set]")]
    [InlineData("vllm_importance_sampling_clip_max", "2", "phases.grpo.vllm_importance_sampling_clip_max: is 2, but objective dapo (dialect trl), as it is set here, has no such number. Set vllm_importance_sampling_mode too, or remove it. [--set]")]
    [InlineData("entropy_target", "2", "phases.grpo.entropy_target: is 2, but objective dapo (dialect trl), as it is set here, has no such number. Set use_adaptive_entropy to true, or remove it. [--set]")]
    [InlineData("target_kl", "0.1", "phases.grpo.target_kl: is 0.1, but the coefficient that it moves starts at 0 and would stay there. Set beta or kl_in_reward above 0. [--set]")]
    [InlineData("sync_ref_model", "true", "phases.grpo.sync_ref_model: is true, but no reference is kept: beta and kl_in_reward are 0. Set one of them, or remove it. [--set]")]
    [InlineData("ref_model_sync_steps", "3", "phases.grpo.ref_model_sync_steps: is 3, but sync_ref_model is false. Set sync_ref_model to true, or remove it. [--set]")]
    [InlineData("rollout_rs_threshold", "3", "phases.grpo.rollout_rs_threshold: is given without rollout_rs. Give rollout_rs rules, and rollout_rs_threshold one bound for all of them or one for each. [--set]")]
    [InlineData("rollout_is_batch_normalize", "true", "phases.grpo.rollout_is_batch_normalize: is true, but there are no weights. Set vllm_importance_sampling_mode too, or remove it. [--set]")]
    [InlineData("entropy_coeff_", "1", "phases.grpo.entropy_coeff_: is no setting. Did you mean entropy_coef? [--set]")]
    [InlineData("use_kl_in_reward", "true", "phases.grpo.use_kl_in_reward: is no setting here. It is called kl_in_reward: a number, 0 or more. [--set]")]
    [InlineData("rollout_rs", "token_k4", "phases.grpo.rollout_rs: is \"token_k4\". Expected rules like \"token_k1,seq_mean_k3\": token, seq_sum, seq_mean or seq_max, then k1, k2 or k3. [--set]")]
    [InlineData("adv_estimator", "gae", "phases.grpo.adv_estimator: is \"gae\", which needs a value function: a run has none. Use grpo, rloo or reinforce_plus_plus; the estimator itself is AdvantageEstimation.Estimate. [--set]")]
    [InlineData("adv_estimator", "remax", "phases.grpo.adv_estimator: is \"remax\", which needs the reward of a greedy completion of each prompt: a run has none. Use grpo, rloo or reinforce_plus_plus; the estimator itself is AdvantageEstimation.Estimate. [--set]")]
    [InlineData("gamma", "0.9", "phases.grpo.gamma: is 0.9, but objective dapo (dialect trl), as it is set here, has no such number. Set adv_estimator to reinforce_plus_plus, or remove it. [--set]")]
    public void A_setting_without_use_is_one_clear_sentence(string key, string value, string sentence) =>
        Assert.Equal(sentence, RunFiles.Error($"phases.grpo.{key}", value));

    [Theory]
    [InlineData("kl_loss_type=k1", "kl_loss_type: is \"k1\", but beta is 0: there is no KL penalty in the loss. Set beta too, or remove it.")]
    [InlineData("use_bias_correction_kl=false", "use_bias_correction_kl: is false, but beta is 0: there is no KL penalty in the loss. Set beta too, or remove it.")]
    [InlineData("objective=r1;dialect=paper;use_bias_correction_kl=true", "use_bias_correction_kl: is true, but the KL penalty of objective r1 is one of whole outputs. Remove it.")]
    [InlineData("kl_penalty=k2", "kl_penalty: is \"k2\", but kl_in_reward is 0: there is no penalty in the reward. Set kl_in_reward too, or remove it.")]
    [InlineData("objective=rloo;population_std=true", "population_std: is true, but adv_estimator rloo, as it is set here, divides by no deviation. Remove it.")]
    [InlineData("objective=rloo;scale_rewards=batch", "scale_rewards: is \"batch\", but adv_estimator rloo has its own scale. Remove it.")]
    [InlineData("adv_estimator=grpo_passk;scale_rewards=batch", "scale_rewards: is \"batch\", but adv_estimator grpo_passk has its own scale. Remove it.")]
    [InlineData("objective=vespo;importance_sampling_level=sequence", "importance_sampling_level: is \"sequence\", but objective vespo takes no level: it has no ratio, or one of its own. Remove it.")]
    [InlineData("objective=gspo;dialect=verl;loss_agg_mode=token-mean", "loss_agg_mode: is \"token-mean\", but objective gspo always is \"seq-mean-token-mean\" in dialect verl. Remove it.")]
    [InlineData("objective=geo_mean;beta=0.1;loss_agg_mode=token-mean", "loss_agg_mode: is \"token-mean\", but objective geo_mean always is \"seq-mean-token-mean\" in dialect trl. Remove it.")]
    public void So_is_a_choice_or_a_flag_without_use(string settings, string sentence) =>
        Assert.Equal([$"phases.grpo.{sentence} [--set]"], RunFiles.Read(Sets(settings)).Errors.Select(error => error.ToString()));

    [Theory]
    [InlineData("kl_loss_type=k3;use_bias_correction_kl=true;kl_penalty=k1;population_std=false;importance_sampling_level=token;loss_agg_mode=token-mean;scale_rewards=group")]
    [InlineData("objective=rloo;scale_rewards=group")]
    [InlineData("objective=rloo;scale_rewards=none")]
    [InlineData("objective=gspo;dialect=verl;loss_agg_mode=token-mean;beta=0.1")]
    [InlineData("objective=gspo;dialect=verl;loss_agg_mode=token-mean;entropy_coef=0.1")]
    [InlineData("objective=gspo;dialect=verl;loss_agg_mode=seq-mean-token-mean")]
    [InlineData("objective=vespo;importance_sampling_level=sequence;beta=0.1")]
    [InlineData("adv_estimator=grpo_passk;scale_rewards=none")]
    [InlineData("adv_estimator=gdpo;population_std=true")]
    public void What_holds_anyway_may_be_said_and_so_may_what_a_part_of_the_loss_reads(string settings) => Assert.Empty(RunFiles.Read(Sets(settings)).Errors);

    private static (string, string)[] Sets(string settings) =>
        [.. settings.Split(';').Select(setting => setting.Split('=')).Select(pair => (pair[0] == "dialect" ? pair[0] : $"phases.grpo.{pair[0]}", pair[1]))];

    [Fact]
    public void Settings_that_contradict_each_other_are_told()
    {
        static string[] Problems(params (string, string)[] sets) => [.. RunFiles.Read([.. sets.Select(set => ($"phases.grpo.{set.Item1}", set.Item2))]).Errors.Select(error => error.Key)];
        Assert.Equal(["phases.grpo.rollout_rs_threshold"], Problems(("rollout_rs", "token_k2,token_k3"), ("rollout_rs_threshold", "1,2,3")));
        Assert.Equal(["phases.grpo.rollout_rs_threshold"], Problems(("rollout_rs", "token_k2"), ("rollout_rs_threshold", "0.5_2")));
        Assert.Equal(["phases.grpo.entropy_coef_min"], Problems(("use_adaptive_entropy", "true"), ("entropy_coef_min", "0.5"), ("entropy_coef_max", "0.1")));
        Assert.Equal(["phases.grpo.kl_in_reward"], Problems(("kl_in_reward", "0.5"), ("adv_estimator", "gdpo")));
        Assert.Equal(["phases.grpo.vllm_importance_sampling_clip_min"], Problems(("rollout_is", "token"), ("vllm_importance_sampling_clip_min", "9")));
    }
}
