using System.Collections.Immutable;
using GrpoActors.Core.Preferences;
using GrpoActors.Core.Tests.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Preferences;

public class GroupRobustTests
{
    /// <summary>A log-linear policy, four features, two groups that want opposite things of one of them; the large group outnumbers the small one eight to one.</summary>
    private sealed class Bandit
    {
        public const int Large = 32, Small = 4, Dimensions = 4;
        public readonly double[][] Difference = new double[Large + Small][]; // phi(chosen) - phi(rejected)
        public readonly int[] Group = [.. Enumerable.Range(0, Large + Small).Select(i => i < Large ? 0 : 1)];

        public Bandit(int seed)
        {
            var random = new SplitMix((ulong)seed);
            for (int i = 0; i < Large + Small; i++)
            {
                Difference[i] = [.. Enumerable.Range(0, Dimensions).Select(_ => random.Next() - 0.5)];
                Difference[i][0] = Group[i] == 0 ? 1 : -0.6;
                Difference[i][1] = Group[i] == 0 ? -0.2 : 1;
            }
        }
    }

    /// <summary>Loss of each group after learning; the log-ratio of a pair is theta times the difference of its features, its gradient that difference.</summary>
    private static ImmutableArray<double> Learn(Bandit bandit, GroupRobustPlan plan, ImmutableArray<double> weights, int steps)
    {
        int pairs = bandit.Group.Length;
        double[] theta = new double[Bandit.Dimensions], gradient = new double[2 * pairs], logProbs = new double[2 * pairs];
        int[] starts = [.. Enumerable.Range(0, 2 * pairs + 1)];
        GroupRobustEvaluation last = null!;
        for (int step = 0; step < steps; step++)
        {
            for (int i = 0; i < pairs; i++)
                logProbs[i] = bandit.Difference[i].Zip(theta, (x, w) => x * w).Sum();
            last = GroupRobust.Evaluate(plan, new PreferenceBatch<double> { RowStarts = starts, LogProbs = logProbs, Reference = new double[2 * pairs] }, bandit.Group, weights, gradient);
            weights = plan.Eta > 0 ? last.Weights : weights;
            for (int i = 0; i < pairs; i++)
                for (int d = 0; d < Bandit.Dimensions; d++)
                    theta[d] -= 0.5 * gradient[i] * bandit.Difference[i][d];
        }
        return last.GroupLoss;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_worst_group_of_the_log_linear_bandit_ends_below_plain_DPO_and_importance_sampling_lies_between(int seed)
    {
        var bandit = new Bandit(seed);
        var plan = new GroupRobustPlan { Beta = 1, Eta = 0.1, GroupSizes = [Bandit.Large, Bandit.Small], DivideByTotalCount = false };
        // Plain DPO weighs groups by their size.
        double dpo = Learn(bandit, plan with { Eta = 0 }, [Bandit.Large / 36.0, Bandit.Small / 36.0], 1500).Max();
        double sampled = Learn(bandit, plan with { Eta = 0 }, GroupRobust.ImportanceSampling(plan), 1500).Max();
        double robust = Learn(bandit, plan, GroupRobust.Start(plan), 1500).Max();
        Assert.True(robust < 0.9 * dpo, $"robust {robust:F4}, DPO {dpo:F4}");
        Assert.True(robust < sampled + 1e-3, $"robust {robust:F4}, importance sampling {sampled:F4}");
    }

    [Fact]
    public void Weights_sum_to_one_and_do_not_overflow()
    {
        var plan = new GroupRobustPlan { Eta = 1, GroupSizes = [10, 10, 10], Adjustment = 2, NormaliseLosses = false };
        var q = GroupRobust.Reweighted(plan, GroupRobust.Start(plan), [1e4, 9e3, 0]);
        Assert.Equal(1, q.Sum(), 1e-12);
        Assert.Equal(1, q[0], 1e-12);
    }

    [Fact]
    public void The_coefficients_are_the_central_differences_of_the_loss_with_the_weights_held()
    {
        for (int seed = 0; seed < 1000; seed++)
        {
            var random = new SplitMix((ulong)seed);
            double[] p = [.. Enumerable.Range(0, 8).Select(_ => -3 * random.Next())], reference = [.. p.Select(x => x - random.Next())], gradient = new double[8];
            int[] starts = [0, 1, 3, 5, 6, 7, 8], groups = [0, 1, 0];
            // The large beta of IPO keeps its target near the margins.
            var plan = new GroupRobustPlan { Ipo = seed % 2 == 0, Beta = 0.7, GroupSizes = [3, 2], DivideByTotalCount = seed % 4 < 2, LabelSmoothing = 0.1 };
            PreferenceBatch<double> Batch() => new() { RowStarts = starts, LogProbs = p, Reference = reference };
            var q = GroupRobust.Evaluate(plan, Batch(), groups, GroupRobust.Start(plan), gradient).Weights;
            var held = plan with { Eta = 0 };
            for (int t = 0; t < 8; t++)
            {
                double slope = GradientTests.Slope(p, t, () => GroupRobust.Evaluate(held, Batch(), groups, q, new double[8]).Loss);
                Assert.True(Math.Abs(slope - gradient[t]) <= 1e-6 * gradient.Max(Math.Abs), $"seed {seed}, token {t}");
            }
        }
    }
}
