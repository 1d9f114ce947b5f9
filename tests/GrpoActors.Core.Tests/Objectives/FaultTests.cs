using GrpoActors.Core.Dumps;
using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class FaultTests
{
    private static readonly ObjectivePlan Plan = ObjectivePlan.For(Dialect.Trl, "grpo",
        new() { Beta = 0.1, EntropyCoef = 0.1, ImportanceSamplingMode = "token_truncate" });

    [Theory]
    [InlineData("log-prob")]
    [InlineData("old log-prob")]
    [InlineData("sampling log-prob")]
    [InlineData("reference log-prob")]
    [InlineData("entropy")]
    [InlineData("advantage")]
    public void A_number_that_is_not_finite_stops_with_its_row_and_token(string quantity)
    {
        foreach (double bad in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
        {
            var update = RandomUpdate.Draw(3, Plan);
            int row = Enumerable.Range(0, update.Rows).First(i => update.RowStarts[i + 1] > update.RowStarts[i] && update.Mask[update.RowStarts[i + 1] - 1]);
            int token = update.RowStarts[row + 1] - 1;
            var totals = update.Totals(Plan);
            switch (quantity)
            {
                case "log-prob": update.LogProbs[token] = bad; break;
                case "old log-prob": update.Old[token] = bad; break;
                case "sampling log-prob": update.Sampling[token] = bad; break;
                case "reference log-prob": update.Reference[token] = bad; break;
                case "entropy": update.Entropies[token] = bad; break;
                default: update.Advantages[row] = bad; break;
            }
            var fault = Assert.Throws<NonFiniteTokenException>(() =>
                Objective.Evaluate(Plan, update.Batch(Plan), totals, new double[update.LogProbs.Length], new double[update.LogProbs.Length]));
            Assert.Equal(row, fault.Row);
            Assert.Equal(quantity, fault.Quantity);
            if (quantity != "advantage")
                Assert.Equal(token - update.RowStarts[row], fault.Token);
        }
    }

    /// <summary>As many rows as tokens, one of them empty: no count could tell which of the two the advantages belong to.</summary>
    [Fact]
    public void Advantages_of_tokens_are_said_to_be_so()
    {
        var plan = ObjectivePlan.For(Dialect.Trl, "dapo");
        double[] Gradient(bool perToken)
        {
            double[] gradient = new double[2];
            Objective.Evaluate(plan, new ObjectiveBatch<double> { RowStarts = [0, 0, 2], LogProbs = [-1, -1], Advantages = [1.0, 2.0], PerToken = perToken }, new(2, 2, 1), gradient, []);
            return gradient;
        }

        Assert.Equal([-0.5, -1], Gradient(perToken: true));
        Assert.Equal([-1, -1], Gradient(perToken: false));
    }

    [Fact]
    public void A_ratio_that_overflows_stops_instead_of_reaching_the_weights()
    {
        var plan = ObjectivePlan.For(Dialect.Trl, "grpo");
        var batch = new ObjectiveBatch<double> { RowStarts = [0, 1], LogProbs = [0], Old = [-1000], Advantages = [-1.0] };
        NonFiniteTokenException? fault = null;
        try
        {
            Objective.Evaluate(plan, batch, new(1, 1, 1), new double[1], []);
        }
        catch (NonFiniteTokenException e)
        {
            fault = e;
        }
        Assert.Equal("gradient coefficient", fault?.Quantity);
    }

    [Theory]
    [InlineData("grpo")]
    [InlineData("rloo")]
    public void A_ratio_that_overflows_where_it_is_clipped_has_no_gradient(string name)
    {
        var plan = ObjectivePlan.For(Dialect.Trl, name);
        double[] gradient = [7];
        var result = Objective.Evaluate(plan, new ObjectiveBatch<double> { RowStarts = [0, 1], LogProbs = [0], Old = [-1000], Advantages = [1.0] }, new(1, 1, 1), gradient, []);
        Assert.Equal((0.0, -1.2), (gradient[0], result.Loss));
    }

    /// <summary>All but dro, whose loss has a part without the advantage.</summary>
    public static TheoryData<string> Objectives() => [.. ObjectiveDefaults.Names.Where(name => name != "dro")];

    [Theory]
    [MemberData(nameof(Objectives))]
    public void Without_an_advantage_a_ratio_that_overflows_is_no_loss_and_no_gradient(string name)
    {
        foreach (Dialect dialect in Enum.GetValues<Dialect>())
        {
            var plan = ObjectivePlan.For(dialect, name, new() { Beta = 0 });
            double[] gradient = [7, 7];
            var result = Objective.Evaluate(plan, new ObjectiveBatch<double> { RowStarts = [0, 2], LogProbs = [0, -1], Old = [-1000, -1.1], Advantages = [0.0] }, new(2, 1, 1), gradient, []);
            Assert.Equal((0.0, 0.0, 0.0), (gradient[0], gradient[1], result.Loss));
        }
    }

    [Fact]
    public void A_token_that_the_entropy_quantile_masks_has_no_loss_whatever_its_ratio()
    {
        var plan = ObjectivePlan.For(Dialect.Trl, "dapo", new() { TopEntropyQuantile = 0.5 });
        double[] gradient = [7, 7];
        var batch = new ObjectiveBatch<double> { RowStarts = [0, 2], LogProbs = [0, -1], Old = [-1000, -1], Entropies = [0, 1], Advantages = [-1.0] };
        var result = Objective.Evaluate(plan, batch, new(2, 1, 1) { EntropyThreshold = 0.5 }, gradient, []);
        Assert.Equal((0.0, 0.5, 0.5), (gradient[0], gradient[1], result.Loss));
    }

    [Fact]
    public void A_loss_that_overflows_stops_where_its_gradient_does_not()
    {
        var plan = ObjectivePlan.For(Dialect.Trl, "grpo", new() { Beta = 0.1, KlLossType = "k3+", UseBiasCorrectionKl = false });
        var fault = Assert.Throws<NonFiniteTokenException>(() => Objective.Evaluate(plan,
            new ObjectiveBatch<double> { RowStarts = [0, 1, 2], LogProbs = [-1, -1000], Old = [-1, -1000], Reference = [-1, -1], Advantages = [1.0, 1.0] }, new(2, 2, 2), new double[2], []));
        Assert.Equal((1, -1, "loss"), (fault.Row, fault.Token, fault.Quantity));
    }

    [Theory]
    [InlineData("gropo", "grpo")]
    [InlineData("", "grpo")]
    public void An_unknown_objective_is_answered_with_the_names_there_are(string name, string expected) =>
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => ObjectivePlan.For(Dialect.Verl, name)).Message);

    [Fact]
    public void Missing_reference_log_probs_are_named() => Assert.Contains("reference log-probs", Assert.Throws<ArgumentException>(() =>
        Objective.Evaluate(ObjectivePlan.For(Dialect.Trl, "grpo", new() { Beta = 0.1 }),
            new ObjectiveBatch<double> { RowStarts = [0, 1], LogProbs = [-1], Old = [-1], Advantages = [1.0] }, new(1, 1, 1), new double[1], [])).Message);

    [Theory]
    [InlineData("kl_in_reward", "0.1", "rewards")]
    [InlineData("kl_penalty", "\"k2\"", "rewards")]
    [InlineData("gamma", "0.9", "whole completions")]
    [InlineData("lam", "0.9", "whole completions")]
    [InlineData("target_kl", "0.1", "kl_loss_coef")]
    [InlineData("horizon", "5", "kl_loss_coef")]
    [InlineData("use_adaptive_entropy", "true", "entropy_coef")]
    [InlineData("entropy_target", "0.1", "entropy_coef")]
    [InlineData("sync_ref_model", "true", "the dump's reference")]
    [InlineData("ref_model_sync_steps", "1", "the dump's reference")]
    [InlineData("ref_model_mixup_alpha", "1", "the dump's reference")]
    public void A_setting_that_a_replay_cannot_follow_is_refused_by_its_name(string name, string value, string says)
    {
        string message = Assert.Throws<FormatException>(() => ObjectiveReplay.Replay(
            $$"""{"trl": "1", "mask": [[1]], "rewards": [1], "cases": [{"config": {"loss_type": "grpo", "{{name}}": {{value}}}, "loss": 0}]}""")).Message;
        Assert.Contains($"{name} is {value}", message);
        Assert.Contains(says, message);
    }

    [Fact]
    public void What_is_off_in_the_library_may_stand_in_a_dump() => Assert.Equal(0, ObjectiveReplay.Replay("""
        {"trl": "1", "mask": [[1]], "rewards": [1], "new": [[-1]], "old": [[-1]], "cases": [{"config": {"loss_type": "grpo", "kl_in_reward": 0, "gamma": 1.0, "target_kl": null, "sync_ref_model": false}, "loss": 0}]}
        """).Largest);

    [Fact]
    public void A_dump_says_how_long_a_completion_may_be()
    {
        // dr_grpo: advantages -1/2 and 1/2 of two rows, divided by 2 rows and 10 tokens; the rows are padded to 1.
        static double Loss(string more) => ObjectiveReplay.Replay($$"""
            {"trl": "1", "group_size": 2, {{more}} "mask": [[1], [1]], "rewards": [0, 1], "new": [[-1], [-1]], "old": [[-1], [-1]],
             "cases": [{"config": {"loss_type": "dr_grpo", "scale_rewards": "none"}, "gradient": [[0.025], [-0.025]]}]}
            """).Largest;
        Assert.Equal(0, Loss("\"max_completion_length\": 10,"), 1e-15);
        Assert.Equal(9, Loss(""), 1e-12);
    }

    [Fact]
    public void A_decoupled_case_divides_by_old_and_weighs_old_against_sampling()
    {
        // Ratio new / old = 1.1, weight old / sampling = 1.5, cut to 1.4; advantages -1/2 and 1/2.
        string dump = $$"""
            {"verl": "1", "group_size": 2, "mask": [[1], [1]], "rewards": [0, 1], "new": [[{{-1 + Math.Log(1.1):R}}], [{{-1 + Math.Log(1.1):R}}]], "old": [[-1], [-1]],
             "sampling": [[{{-1 - Math.Log(1.5):R}}], [{{-1 - Math.Log(1.5):R}}]],
             "cases": [{"config": {"loss_mode": "vanilla", "norm_adv_by_std_in_grpo": false, "use_decoupled_loss": true, "rollout_is": "token", "rollout_is_threshold": 1.4},
                        "loss": 0, "gradient": [[0.385], [-0.385]], "metrics": {"rollout_corr/rollout_is_max": 1.4, "rollout_corr/kl": {{-Math.Log(1.5):R}} } }]}
            """;
        Assert.Equal(0, ObjectiveReplay.Replay(dump).Largest, 1e-8);
    }

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("{\"cases\": []}", "names no library")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1]], \"rewards\": [1], \"cases\": [{\"config\": {\"loss_type\": \"grpo\", \"betta\": 1}}]}", "betta")]
    [InlineData("{\"trl\": \"1\", \"rewards\": [1], \"cases\": []}", "mask")]
    [InlineData("{\"trl\": \"1\", \"mask\": [], \"rewards\": [], \"cases\": []}", "no token that counts")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[0, 0]], \"rewards\": [1], \"cases\": [{}]}", "no token that counts")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1]], \"rewards\": [1], \"cases\": []}", "no case")]
    [InlineData("{\"trl\": \"1\", \"pairs\": 0, \"mask\": [[1]], \"cases\": []}", "no case")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1]], \"rewards\": [1], \"new\": [[-1]], \"old\": [[-1]], \"cases\": [{\"config\": {\"loss_type\": \"grpo\"}, \"metrics\": {}}]}", "neither loss, gradient, metrics nor advantages")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1]], \"new\": [[-1]], \"old\": [[-1]], \"cases\": [{\"config\": {\"loss_type\": \"grpo\"}, \"loss\": 0}]}", "0 rewards for 1 rows")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1, 1]], \"rewards\": [1], \"new\": [[-1, -1]], \"old\": [[-1]], \"cases\": [{\"config\": {\"loss_type\": \"grpo\"}, \"loss\": 0}]}", "Row 0 of the dump has 1 entries where 2 tokens")]
    public void A_dump_that_cannot_be_replayed_gets_one_sentence(string dump, string says) =>
        Assert.Contains(says, Assert.Throws<FormatException>(() => ObjectiveReplay.Replay(dump)).Message);
}
