using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class InvarianceTests
{
    private const int Seeds = 25;

    public static TheoryData<string> Names() => GradientTests.Names();

    private static (double Loss, double[] Gradient, SortedDictionary<string, double> Metrics) Whole(ObjectivePlan plan, RandomUpdate update)
    {
        double[] gradient = new double[update.LogProbs.Length], entropy = plan.NeedsEntropyGradient ? new double[gradient.Length] : [];
        var result = Objective.Evaluate(plan, update.Batch(plan), update.Totals(plan), gradient, entropy);
        return (result.Loss, [.. gradient, .. entropy], result.Metrics.Values());
    }

    /// <summary>The update cut into parts that are surveyed, evaluated and merged one after the other.</summary>
    private static (double Loss, double[] Gradient, SortedDictionary<string, double> Metrics) InParts(ObjectivePlan plan, params RandomUpdate[] parts)
    {
        var survey = new StepSurvey(plan);
        foreach (var part in parts)
            survey.Add(part.Batch(plan));
        var totals = survey.Totals();
        var sums = new ObjectiveSums(plan);
        List<double> gradient = [], entropy = [];
        foreach (var part in parts)
        {
            double[] g = new double[part.LogProbs.Length], h = plan.NeedsEntropyGradient ? new double[g.Length] : [];
            Objective.Evaluate(plan, part.Batch(plan), totals, g, h, sums);
            gradient.AddRange(g);
            entropy.AddRange(h);
        }
        return (sums.Loss, [.. gradient, .. entropy], sums.Metrics().Values());
    }

    private static void Same((double Loss, double[] Gradient, SortedDictionary<string, double> Metrics) expected, (double Loss, double[] Gradient, SortedDictionary<string, double> Metrics) found, string what)
    {
        Assert.True(Math.Abs(expected.Loss - found.Loss) <= 1e-12 * Math.Max(1, Math.Abs(expected.Loss)), $"{what}: loss {expected.Loss:R}, {found.Loss:R}");
        Assert.Equal(expected.Gradient.Length, found.Gradient.Length);
        for (int t = 0; t < expected.Gradient.Length; t++)
            Assert.True(Math.Abs(expected.Gradient[t] - found.Gradient[t]) <= 1e-12, $"{what}: token {t}");
        Assert.Equal(expected.Metrics.Keys, found.Metrics.Keys);
        foreach (var (name, value) in expected.Metrics)
            Assert.True(Math.Abs(value - found.Metrics[name]) <= 1e-12 * Math.Max(1, Math.Abs(value)), $"{what}: {name} {value:R}, {found.Metrics[name]:R}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Micro_batches_and_workers_change_nothing(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < Seeds; seed++)
        {
            var update = RandomUpdate.Draw(seed, plan, rows: 6);
            var whole = Whole(plan, update);
            int cut = 1 + seed % 5;
            Same(whole, InParts(plan, update.Select([.. Enumerable.Range(0, cut)]), update.Select([.. Enumerable.Range(cut, 6 - cut)])), $"seed {seed}, cut at {cut}");
            Same(whole, InParts(plan, [.. Enumerable.Range(0, 6).Select(i => update.Select(i))]), $"seed {seed}, row by row");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_order_of_completions_and_groups_changes_nothing(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < Seeds; seed++)
        {
            var update = RandomUpdate.Draw(seed, plan, rows: 6);
            int[] order = seed % 2 == 0 ? [3, 4, 5, 0, 1, 2] : [5, 2, 0, 1, 4, 3];
            var shuffled = Whole(plan, update.Select(order));
            // Put the coefficients of the shuffled update back where they belong.
            int[] tokens = [.. order.SelectMany(i => Enumerable.Range(update.RowStarts[i], update.RowStarts[i + 1] - update.RowStarts[i]))];
            int n = tokens.Length;
            var back = new double[shuffled.Gradient.Length];
            for (int t = 0; t < shuffled.Gradient.Length; t++)
                back[t < n ? tokens[t] : n + tokens[t - n]] = shuffled.Gradient[t];
            Same(Whole(plan, update), shuffled with { Gradient = back }, $"seed {seed}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_lies_under_a_false_mask_is_never_read(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < Seeds; seed++)
        {
            var update = RandomUpdate.Draw(seed, plan);
            var clean = Whole(plan, update);
            for (int t = 0; t < update.Mask.Length; t++)
            {
                if (update.Mask[t])
                    continue;
                update.LogProbs[t] = double.NaN;
                update.Old[t] = double.PositiveInfinity;
                update.Reference[t] = update.Sampling[t] = update.Proximal[t] = update.Entropies[t] = double.NaN;
                if (update.PerToken)
                    update.Advantages[t] = double.NaN;
            }
            Same(clean, Whole(plan, update), $"seed {seed}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Padding_with_tokens_that_do_not_count_changes_no_coefficient(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < Seeds; seed++)
        {
            var update = RandomUpdate.Draw(seed, plan);
            var padded = Pad(update, width: 6);
            var result = Whole(plan, padded);
            int half = padded.LogProbs.Length;
            double[] kept = [.. Enumerable.Range(0, result.Gradient.Length).Where(t => Original(update, t % half, 6)).Select(t => result.Gradient[t])];
            Same(Whole(plan, update), result with { Gradient = kept }, $"seed {seed}");
        }
    }

    private static bool Original(RandomUpdate update, int at, int width) => at % width < update.RowStarts[at / width + 1] - update.RowStarts[at / width];

    private static RandomUpdate Pad(RandomUpdate x, int width)
    {
        T[] Wide<T>(T[] from, T filler) => [.. Enumerable.Range(0, x.Rows * width).Select(at => Original(x, at, width) ? from[x.RowStarts[at / width] + at % width] : filler)];
        return new()
        {
            RowStarts = [.. Enumerable.Range(0, x.Rows + 1).Select(i => i * width)],
            LogProbs = Wide(x.LogProbs, double.NaN),
            Old = Wide(x.Old, 0),
            Sampling = Wide(x.Sampling, 0),
            Proximal = Wide(x.Proximal, 0),
            Reference = Wide(x.Reference, 0),
            Entropies = Wide(x.Entropies, 9),
            Mask = Wide(x.Mask, false),
            Advantages = x.PerToken ? Wide(x.Advantages, double.NaN) : x.Advantages,
            PerToken = x.PerToken,
            RowKeys = x.RowKeys,
        };
    }

    /// <summary>What a trainer gets that keeps its numbers in float32, against what it would get from float64: the rounding of what goes in, the arithmetic between and the rounding of what comes out.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Single_precision_keeps_six_digits_and_five_at_extreme_ratios(string piece)
    {
        var plan = Pieces.Plan(piece);
        for (int seed = 0; seed < 100; seed++)
        {
            InSingle(plan, RandomUpdate.Draw(seed, plan), 1e-6, $"seed {seed}");
            InSingle(plan, RandomUpdate.Draw(seed, plan, spread: 32), 1e-5, $"seed {seed}, log-ratios up to 19");
        }
    }

    private static void InSingle(ObjectivePlan plan, RandomUpdate x, double tolerance, string what)
    {
        static float[] F(double[] from) => [.. from.Select(v => (float)v)];
        var batch = new ObjectiveBatch<float>
        {
            RowStarts = x.RowStarts,
            LogProbs = F(x.LogProbs),
            Old = F(x.Old),
            Sampling = F(x.Sampling),
            Proximal = plan.Decoupled ? F(x.Proximal) : [],
            Reference = plan.NeedsReference ? F(x.Reference) : [],
            Entropies = F(x.Entropies),
            Mask = x.Mask,
            Advantages = x.Advantages,
            PerToken = x.PerToken,
            RowKeys = x.RowKeys,
        };
        var survey = new StepSurvey(plan);
        survey.Add(batch);
        var totals = survey.Totals() with { Chosen = x.Totals(plan).Chosen }; // of two tokens both have the same covariance
        bool bonus = plan.NeedsEntropyGradient;
        int n = x.LogProbs.Length;
        float[] single = new float[n], singleEntropy = new float[bonus ? n : 0];
        double[] full = new double[n], fullEntropy = new double[bonus ? n : 0];
        Objective.Evaluate(plan, batch, totals, single, singleEntropy);
        Objective.Evaluate(plan, x.Batch(plan), x.Totals(plan), full, fullEntropy);
        double largest = full.Concat(fullEntropy).Select(Math.Abs).DefaultIfEmpty(0).Max();
        // VESPO's exp(-lambda w) magnifies the rounding of w by lambda w, where it leaves next to nothing: an update of such rows alone keeps fewer digits of it.
        double bound = tolerance * (plan.Surrogate is Surrogate.Vespo ? Math.Max(largest, 1e-20) : largest);
        for (int t = 0; t < n; t++)
            Assert.True(Math.Abs(single[t] - full[t]) <= bound, $"{what}: token {t}, {single[t]:R} and {full[t]:R}, {Math.Abs(single[t] - full[t]) / largest:E1} of the largest");
        for (int t = 0; t < fullEntropy.Length; t++)
            Assert.True(Math.Abs(singleEntropy[t] - fullEntropy[t]) <= bound, $"{what}: entropy of token {t}, {singleEntropy[t]:R} and {fullEntropy[t]:R}");
    }
}
