using GrpoActors.Audit;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Journal;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>What an objective carries from step to step (coefficients that move, a reference that moves) comes back exactly, and what stops a step names where it was.</summary>
public sealed class MovingObjectiveTests : IDisposable
{
    private static readonly (string, string)[] Moving =
    [
        ("phases.grpo.steps", "8"), ("phases.grpo.objective", "grpo"), ("phases.grpo.beta", "0.05"), ("phases.grpo.target_kl", "0.001"), ("phases.grpo.horizon", "100"),
        ("phases.grpo.sync_ref_model", "true"), ("phases.grpo.ref_model_sync_steps", "3"), ("phases.grpo.ref_model_mixup_alpha", "0.4"),
        ("phases.grpo.use_adaptive_entropy", "true"), ("phases.grpo.entropy_coef", "0.01"), ("phases.grpo.entropy_target", "10"), ("save_steps", "4"),
    ];

    private readonly TinyRun undisturbed = new(), tiny = new();

    public void Dispose()
    {
        undisturbed.Dispose();
        tiny.Dispose();
    }

    [Fact]
    public async Task A_run_with_moving_coefficients_and_reference_that_is_stopped_anywhere_ends_with_the_same_hashes()
    {
        undisturbed.Overrides.AddRange(Moving);
        tiny.Overrides.AddRange(Moving);
        Outcome whole = await undisturbed.Train();
        foreach (int until in new[] { 3, 5, 6, 8 }) // before and after the reference moves (steps 5 and 8 of the run), on and off a checkpoint
        {
            await tiny.StopAfter(until);
        }

        Assert.Equal(whole.Hashes, (await tiny.Train()).Hashes);
        StepInputs[] inputs = [.. undisturbed.Events().OfType<RunEvent.StepCommitted>().Select(e => e.Inputs).Where(inputs => inputs.Kind == PhaseKind.Grpo)];
        Assert.Equal(8, inputs.Select(x => x.Adaptive.EntropyCoefficient).Distinct().Count());
        Assert.True(inputs.Select(x => x.Adaptive.KlCoefficient).Distinct().Count() >= 7);
        Assert.Equal([2, 2, 2, 5, 5, 5, 8, 8], inputs.Select(x => x.ReferenceVersion!.Value.Steps));
        Audited(undisturbed);
    }

    [Fact]
    public async Task Without_any_checkpoint_the_reference_is_drawn_again_from_the_journal()
    {
        undisturbed.Overrides.AddRange(Moving);
        tiny.Overrides.AddRange(Moving);
        string expected = (await undisturbed.Train()).Hashes;
        await tiny.StopAfter(7);
        Directory.Delete(tiny.CheckpointFolder, recursive: true);
        Assert.Equal(expected, (await tiny.Train()).Hashes);
    }

    [Fact]
    public async Task A_reference_that_moves_is_another_one_than_the_frozen_one()
    {
        undisturbed.Overrides.AddRange(Moving);
        tiny.Overrides.AddRange([.. Moving, ("phases.grpo.sync_ref_model", "false"), ("phases.grpo.ref_model_sync_steps", "null"), ("phases.grpo.ref_model_mixup_alpha", "null")]);
        Assert.NotEqual((await undisturbed.Train()).Result.WeightsSha256, (await tiny.Train()).Result.WeightsSha256);
    }

    /// <summary>Every part that a run file can switch on, in real runs.</summary>
    [Theory]
    [InlineData("objective=sapo;sapo_temperature_pos=2")]
    [InlineData("objective=vespo;vespo_k_pos=1")]
    [InlineData("objective=kl_cov;kl_cov_ratio=0.1;num_iterations=2")]
    [InlineData("objective=clip_cov;clip_cov_ratio=0.1;clip_cov_lb=-5;num_iterations=2")]
    [InlineData("objective=rloo;kl_in_reward=0.05;target_kl=0.1")]
    [InlineData("objective=grpo;adv_estimator=opo")]
    [InlineData("objective=grpo;adv_estimator=gdpo")]
    [InlineData("objective=reinforce;adv_estimator=reinforce_plus_plus;gamma=0.9;kl_in_reward=0.01;kl_penalty=k3")]
    [InlineData("objective=grpo;mask_truncated_completions=true;advantage_clip=0.5;population_std=true;advantage_epsilon=0.1")]
    [InlineData("objective=dapo;top_entropy_quantile=0.3;entropy_coef=0.01")]
    [InlineData("objective=grpo;vllm_importance_sampling_mode=sequence_mask;rollout_rs=seq_mean_k3;rollout_rs_threshold=0.5;off_policy_mask_threshold=0.1")]
    [InlineData("objective=grpo;use_decoupled_loss=true;rollout_is=token;rollout_is_threshold=2;num_iterations=2;mini_batches=3")]
    public async Task A_run_with_it_ends_and_its_journal_passes_the_audit(string settings)
    {
        tiny.Overrides.AddRange(settings.Split(';').Select(setting => setting.Split('=')).Select(pair => ($"phases.grpo.{pair[0]}", pair[1])));
        tiny.Overrides.AddRange([("order", "canonical"), ("lag", "1"), ("phases.grpo.steps", "3")]);
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.Completed, outcome.Result.End);
        Assert.All(outcome.Steps, step => Assert.All(step.Metrics, metric => Assert.True(double.IsFinite(metric.Value), metric.Name)));
        Audited(tiny);
    }

    [Theory]
    [InlineData(false, "log-prob")]
    [InlineData(true, "reference log-prob")]
    public async Task A_forward_pass_that_gives_NaN_ends_the_run_by_the_name_of_the_completion_and_reaches_no_weight(bool byReference, string what)
    {
        tiny.Overrides.AddRange([("phases.grpo.objective", "grpo"), ("phases.grpo.beta", "0.05"), ("phases.grpo.prefix_sharing", "false"), ("micro_batch_tokens", "1")]);
        tiny.Engine = engine => new FaultyEngine(engine) { AfterForward = (reference, k, scores) => scores.LogProbs[0] = reference == byReference && k == 18 ? float.NaN : scores.LogProbs[0] };
        Outcome outcome = await tiny.Train();
        Assert.Equal(RunEnd.SentinelTripped, outcome.Result.End);
        string sentence = Assert.Single(tiny.Log.Lines, line => line.StartsWith("Warning: Step ", StringComparison.Ordinal) && line.Contains("cannot be trained", StringComparison.Ordinal));
        Assert.Matches($@"Step \d cannot be trained: Completion 1\.p\.\d+[^ ]*: The {what} of token 0 of row 0 is NaN", sentence);
        long step = outcome.Steps[^1].RunStep;
        Assert.StartsWith($"Warning: Step {step + 1} cannot", sentence, StringComparison.Ordinal); // the one after the last that was committed
        Assert.Equal(step - 1, tiny.Events().OfType<RunEvent.StepCommitted>().Last().Inputs.Step);
    }

    private static void Audited(TinyRun run)
    {
        using IJournalReader journal = run.Journal.OpenForReading();
        RunIdentity plan = run.Plan().Identity;
        Assert.Empty(JournalAudit.Run(journal, plan, PlanIdentity.IdentityDigest(plan)).Findings);
    }
}
