using GrpoActors.Core.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Objectives;

public class CoefficientStateTests
{
    [Fact]
    public void The_adaptive_KL_coefficient_moves_by_at_most_a_fifth_of_samples_over_horizon()
    {
        var part = new AdaptiveKlPart(Target: 0.1, Horizon: 100);
        Assert.Equal(0.5 * 1.02, part.Next(0.5, kl: 9, samples: 10), 1e-15);
        Assert.Equal(0.5 * 0.98, part.Next(0.5, kl: 0, samples: 10), 1e-15);
        Assert.Equal(0.5 * 1.01, part.Next(0.5, kl: 0.11, samples: 10), 1e-15);
    }

    [Fact]
    public void The_adaptive_entropy_bonus_acts_only_below_its_target_and_stays_in_bounds()
    {
        var part = new AdaptiveEntropyPart(Target: 0.2, Delta: 0.1, Max: 0.15);
        var state = EntropyState.Start(0);
        Assert.Equal(0, part.Applied(state));
        state = part.Next(state, entropy: 0.1);
        Assert.Equal(0.1, part.Applied(state));
        state = part.Next(state, entropy: 0.1);
        Assert.Equal(0.15, part.Applied(state));
        state = part.Next(state, entropy: 0.5);
        Assert.Equal(0, part.Applied(state));
        Assert.Equal(0.05, state.Coefficient, 1e-15);
        Assert.Equal(0, part.Next(part.Next(state, 0.5), 0.5).Coefficient);
    }

    [Fact]
    public void A_reference_is_mixed_every_n_steps_or_never()
    {
        var rule = ObjectivePlan.For(Dialect.Trl, "grpo", new() { SyncRefModel = true, RefModelSyncSteps = 3 }).Reference;
        Assert.Equal([0, 0, 0.6, 0, 0, 0.6], Enumerable.Range(1, 6).Select(step => rule.MixAfter(step)));
        Assert.Equal(0, ReferenceRule.Frozen.MixAfter(512));
    }

    [Fact]
    public void The_value_loss_has_the_coefficients_of_its_central_differences()
    {
        for (int seed = 0; seed < 1000; seed++)
        {
            var random = new SplitMix((ulong)seed);
            double[] old = [.. Enumerable.Range(0, 6).Select(_ => random.Next())];
            // Steps of 0.2 to 0.4 or 0.6 to 1 from the old value: the clip lies at 0.5. Errors differ, so no tie.
            double[] values = [.. old.Select(x => x + (random.Next() < 0.5 ? -1 : 1) * (random.Next() < 0.5 ? 0.2 + 0.2 * random.Next() : 0.6 + 0.4 * random.Next()))];
            double[] returns = [.. old.Select(x => x + (random.Next() < 0.5 ? -2 : 2))], gradient = new double[6], room = new double[6];
            bool[] mask = [true, true, false, true, true, true];
            var plan = new AggregationPart(seed % 2 == 0 ? AggregationForm.TokenMean : AggregationForm.SequenceMeanTokenMean);
            double Loss(double[] into) => ValueLoss.Evaluate(plan, 0.5, [0, 4, 6], mask, values, old, returns, new(5, 2, 2), into).Loss;
            Loss(gradient);
            for (int t = 0; t < 6; t++)
                Assert.True(Math.Abs(GradientTests.Slope(values, t, () => Loss(room)) - gradient[t]) <= 1e-6 * gradient.Max(Math.Abs) + 1e-11, $"seed {seed}, token {t}");
        }
    }

    [Fact]
    public void Whatever_moves_the_coefficient_asks_for_reference_log_probs()
    {
        Assert.True(ObjectivePlan.For(Dialect.Verl, "vanilla", new() { TargetKl = 0.1 }).NeedsReference);
        Assert.True(ObjectivePlan.For(Dialect.Trl, "rloo", new() { KlInReward = 0.05 }).NeedsReference);
        Assert.False(ObjectivePlan.For(Dialect.Trl, "rloo").NeedsReference);
    }

    [Fact]
    public void TRL_corrects_the_KL_by_default_and_verl_does_not()
    {
        Assert.True(ObjectivePlan.For(Dialect.Trl, "grpo").Kl.BiasCorrected);
        Assert.False(ObjectivePlan.For(Dialect.Verl, "vanilla").Kl.BiasCorrected);
    }

    [Fact]
    public void Verls_gspo_and_TRLs_agree_where_the_notes_say_they_do()
    {
        // Same epsilons, TRL aggregated by sequence, no empty rows, clip as verl's.
        var random = RandomUpdate.Draw(5, ObjectivePlan.For(Dialect.Trl, "gspo"), rows: 5);
        var full = random.Select([.. Enumerable.Range(0, 5).Where(i => random.Mask.AsSpan(random.RowStarts[i]..random.RowStarts[i + 1]).Contains(true))]);
        var options = new ObjectiveOptions { Epsilon = 0.2, EpsilonHigh = 0.2 };
        double[] trl = new double[full.LogProbs.Length], verl = new double[trl.Length];
        foreach (var (dialect, gradient) in new[] { (Dialect.Trl, trl), (Dialect.Verl, verl) })
        {
            var plan = ObjectivePlan.For(dialect, "gspo", options);
            Objective.Evaluate(plan, full.Batch(plan), full.Totals(plan), gradient, []);
        }
        Assert.Equal(trl, verl, (x, y) => Math.Abs(x - y) < 1e-8); // verl adds 1e-8 to a row's length
    }
}
