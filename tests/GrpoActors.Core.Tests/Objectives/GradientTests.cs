using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class GradientTests
{
    private const int Seeds = 1000;
    private const double H = 1e-5;

    public static TheoryData<string> Names() => [.. Pieces.All.Select(x => x.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_coefficients_are_the_central_differences_of_the_loss(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < Seeds; seed++)
        {
            var update = RandomUpdate.Draw(seed, plan);
            double worst = Worst(plan, update);
            Assert.True(worst < 1e-6, $"seed {seed}: {worst:E2} of the largest entry");
        }
    }

    /// <summary>Largest difference between a coefficient and the slope of the loss, over the largest coefficient.</summary>
    private static double Worst(ObjectivePlan plan, RandomUpdate update)
    {
        var totals = update.Totals(plan);
        // The threshold may be a token's own entropy: a hair lower, and no step of the difference crosses it.
        totals = totals with { EntropyThreshold = totals.EntropyThreshold - 1e-4 };
        double[] held = [.. update.LogProbs], gradient = new double[held.Length], entropyGradient = plan.NeedsEntropyGradient ? new double[held.Length] : [];
        Objective.Evaluate(plan, update.Batch(plan), totals, gradient, entropyGradient);
        double[] room = new double[held.Length], entropyRoom = new double[entropyGradient.Length];
        double Loss() => Objective.Evaluate(plan, update.Batch(plan, held), totals, room, entropyRoom).Loss;
        double worst = 0;
        for (int t = 0; t < held.Length; t++)
        {
            worst = Math.Max(worst, Math.Abs(Slope(update.LogProbs, t, Loss) - gradient[t]));
            if (plan.NeedsEntropyGradient)
                worst = Math.Max(worst, Math.Abs(Slope(update.Entropies, t, Loss) - entropyGradient[t]));
        }
        double largest = gradient.Concat(entropyGradient).Select(Math.Abs).DefaultIfEmpty(0).Max();
        return largest > 0 ? worst / largest : worst;
    }

    internal static double Slope(double[] at, int t, Func<double> loss)
    {
        double x = at[t];
        at[t] = x + H;
        double up = loss();
        at[t] = x - H;
        double down = loss();
        at[t] = x;
        return (up - down) / (2 * H);
    }

    [Fact]
    public void A_log_ratio_beyond_verls_clamp_has_a_loss_but_no_gradient()
    {
        var plan = ObjectivePlan.For(Dialect.Verl, "vanilla", new() { EpsilonHigh = 1e12, ClipRatioC = 1e12 });
        var gradient = new double[2];
        var result = Objective.Evaluate(plan, new ObjectiveBatch<double> { RowStarts = [0, 2], LogProbs = [-1, -1], Old = [-30, -1.1], Advantages = [-1.0] }, new(2, 1, 1), gradient, []);
        Assert.Equal(0, gradient[0]);
        Assert.True(gradient[1] > 0);
        Assert.Equal((Math.Exp(20) + Math.Exp(0.1)) / 2, result.Loss, 1e-6);
    }

    [Fact]
    public void Verls_k3_is_cut_at_ten_and_its_gradient_with_it()
    {
        var part = new KlPart(1, KlForm.K3) { InputClamp = 20, OutputClamp = 10 };
        Assert.Equal((10, 0), KlEstimator.Of(part, -5, -5, 0));
        Assert.Equal(Math.Exp(-30) + 30 - 1, KlEstimator.Of(part with { InputClamp = 40, OutputClamp = 100 }, 0, 0, -30).Value, 1e-12);
        Assert.Equal((10, 0), KlEstimator.Of(part, 0, 0, -30));
    }
}
