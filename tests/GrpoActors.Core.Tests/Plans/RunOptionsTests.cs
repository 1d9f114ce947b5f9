using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

public sealed class RunOptionsTests
{
    [Fact]
    public void A_small_run_file_becomes_a_plan_with_every_default_filled()
    {
        PlanResult result = RunFiles.Read();
        Assert.Empty(result.Errors);
        RunPlan plan = result.PlanOrThrow();
        Assert.Equal([PhaseKind.Sft, PhaseKind.Grpo], plan.Identity.Phases.Select(phase => phase.Kind));
        PhasePlan grpo = plan.Identity.Phases[1];
        Assert.Equal(32, grpo.Groups.GroupsPerStep);
        Assert.Equal(96, grpo.Data.MaxPromptLength);
        Assert.Equal(2, Assert.Single(grpo.Groups.Sampling.EosTokens));
        Assert.Equal(42UL, plan.Identity.Seed);
        Assert.Equal("runs/small", plan.Operation.RunFolder);
        Assert.Equal(["answer", "format"], plan.Identity.Rewards.Select(reward => reward.Name));
        Assert.Equal(TimeSpan.FromMilliseconds(500), plan.Identity.Rewards[1].Deadline);
        Assert.Equal("answer", plan.Identity.Evaluation!.Reward);
        Assert.Equal(32, plan.Identity.Evaluation.MaxCompletionLength);
    }

    [Fact]
    public void Paths_in_the_run_file_are_relative_to_it_and_typed_ones_to_where_they_are_typed()
    {
        Assert.Equal("recipes/prompts.jsonl", RunFiles.Read().PlanOrThrow().Identity.Phases[1].Data.Path);
        Assert.Equal("mine.jsonl", RunFiles.Read(("phases.grpo.data", "mine.jsonl")).PlanOrThrow().Identity.Phases[1].Data.Path);
    }

    [Fact]
    public void A_tilde_at_the_beginning_of_a_path_is_the_home_folder()
    {
        string json = RunFiles.Small.Replace("\"prompts.jsonl\"", "\"~/rows/prompts.jsonl\"", StringComparison.Ordinal);
        RunPlan plan = RunOptions.Parse(json, "recipes/small.json", home: "/home/ann").With("run_dir", "~/runs/a").With("journal", "~/a.db").With("phases.sft.data", "~ann/worked.jsonl")
            .ToPlan(new KnownFacts()).PlanOrThrow();
        Assert.Equal(
            ("/home/ann/rows/prompts.jsonl", "~ann/worked.jsonl", "/home/ann/runs/a", "/home/ann/a.db"),
            (plan.Identity.Phases[1].Data.Path, plan.Identity.Phases[0].Data.Path, plan.Operation.RunFolder, plan.Operation.Journal));
        Assert.Equal("Host=~;Database=grpo", RunFiles.Read(("journal", "Host=~;Database=grpo")).PlanOrThrow().Operation.Journal);
    }

    [Theory]
    [InlineData("true", AdvantageScale.Group)]
    [InlineData("True", AdvantageScale.Group)]
    [InlineData("false", AdvantageScale.None)]
    [InlineData("batch", AdvantageScale.Batch)]
    public void Scale_rewards_takes_the_flags_of_TRL(string written, AdvantageScale scale)
    {
        PlanResult result = RunFiles.Read(("phases.grpo.scale_rewards", written));
        Assert.Equal(scale, result.PlanOrThrow().Identity.Phases[1].Groups.Objective.Advantages.Scale);
        Assert.Equal($"\"{scale.ToString().ToLowerInvariant()}\"", result.Values.Single(value => value.Key == "phases.grpo.scale_rewards").Value);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("null", 0)]
    [InlineData("0.5", 0.5)]
    public void Max_grad_norm_0_or_null_switches_clipping_off(string written, double norm) =>
        Assert.Equal(norm, RunFiles.Read(("phases.grpo.max_grad_norm", written)).PlanOrThrow().Identity.Phases[1].Optimizer.MaxGradNorm);

    [Theory]
    [InlineData("{}", "neither min_lr nor min_lr_rate")]
    [InlineData("{\"min_lr\":1e-7,\"min_lr_rate\":0.1}", "both min_lr and min_lr_rate")]
    [InlineData("{\"min_lr\":1e-7}", null)]
    [InlineData("{\"min_lr_rate\":0.1}", null)]
    public void Cosine_with_min_lr_needs_its_lowest_rate_once(string settings, string? problem)
    {
        PlanResult result = RunFiles.Read(("phases.grpo.lr_scheduler_type", "cosine_with_min_lr"), ("phases.grpo.lr_scheduler_kwargs", settings));
        if (problem is null)
        {
            Assert.Empty(result.Errors);
        }
        else
        {
            Assert.Contains(problem, Assert.Single(result.Errors).Problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_polynomial_that_would_not_fall_is_refused() => Assert.Contains(
        "has lr_end 1e-7 by default, which is not below learning_rate (1e-7)",
        Assert.Single(RunFiles.Read(("phases.grpo.lr_scheduler_type", "polynomial"), ("phases.grpo.learning_rate", "1e-7")).Errors).Problem, StringComparison.Ordinal);

    [Fact]
    public void What_differs_from_the_defaults_is_known()
    {
        string[] written = [.. RunFiles.Read(("lag", "0"), ("seed", "7"), ("dialect", "verl")).Values.Where(value => !value.IsDefault).Select(value => value.Key)];
        Assert.Contains("seed", written);
        Assert.Contains("phases.grpo.groups_per_step", written);
        Assert.DoesNotContain("lag", written); // written, and the default
        Assert.DoesNotContain("phases.grpo.weight_decay", written); // the dialect's
        Assert.DoesNotContain("phases.grpo.max_prompt_length", written); // follows from others
    }

    [Theory]
    [InlineData("", "nothing is written there")]
    [InlineData("  // nothing\n", "nothing is written there")]
    [InlineData("{\"seed\": 1", "a number is not followed by a comma or a bracket")]
    [InlineData("{\"seed\": {", "it ends ")]
    [InlineData("{\"seed\": True}", "'T' is an invalid start of a value")]
    [InlineData("{} {}", "'{' stands behind the end of the value")]
    public void Broken_JSON_is_told_without_words_of_its_parser(string json, string expected)
    {
        string sentence = RunOptions.Parse(json).ToPlan(new KnownFacts()).Errors[0].ToString();
        Assert.Contains(expected, sentence, StringComparison.Ordinal);
        Assert.All(["token", "payload", "isFinalBlock", "reader"], word => Assert.DoesNotContain(word, sentence, StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_line_wins_over_the_environment_and_that_over_the_run_file()
    {
        RunOptions file = RunOptions.Parse(RunFiles.Small, "small.json");
        RunOptions environment = file.WithEnvironment([new("GRPO__phases__grpo__steps", "7"), new("PATH", "x"), new("GRPO_KILLS", "9")]);
        RunOptions command = environment.With("phases.grpo.steps", "9");
        Assert.Equal([3, 7, 9], new[] { file, environment, command }.Select(options => options.ToPlan(new KnownFacts()).PlanOrThrow().Identity.Phases[1].Steps));
        Assert.Equal(
            ["small.json:10", "environment GRPO__phases__grpo__steps", "--set"],
            new[] { file, environment, command }.Select(options => options.ToPlan(new KnownFacts()).Values.Single(value => value.Key == "phases.grpo.steps").Source.ToString()));
    }

    [Fact]
    public void Environment_names_may_be_written_in_capitals()
    {
        RunOptions options = RunOptions.Parse(RunFiles.Small).WithEnvironment([new("GRPO__PHASES__GRPO__STEPS", "7")]);
        Assert.Equal(7, options.ToPlan(new KnownFacts()).PlanOrThrow().Identity.Phases[1].Steps);
    }

    [Fact]
    public void Every_value_knows_its_source()
    {
        var sources = RunFiles.Read(("dialect", "verl"), ("seed", "1")).Values.ToDictionary(value => value.Key, value => value.Source.ToString());
        Assert.Equal("--set", sources["seed"]);
        Assert.Equal("default", sources["lag"]);
        Assert.Equal("dialect verl", sources["phases.grpo.weight_decay"]);
        Assert.Equal("small.json:11", sources["phases.grpo.groups_per_step"]);
        Assert.Equal("the context less the completion", sources["phases.grpo.max_prompt_length"]);
    }

    [Fact]
    public void Null_means_the_default()
    {
        Assert.Null(RunFiles.Read(("evaluation", "null")).PlanOrThrow().Identity.Evaluation);
        Assert.Equal(8, RunFiles.Read(("phases.sft.examples_per_step", "null")).PlanOrThrow().Identity.Phases[0].ExamplesPerStep);
    }

    [Fact]
    public void All_mistakes_come_at_once()
    {
        PlanResult result = RunFiles.Read(
            ("phases.grpo.num_generations", "1"), ("phases.grpo.learning_rat", "1"), ("seed", "x"), ("rewards.answer.kind", "exakt"), ("phases.sft.data", "absent.jsonl"));
        Assert.Null(result.Plan);
        Assert.Equal(
            ["phases.grpo.learning_rat", "phases.grpo.num_generations", "phases.sft.data", "rewards.answer.kind", "seed"],
            result.Errors.Select(error => error.Key).Order());
        Assert.Throws<ConfigException>(result.PlanOrThrow);
    }

    [Theory]
    [InlineData("phases.grpo.mini_batches", "5", "phases.grpo.mini_batches: is 5, which does not divide groups_per_step (32). Try 4 or 8. [--set]")]
    [InlineData("phases.grpo.mini_batches", "64", "phases.grpo.mini_batches: is 64, which does not divide groups_per_step (32). Try 32. [--set]")]
    [InlineData("phases.grpo.num_generations", "1", "phases.grpo.num_generations: is 1. Expected a whole number from 2 to 4096. [--set]")]
    [InlineData("phases.grpo.steps", "3.5", "phases.grpo.steps: is 3.5. Expected a whole number, 1 or more. [--set]")]
    [InlineData("phases.grpo.temperature", "0", "phases.grpo.temperature: is 0. Expected a number, above 0. [--set]")]
    [InlineData("phases.grpo.top_p", "1.5", "phases.grpo.top_p: is 1.5. Expected a number, above 0 and at most 1. [--set]")]
    [InlineData("phases.grpo.learning_rat", "1", "phases.grpo.learning_rat: is no setting. Did you mean learning_rate? [--set]")]
    [InlineData("phases.grpo.lr", "1", "phases.grpo.lr: is no setting here. It is called learning_rate: a number, above 0. [--set]")]
    [InlineData("phases.grpo.examples_per_step", "1", "phases.grpo.examples_per_step: belongs to a sft phase. Remove it, or move it there. [--set]")]
    [InlineData("num_generations", "8", "num_generations: stands in the wrong place. It belongs to phases.NAME. [--set]")]
    [InlineData("phases.gpro.steps", "3", "phases.gpro.steps: names \"gpro\", which phases does not have; there are sft, grpo. Did you mean grpo? [--set]")]
    [InlineData("order", "canonic", "order: is \"canonic\". Did you mean canonical? Expected one of canonical, arrival. [--set]")]
    [InlineData("phases.grpo.warmup_steps", "4", null)]
    [InlineData("phases.grpo.max_completion_length", "128", "phases.grpo.max_completion_length: is 128, which leaves no room for a prompt in the model's context of 128 tokens. Try at most 64. [--set]")]
    [InlineData("phases.grpo.max_prompt_length", "97", "phases.grpo.max_prompt_length: is 97, which with max_completion_length (32) exceeds the model's context of 128 tokens. Try at most 96. [--set]")]
    [InlineData("phases.grpo.refill", "2", "phases.grpo.refill: is 2, but no group is ever dropped: drop_zero_spread is false and keep_unscorable true. Set drop_zero_spread to true, or remove refill. [--set]")]
    [InlineData("phases.grpo.lr_scheduler_kwargs", "{\"power\":2}", "phases.grpo.lr_scheduler_kwargs: has power, which lr_scheduler_type linear does not know. Remove it. [--set]")]
    [InlineData("phases.grpo.lr_scheduler_type", "cosine_with_min_lr", "phases.grpo.lr_scheduler_kwargs: has neither min_lr nor min_lr_rate, and lr_scheduler_type cosine_with_min_lr needs one of them. Give the lowest rate, { \"min_lr\": 1e-7 }, or its share of learning_rate, { \"min_lr_rate\": 0.1 }. [small.json:9]")]
    [InlineData("phases.sft.lr_scheduler_type", "polynomial", null)]
    [InlineData("phases.grpo.scale_rewards", "true", null)]
    [InlineData("phases.grpo.scale_rewards", "yes", "phases.grpo.scale_rewards: is \"yes\". Expected one of group, batch, none. [--set]")]
    [InlineData("phases.grpo.max_grad_norm", "-1", "phases.grpo.max_grad_norm: is -1. Expected a number, 0 or more. [--set]")]
    [InlineData("seed", "18446744073709551616", "seed: is 18446744073709551616. Expected a whole number from 0 to 18446744073709551615. [--set]")]
    [InlineData("seed", "-1", "seed: is -1. Expected a whole number, 0 or more. [--set]")]
    [InlineData("phases.grpo.steps", "9999999999", "phases.grpo.steps: is 9999999999. Expected a whole number from 1 to 2147483647. [--set]")]
    [InlineData("evaluation.reward", "anser", "evaluation.reward: is \"anser\", which is none of rewards. Did you mean answer? [--set]")]
    [InlineData("rewards.format.timeout", "10", null)]
    [InlineData("rewards.format.timeout", "10 s", "rewards.format.timeout: is \"10 s\". Expected a time above 0 and at most 7 days: seconds, or a text such as \"500ms\", \"30s\", \"5m\", \"1h\". [--set]")]
    [InlineData("rewards.answer.settings", "{\"wrong\":1}", "rewards.answer.settings.wrong: is no setting of this reward. Remove it. [--set]")]
    [InlineData("rewards.answer.kind", "exakt", "rewards.answer.kind: is \"exakt\", which is no reward. There are exact, format. [--set]")]
    [InlineData("engine", "gpu", "engine: is \"gpu\", which is no engine. There is cpu. [--set]")]
    [InlineData("phases.sft.data", "empty.jsonl", "phases.sft.data: is empty.jsonl, which has no rows. Expected one JSON object a line. [--set]")]
    [InlineData("phases.sft.kind", "dpo", "phases.sft.kind: is \"dpo\". Expected one of sft, grpo. [--set]")]
    [InlineData("model.path", "somewhere", "model: has both path and config. Give one: path, a Hugging Face folder, or config for a random start. [small.json:3]")]
    [InlineData("model.tokenizer", "null", "model.tokenizer: is missing: a model that starts at random has none of its own. Give { \"characters\": \"0123456789+-= \" }. [small.json:3]")]
    [InlineData("phases.grpo.delta", "0", "phases.grpo.delta: is 0. Expected a number, above 0. [--set]")]
    [InlineData("phases.grpo.clip_ratio_c", "1", "phases.grpo.clip_ratio_c: is 1. Expected a number, above 1. [--set]")]
    [InlineData("rewards", "[]", "rewards: is empty. Phase grpo needs at least one reward function. [--set]")]
    [InlineData("phases..steps", "3", "phases..steps: is no path of a setting. Write for example phases.grpo.steps=3. [--set]")]
    public void A_mistake_is_one_clear_sentence(string key, string value, string? sentence)
    {
        var errors = RunFiles.Read((key, value)).Errors.Select(error => error.ToString()).ToList();
        if (sentence is null)
        {
            Assert.Empty(errors);
        }
        else
        {
            Assert.Contains(sentence, errors);
        }
    }

    [Theory]
    [InlineData("trl", "dapo", 0.2, 0.0, AdvantageEstimator.Grpo)]
    [InlineData("verl", "vanilla", 0.2, 0.0, AdvantageEstimator.Grpo)]
    [InlineData("paper", "grpo", 0.2, 0.04, AdvantageEstimator.Grpo)]
    public void The_dialect_fills_in_the_objective(string dialect, string objective, double epsilon, double beta, AdvantageEstimator estimator)
    {
        ObjectivePlan plan = RunFiles.Read(("dialect", dialect)).PlanOrThrow().Identity.Phases[1].Groups.Objective;
        Assert.Equal(objective, plan.Name);
        Assert.Equal(epsilon, Assert.IsType<Surrogate.Clip>(plan.Surrogate).Low);
        Assert.Equal(beta, plan.Kl.Coefficient);
        Assert.Equal(estimator, plan.Advantages.Estimator);
    }

    [Fact]
    public void Settings_of_the_objective_reach_the_plan()
    {
        PlanResult result = RunFiles.Read(
            ("phases.grpo.loss_type", "grpo"), ("phases.grpo.epsilon_high", "0.28"), ("phases.grpo.beta", "0.01"), ("phases.grpo.adv_estimator", "rloo"),
            ("phases.grpo.scale_rewards", "none"), ("phases.grpo.importance_sampling_level", "sequence"), ("phases.grpo.loss_agg_mode", "token-mean"));
        ObjectivePlan plan = result.PlanOrThrow().Identity.Phases[1].Groups.Objective;
        Assert.Equal(("grpo", 0.28, 0.01), (plan.Name, ((Surrogate.Clip)plan.Surrogate).High, plan.Kl.Coefficient));
        Assert.Equal((AdvantageEstimator.LeaveOneOut, AdvantageScale.None), (plan.Advantages.Estimator, plan.Advantages.Scale));
        Assert.Equal((RatioLevel.SequenceMean, AggregationForm.TokenMean), (plan.Ratio.Level, plan.Aggregation.Form));
        Assert.Equal(32, plan.Aggregation.Norm);
        var sources = result.Values.ToDictionary(value => value.Key, value => (value.Value, value.Source.ToString()));
        Assert.Equal(("\"grpo\"", "--set"), sources["phases.grpo.objective"]);
        Assert.Equal(("0.2", "grpo in dialect trl"), sources["phases.grpo.epsilon"]);
    }

    [Fact]
    public void Every_objective_offered_gives_a_plan_in_every_dialect()
    {
        foreach (string dialect in new[] { "trl", "verl", "paper" })
        {
            foreach (string objective in ObjectiveDefaults.Names)
            {
                Assert.Empty(RunFiles.Read(("dialect", dialect), ("phases.grpo.objective", objective)).Errors);
            }
        }
    }

    [Fact]
    public void A_second_name_is_taken_too_and_the_later_layer_wins()
    {
        Assert.Equal(4, RunFiles.Read(RunFiles.Small.Replace("\"model\"", "\"save_steps\": 9, \"model\""), ("checkpoint_steps", "4")).PlanOrThrow().Operation.CheckpointEverySteps);
        Assert.Equal(4, RunFiles.Read(("evaluation.every", "4")).PlanOrThrow().Identity.Evaluation!.EverySteps);
        Assert.Equal(
            "save_steps: is also given as checkpoint_steps. Keep one of them. [--set]",
            Assert.Single(RunFiles.Read(("save_steps", "3"), ("checkpoint_steps", "4")).Errors).ToString());
    }

    [Fact]
    public void Arrival_order_has_no_refill()
    {
        PlanResult result = RunFiles.Read(("order", "arrival"), ("phases.grpo.refill", "2"), ("phases.grpo.drop_zero_spread", "true"));
        Assert.Contains("order arrival", Assert.Single(result.Errors).Problem);
    }

    [Fact]
    public void Filters_of_the_sampler_are_warned_about()
    {
        Assert.Contains("kept_mass", Assert.Single(RunFiles.Read(("phases.grpo.top_k", "5")).Warnings));
        Assert.Empty(RunFiles.Read().Warnings);
    }

    [Fact]
    public void A_shortened_phase_may_end_within_its_warm_up()
    {
        Assert.Equal("phases.grpo: warmup_steps (4) exceed the phase's steps (3), so the learning rate never reaches its peak.", Assert.Single(RunFiles.Read(("phases.grpo.warmup_steps", "4")).Warnings));
    }

    [Theory]
    [InlineData("{ \"seed\": 1,\n \"lag\": }", "is no valid JSON at line 2, byte 9")]
    [InlineData("{ \"seed\": 1", "is no valid JSON at line 1")]
    [InlineData("", "is no valid JSON at line 1")]
    [InlineData("[1]", "is [1], where an object was expected.")]
    [InlineData("{} {}", "is no valid JSON at line 1")]
    public void Broken_JSON_is_reported_with_its_line(string json, string problem)
    {
        ConfigError error = RunFiles.Read(json).Errors[0];
        Assert.StartsWith(problem, error.Problem);
    }

    [Fact]
    public void A_key_given_twice_is_an_error_with_both_lines()
    {
        PlanResult result = RunFiles.Read(RunFiles.Small.Replace("\"steps\": 3,", "\"steps\": 3,\n\"steps\": 4,"));
        Assert.Equal("phases.grpo.steps: is given twice, in lines 10 and 11. Keep one of them. [small.json:11]".Replace("phases.grpo", "phases[1]"), Assert.Single(result.Errors).ToString());
    }

    [Fact]
    public void Two_phases_of_one_name_are_an_error()
    {
        PlanResult result = RunFiles.Read(RunFiles.Small.Replace("\"name\": \"sft\"", "\"name\": \"grpo\""));
        Assert.Contains(result.Errors, error => error.Key == "phases.grpo" && error.Problem.Contains("lines") | error.Problem.Contains("name of 2"));
    }

    [Fact]
    public void An_empty_object_lacks_model_and_phases()
    {
        Assert.Equal(["model", "phases"], RunFiles.Read("{}").Errors.Select(error => error.Key));
    }

    [Theory]
    [InlineData("learning_rat", "learning_rate", 1)]
    [InlineData("gprp", "grpo", 2)]
    [InlineData("gpro", "grpo", 1)]
    [InlineData("", "abc", 3)]
    public void Distance_counts_insertions_deletions_substitutions_and_swaps(string a, string b, int distance) =>
        Assert.Equal(distance, NearestNameDistance(a, b));

    private static int NearestNameDistance(string a, string b) => NearestName.Distance(a, b);
}
