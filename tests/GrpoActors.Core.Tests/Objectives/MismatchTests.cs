using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class MismatchTests
{
    // Two rows, of two tokens and one; old - sampling is log 2, -log 2 and log 3.
    private static readonly double[] Sampling = [-1, -1, -1];
    private static readonly double[] Old = [-1 + Math.Log(2), -1 - Math.Log(2), -1 + Math.Log(3)];

    private static (double[] Gradient, SortedDictionary<string, double> Metrics, StepTotals Totals) Run(ObjectiveOptions options, Dialect dialect = Dialect.Verl, string name = "vanilla",
        double[]? proximal = null)
    {
        var plan = ObjectivePlan.For(dialect, name, options);
        var batch = new ObjectiveBatch<double>
        {
            RowStarts = [0, 2, 3],
            LogProbs = proximal ?? Old,
            Old = plan.Decoupled ? Sampling : Old,
            Sampling = plan.Decoupled ? [] : Sampling,
            Proximal = plan.Decoupled ? Old : [],
            Advantages = [1.0, 1.0],
        };
        var survey = new StepSurvey(plan);
        survey.Add(batch);
        var gradient = new double[3];
        var result = Objective.Evaluate(plan, batch, survey.Totals(), gradient, []);
        return (gradient, result.Metrics.Values(), survey.Totals());
    }

    private static void Coefficients(double[] expected, double[] found) => Assert.Equal(expected, found, (x, y) => Math.Abs(x - y) < 1e-14);

    [Fact]
    public void Truncated_weights_scale_each_token() =>
        Coefficients([-2 / 3.0, -0.5 / 3, -2.5 / 3], Run(new() { ImportanceSamplingMode = "token", ImportanceSamplingMax = 2.5 }).Gradient);

    [Fact]
    public void IcePop_drops_what_lies_outside() =>
        Coefficients([-2 / 3.0, 0, 0], Run(new() { ImportanceSamplingMode = "token", ImportanceSamplingMax = 2.5, ImportanceSamplingMin = 0.6 }).Gradient);

    [Fact]
    public void A_sequence_has_the_product_of_its_tokens_weights() =>
        Coefficients([-1 / 3.0, -1 / 3.0, -2.5 / 3], Run(new() { ImportanceSamplingMode = "sequence", ImportanceSamplingMax = 2.5 }).Gradient);

    [Fact]
    public void Batch_normalised_weights_have_mean_one()
    {
        var gradient = Run(new() { ImportanceSamplingMode = "token", ImportanceSamplingMax = 9, ImportanceSamplingBatchNormalize = true }).Gradient;
        Assert.Equal(-1, gradient.Sum(), 1e-8);
        Assert.Equal(1.5, gradient[2] / gradient[0], 1e-12);
    }

    [Fact]
    public void Rejected_tokens_leave_the_denominator()
    {
        var (gradient, _, totals) = Run(new() { RolloutRs = "token_k1", RolloutRsThreshold = "2.5" });
        Assert.Equal(2, totals.Tokens);
        Coefficients([-0.5, -0.5, 0], gradient);
    }

    [Fact]
    public void A_rejected_row_counts_as_empty()
    {
        var (gradient, _, totals) = Run(new() { RolloutRs = "seq_mean_k2", RolloutRsThreshold = "0.3", LossAggMode = AggregationForm.SequenceMeanTokenSum });
        Assert.Equal((2, 1), (totals.Tokens, totals.NonEmptyRows));
        Coefficients([-1, -1, 0], gradient);
    }

    [Fact]
    public void The_decoupled_objective_weighs_proximal_against_behaviour() =>
        Coefficients([-2 / 3.0, -0.5 / 3, -1], Run(new() { Decoupled = true, ImportanceSamplingMode = "token", ImportanceSamplingMax = 5 }).Gradient);

    [Fact]
    public void Without_a_mode_its_weights_are_those_of_tokens_and_without_weights_it_has_to_be_asked()
    {
        Coefficients([-2 / 3.0, -0.5 / 3, -1], Run(new() { Decoupled = true, ImportanceSamplingMax = 5 }).Gradient);
        Coefficients([-2 / 3.0, -0.5 / 3, -2 / 3.0], Run(new() { Decoupled = true }).Gradient); // verl's preset: 2
        Coefficients([-1 / 3.0, -1 / 3.0, -1 / 3.0], Run(new() { Decoupled = true, ImportanceSamplingMode = "off" }).Gradient);
    }

    [Fact]
    public void Effective_sample_size_chi_square_and_KL_are_those_of_the_weights()
    {
        var metrics = Run(new() { ImportanceSamplingMode = "token", ImportanceSamplingMax = 9 }).Metrics;
        double mean = 5.5 / 3, square = (4 + 0.25 + 9) / 3;
        Assert.Equal(mean, metrics["rollout_corr/rollout_is_mean"], 1e-7);
        Assert.Equal(mean * mean / square, metrics["rollout_corr/rollout_is_eff_sample_size"], 1e-7);
        Assert.Equal(Math.Sqrt(square - mean * mean), metrics["rollout_corr/rollout_is_std"], 1e-7);
        Assert.Equal(square - 1, metrics["rollout_corr/chi2_token"], 1e-7);
        Assert.Equal((1 + 9) / 2.0 - 1, metrics["rollout_corr/chi2_seq"], 1e-7);
        Assert.Equal(-Math.Log(3) / 3, metrics["rollout_corr/kl"], 1e-7);
        Assert.Equal((mean * 3 - Math.Log(3) - 3) / 3, metrics["rollout_corr/k3_kl"], 1e-7);
    }

    [Fact]
    public void TRL_names_the_same_numbers_its_own_way()
    {
        var metrics = Run(new() { ImportanceSamplingMode = "sequence_mask", ImportanceSamplingMax = 3.5 }, Dialect.Trl, "dapo").Metrics;
        Assert.Equal(Math.Log(3), metrics["sampling/sampling_logp_difference/max"], 1e-14);
        Assert.Equal(2, metrics["sampling/importance_sampling_ratio/mean"], 1e-14); // one weight a row: 1 and 3
    }

    [Fact]
    public void The_first_ratio_of_an_update_on_its_own_samples_is_exactly_one()
    {
        var metrics = Run(new()).Metrics;
        Assert.Equal((1.0, 1.0, 0.0), (metrics["grpo.ratio.min"], metrics["grpo.ratio.max"], metrics["grpo.ratio.max_abs_log"]));
    }

    [Theory]
    [InlineData("token_k4", "1")]
    [InlineData("token_k1", "x")]
    [InlineData("token_k2", "1_2")]
    [InlineData("token_k1,token_k2,token_k3", "1,2")]
    public void A_rejection_rule_that_makes_no_sense_is_refused(string rule, string threshold) =>
        Assert.Contains("rollout_rs", Assert.Throws<ArgumentException>(() => ObjectivePlan.For(Dialect.Verl, "vanilla", new() { RolloutRs = rule, RolloutRsThreshold = threshold })).Message);
}
