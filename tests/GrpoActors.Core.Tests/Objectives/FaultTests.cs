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
    [InlineData("{", "not JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("{\"cases\": []}", "names no library")]
    [InlineData("{\"trl\": \"1\", \"mask\": [[1]], \"rewards\": [1], \"cases\": [{\"config\": {\"loss_type\": \"grpo\", \"betta\": 1}}]}", "betta")]
    [InlineData("{\"trl\": \"1\", \"rewards\": [1], \"cases\": []}", "mask")]
    public void A_dump_that_cannot_be_replayed_gets_one_sentence(string dump, string says) =>
        Assert.Contains(says, Assert.Throws<FormatException>(() => ObjectiveReplay.Replay(dump)).Message);
}
