using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

/// <summary>Crafted vectors on which the two dialects differ: loss, gradient norm and clip fractions of both libraries' functions, to the ten digits noted.</summary>
/// <remarks>12 rows in groups of 4; old, current, reference and sampling log-probs from a formula; epsilon 0.2, max_completion_length 8.</remarks>
public class DialectVectorTests
{
    private static readonly int[] Lengths = [5, 3, 4, 1, 5, 2, 4, 0, 3, 5, 1, 2];
    private static readonly double[] Rewards = [1, 0, .5, 0, 1, 1, 0, 1, .5, .5, .5, .5];
    private static readonly int[] Groups = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
    private static readonly int[] Starts = [.. Lengths.Aggregate(new List<int> { 0 }, (starts, n) => [.. starts, starts[^1] + n])];

    private static double Old(int i, int t) => -0.2 - 0.3 * ((7 * i + 3 * t) % 5);

    private static double Current(int i, int t) => Old(i, t) + 0.15 * ((5 * i + 11 * t) % 9 - 4);

    private static double Reference(int i, int t) => Current(i, t) + 0.1 * ((3 * i + 5 * t) % 7 - 3);

    private static double Sampling(int i, int t) => Old(i, t) + 0.02 * ((2 * i + t) % 5 - 2);

    private static double[] Packed(Func<int, int, double> of) => [.. Enumerable.Range(0, 12).SelectMany(i => Enumerable.Range(0, Lengths[i]).Select(t => of(i, t)))];

    private static readonly ObjectiveOptions Plain = new() { Epsilon = 0.2, EpsilonHigh = 0.2, MaxCompletionLength = 8, UseBiasCorrectionKl = false };

    private static (double Loss, double Norm, SortedDictionary<string, double> Metrics) Run(Dialect dialect, string name, ObjectiveOptions options)
    {
        var plan = ObjectivePlan.For(dialect, name, options);
        var advantages = new double[12];
        GroupAdvantages.Estimate(plan.Advantages, Rewards, [], Groups, advantages);
        var batch = new ObjectiveBatch<double>
        {
            RowStarts = Starts,
            LogProbs = Packed(Current),
            Old = Packed(Old),
            Reference = Packed(Reference),
            Sampling = Packed(Sampling),
            Advantages = advantages,
        };
        var survey = new StepSurvey(plan);
        survey.Add(batch);
        var gradient = new double[Starts[^1]];
        var result = Objective.Evaluate(plan, batch, survey.Totals(), gradient, []);
        return (result.Loss, Math.Sqrt(gradient.Sum(g => g * g)), result.Metrics.Values());
    }

    public static TheoryData<Dialect, string, ObjectiveOptions, double, double> Cases()
    {
        var trl = Plain;
        var sequence = Plain with { ImportanceSamplingLevel = RatioLevel.SequenceMean };
        var verl = Plain with { EpsilonHigh = null, MaxCompletionLength = 5 };
        return new()
        {
            { Dialect.Trl, "grpo", trl, 0.1028278326, 0.1233781059 },
            { Dialect.Trl, "bnpo", trl, 0.0004221736, 0.1197771799 },
            { Dialect.Trl, "dapo", trl, 0.0004221736, 0.1197771799 },
            { Dialect.Trl, "dr_grpo", trl, 0.0001539174, 0.0436687635 },
            { Dialect.Trl, "sapo", trl, 0.0746308736, 0.1328896381 },
            { Dialect.Trl, "cispo", trl with { EpsilonHigh = 5.0 }, 0.0855004067, 0.1545647156 },
            { Dialect.Trl, "cispo", trl with { EpsilonHigh = 1.3 }, 0.0831380246, 0.1378962374 },
            { Dialect.Trl, "grpo", trl with { Beta = 0.04 }, 0.1035386274, 0.1238309192 },
            { Dialect.Trl, "dapo", trl with { EpsilonHigh = 0.28 }, -0.0095695556, 0.1197771799 },
            { Dialect.Trl, "dapo", trl with { Delta = 1.5 }, -0.0040335100, 0.0927317225 },
            { Dialect.Trl, "grpo", sequence, 0.0616336637, 0.1280781971 },
            { Dialect.Trl, "luspo", sequence, -0.1574347468, 0.3895587959 },
            { Dialect.Trl, "dapo", trl with { ImportanceSamplingMode = "sequence_mask", ImportanceSamplingMax = 1.02 }, 0.0156617762, 0.1126523522 },
            { Dialect.Trl, "dapo", trl with { ImportanceSamplingMode = "token_truncate", ImportanceSamplingMax = 1.02 }, -0.0021574326, 0.1179995878 },
            { Dialect.Trl, "dapo", trl with { ScaleRewards = AdvantageScale.Batch }, 0.0056042135, 0.1485965293 },
            { Dialect.Trl, "dr_grpo", trl with { ScaleRewards = AdvantageScale.None }, 0.0008102949, 0.0214850855 },
            { Dialect.Verl, "vanilla", verl, 0.0004214252, 0.1198013023 },
            { Dialect.Verl, "vanilla", verl with { LossAggMode = AggregationForm.SequenceMeanTokenMean }, 0.1121984294, 0.1346217646 },
            { Dialect.Verl, "vanilla", verl with { LossAggMode = AggregationForm.SequenceMeanTokenSum }, 0.0013408985, 0.3811859620 },
            { Dialect.Verl, "vanilla", verl with { LossAggMode = AggregationForm.SequenceMeanTokenSumNorm }, 0.0002681797, 0.0762371924 },
            { Dialect.Verl, "vanilla", verl with { LossAggMode = AggregationForm.SequenceMeanTokenSumNorm, LossScaleFactor = 8 }, 0.0001676123, 0.0476482452 },
            { Dialect.Verl, "vanilla", verl with { ClipRatioC = 1.2 }, -0.0269607259, 0.0876921196 },
            { Dialect.Verl, "gspo", verl, 0.0672502552, 0.1397502084 },
            { Dialect.Verl, "sapo", verl, 0.0814316714, 0.1450000793 },
            { Dialect.Verl, "cispo", verl, 0.0792153859, 0.1378021932 },
            { Dialect.Verl, "geo_mean", verl, 0.1039192634, 0.1184658690 },
            { Dialect.Verl, "vanilla", verl with { Beta = 0.04, KlLossType = "k1" }, -0.0004928605, 0.1209230328 },
            { Dialect.Verl, "vanilla", verl with { Beta = 0.04, KlLossType = "k2" }, 0.0012671395, 0.1201661980 },
            { Dialect.Verl, "vanilla", verl with { Beta = 0.04, KlLossType = "k3" }, 0.0012875085, 0.1201520042 },
            { Dialect.Verl, "vanilla", verl with { ImportanceSamplingMode = "token", ImportanceSamplingMax = 1.02 }, -0.0021586849, 0.1180233674 },
            { Dialect.Verl, "vanilla", verl with { ImportanceSamplingMode = "sequence", ImportanceSamplingMax = 2.0 }, -0.0094222408, 0.1177268844 },
        };
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Loss_and_gradient_norm_agree_to_the_last_digit_noted(Dialect dialect, string name, ObjectiveOptions options, double loss, double norm)
    {
        var ours = Run(dialect, name, options);
        Assert.Equal(loss, ours.Loss, 10);
        Assert.Equal(norm, ours.Norm, 10);
    }

    [Fact]
    public void Clip_fractions_agree_to_the_last_digit_noted()
    {
        var trl = Run(Dialect.Trl, "grpo", Plain).Metrics;
        Assert.Equal(0.0571428571, trl["clip_ratio/low_mean"], 10);
        Assert.Equal(0.1714285714, trl["clip_ratio/high_mean"], 10);
        Assert.Equal(0, Run(Dialect.Trl, "cispo", Plain with { EpsilonHigh = 5.0 }).Metrics["cispo_clip_ratio"]);
        Assert.Equal(0.1714285714, Run(Dialect.Trl, "cispo", Plain with { EpsilonHigh = 1.3 }).Metrics["cispo_clip_ratio"], 10);
        var verl = Run(Dialect.Verl, "vanilla", Plain).Metrics;
        Assert.Equal(0.2285714285, verl["actor/pg_clipfrac"], 10);
        Assert.Equal(-0.0171428571, verl["actor/ppo_kl"], 10);
        Assert.Equal(0.0857142857, Run(Dialect.Verl, "vanilla", Plain with { ClipRatioC = 1.2 }).Metrics["actor/pg_clipfrac_lower"], 10);
        Assert.Equal(0.6857142855, Run(Dialect.Verl, "cispo", Plain).Metrics["actor/pg_clipfrac"], 10);
        var sequence = Run(Dialect.Trl, "grpo", Plain with { ImportanceSamplingLevel = RatioLevel.SequenceMean }).Metrics;
        Assert.Equal(0, sequence["clip_ratio/region_mean"]);
    }

    [Theory]
    [InlineData("trl", 1.30530975, -0.78318585, 0.26106195, 0.49990002, -1.49970006)]
    [InlineData("trl batch", 1.57597168, -0.94558301, 0.31519434, 0.63038867, -1.89116602)]
    [InlineData("trl async", 1.50755669, -0.90453401, 0.30151134, 0.57735026, -1.73205077)]
    [InlineData("verl", 1.30557969, -0.78334782, 0.26111594, 0.49999900, -1.49999700)]
    [InlineData("rloo", 0.83333333, -0.5, 0.16666667, 0.33333333, -1.0)]
    public void Advantages_agree_to_the_last_digit_noted(string who, double first, double second, double third, double fifth, double seventh)
    {
        var plan = who switch
        {
            "trl" => AdvantagePlan.Trl,
            "trl batch" => AdvantagePlan.Trl with { Scale = AdvantageScale.Batch },
            "trl async" => AdvantagePlan.TrlAsync,
            "verl" => AdvantagePlan.Verl,
            _ => AdvantagePlan.Verl with { Estimator = AdvantageEstimator.LeaveOneOut },
        };
        var a = new double[12];
        GroupAdvantages.Estimate(plan, Rewards, [], Groups, a);
        Assert.Equal([first, second, third, second, fifth, fifth, seventh, fifth, 0, 0, 0, 0], a, (x, y) => Math.Abs(x - y) < 5.1e-9);
    }
}
