using GrpoActors.Core.Objectives;
using GrpoActors.Core.Preferences;
using GrpoActors.Core.Tests.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Preferences;

public class PreferenceTests
{
    private const int Pairs = 3;

    /// <summary>Pairs whose margin of log-ratios lies in [2, 8] or [12, 20] in magnitude: hinge bends at 10. Times <paramref name="scale"/>, for scores that grow exponentially.</summary>
    private static (int[] Starts, double[] LogProbs, double[] Reference, bool[] Mask) Draw(int seed, double scale = 1)
    {
        var random = new SplitMix((ulong)seed);
        int[] starts = new int[2 * Pairs + 1];
        for (int i = 0; i < 2 * Pairs; i++)
            starts[i + 1] = starts[i] + 1 + (int)(random.Next() * 4);
        int n = starts[^1];
        double[] p = new double[n], reference = new double[n];
        bool[] mask = new bool[n];
        double[] ratio = new double[2 * Pairs];
        for (int i = 0; i < Pairs; i++)
        {
            double margin = (random.Next() < 0.5 ? 2 + 6 * random.Next() : 12 + 8 * random.Next()) * (random.Next() < 0.5 ? -1 : 1) * scale;
            ratio[i + Pairs] = (4 * random.Next() - 2) * scale;
            ratio[i] = ratio[i + Pairs] + margin;
        }
        for (int i = 0; i < 2 * Pairs; i++)
        {
            for (int t = starts[i]; t < starts[i + 1]; t++)
            {
                mask[t] = t == starts[i] || random.Next() > 0.2;
                p[t] = -3 * random.Next();
                reference[t] = p[t];
            }
            reference[starts[i]] -= ratio[i];
        }
        return (starts, p, reference, mask);
    }

    public static TheoryData<string> Losses() =>
    [
        "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft",
        "sigmoid_norm", "js_divergence", "forward_kl", "alpha_divergence", "ld_alpha",
    ];

    private static PreferencePlan Plan(string name) => name switch
    {
        "js_divergence" => new() { Divergence = FDivergence.JsDivergence },
        "forward_kl" => new() { Divergence = FDivergence.ForwardKl },
        "alpha_divergence" => new() { Divergence = FDivergence.AlphaDivergence, Beta = 1e-3 },
        "ld_alpha" => new() { LdAlpha = 0.5 },
        _ => new() { Losses = [(PreferencePlan.Named(name), 0.7)], LabelSmoothing = 0.1 },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public void The_coefficients_are_the_central_differences_of_the_loss(string name)
    {
        var plan = Plan(name);
        for (int seed = 0; seed < 1000; seed++)
        {
            var (starts, p, reference, mask) = Draw(seed, scale: name == "forward_kl" ? 0.2 : 1);
            PreferenceBatch<double> Batch() => new() { RowStarts = starts, LogProbs = p, Reference = reference, Mask = mask };
            var totals = PreferenceTotals.Of(Batch());
            double[] gradient = new double[p.Length], room = new double[p.Length];
            PreferenceObjective.Evaluate(plan, Batch(), totals, gradient);
            double worst = 0;
            for (int t = 0; t < p.Length; t++)
                worst = Math.Max(worst, Math.Abs(GradientTests.Slope(p, t, () => PreferenceObjective.Evaluate(plan, Batch(), totals, room).Loss) - gradient[t]));
            double largest = gradient.Max(Math.Abs);
            Assert.True(worst <= 1e-6 * largest, $"seed {seed}: {worst:E2} against {largest:E2}");
        }
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public void Micro_batches_of_pairs_add_up(string name)
    {
        var plan = Plan(name);
        if (plan.NeedsWholeUpdate)
            return;
        var (starts, p, reference, mask) = Draw(1);
        var totals = PreferenceTotals.Of(new PreferenceBatch<double> { RowStarts = starts, LogProbs = p, Reference = reference, Mask = mask });
        var whole = new double[p.Length];
        double loss = PreferenceObjective.Evaluate(plan, new PreferenceBatch<double> { RowStarts = starts, LogProbs = p, Reference = reference, Mask = mask }, totals, whole).Loss;
        for (int i = 0; i < Pairs; i++)
        {
            int[] tokens = [.. Range(starts, i), .. Range(starts, i + Pairs)];
            var part = new double[tokens.Length];
            loss -= PreferenceObjective.Evaluate(plan, new PreferenceBatch<double>
            {
                RowStarts = [0, starts[i + 1] - starts[i], tokens.Length],
                LogProbs = [.. tokens.Select(t => p[t])],
                Reference = [.. tokens.Select(t => reference[t])],
                Mask = [.. tokens.Select(t => mask[t])],
            }, totals, part).Loss;
            for (int t = 0; t < tokens.Length; t++)
                Assert.Equal(whole[tokens[t]], part[t], 1e-12);
        }
        Assert.Equal(0, loss, 1e-9);
    }

    private static IEnumerable<int> Range(int[] starts, int row) => Enumerable.Range(starts[row], starts[row + 1] - starts[row]);

    [Fact]
    public void Sorting_losses_refuse_a_part_of_the_update()
    {
        var (starts, p, reference, mask) = Draw(1);
        Assert.Contains("aot", Assert.Throws<ArgumentException>(() => PreferenceObjective.Evaluate(Plan("aot"),
            new PreferenceBatch<double> { RowStarts = starts, LogProbs = p, Reference = reference, Mask = mask }, new(Pairs + 1, 9), new double[p.Length])).Message);
    }

    [Fact]
    public void A_log_prob_that_is_not_finite_stops_with_its_row_and_token()
    {
        var (starts, p, reference, mask) = Draw(1);
        p[starts[2]] = double.NaN;
        var fault = Assert.Throws<NonFiniteTokenException>(() => PreferenceObjective.Evaluate(new(),
            new PreferenceBatch<double> { RowStarts = starts, LogProbs = p, Reference = reference, Mask = mask }, new(Pairs, 9), new double[p.Length]));
        Assert.Equal((2, 0), (fault.Row, fault.Token));
    }

    [Fact]
    public void Every_name_of_TRL_is_known_and_a_wrong_one_is_answered_with_them()
    {
        Assert.Equal(PreferenceLoss.AotUnpaired, PreferencePlan.Named("aot_unpaired"));
        Assert.Contains("nca_pair", Assert.Throws<ArgumentException>(() => PreferencePlan.Named("dpo2")).Message);
    }
}
