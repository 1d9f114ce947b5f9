using System.Text.Json;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Sampling;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class TokenSamplerTests
{
    [Fact]
    public void Filters_leave_the_distributions_of_transformers()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "sampling.json")));
        foreach (JsonElement setting in json.RootElement.EnumerateArray())
        {
            JsonElement config = setting.GetProperty("config");
            SamplingPlan plan = SamplingPlans.Plain with
            {
                Temperature = Number(config, "temperature", 1),
                TopK = (int)Number(config, "top_k", 0),
                TopP = Number(config, "top_p", 1),
                MinP = Number(config, "min_p", 0),
                RepetitionPenalty = Number(config, "repetition_penalty", 1),
            };
            for (int row = 0; row < setting.GetProperty("logits").GetArrayLength(); row++)
            {
                float[] logits = [.. Row(setting, "logits", row).Select(value => (float)value)];
                int[] previous = [.. Row(setting, "previous_ids", row).Select(value => (int)value)];
                double[] expected = Row(setting, "probabilities", row), found = new double[logits.Length];
                new TokenSampler(plan, greedy: false, logits.Length).Distribution(logits, previous, [], found);
                for (int id = 0; id < logits.Length; id++)
                {
                    Assert.True(Math.Abs(expected[id] - found[id]) < 1e-6 && (found[id] == 0 || expected[id] > 0), $"{config} row {row} id {id}: {found[id]} instead of {expected[id]}");
                }
            }
        }
    }

    [Fact]
    public void Equals_at_the_edge_of_a_filter_go_to_the_smaller_ids()
    {
        float[] logits = [0, 1, 1, 1, 0];
        double[] found = new double[5];
        new TokenSampler(SamplingPlans.Plain with { TopK = 2 }, greedy: false, 5).Distribution(logits, [], [], found);
        Assert.Equal([0, 0.5, 0.5, 0, 0], found);
        new TokenSampler(SamplingPlans.Plain with { TopP = 0.4 }, greedy: false, 5).Distribution(logits, [], [], found);
        Assert.Equal([0, 0.5, 0.5, 0, 0], found);
        Assert.Equal(1, new TokenSampler(SamplingPlans.Plain, greedy: true, 5).Draw(logits, [], [], 0).Token);
    }

    [Fact]
    public void The_draw_walks_the_vocabulary_in_id_order()
    {
        float[] logits = [0, 0, float.NegativeInfinity, 0, 0];
        var rule = new TokenSampler(SamplingPlans.Plain, greedy: false, 5);
        Assert.Equal([0, 1, 3, 4, 4], new[] { 0f, 0.25f, 0.5f, 0.75f, 1 - 1f / (1 << 24) }.Select(u => rule.Draw(logits, [], [], u).Token));
    }

    [Fact]
    public void Filters_and_penalties_choose_the_token_and_do_not_enter_its_log_prob()
    {
        float[] logits = [3, 2, 1, 0];
        DrawnToken plain = new TokenSampler(SamplingPlans.Plain, greedy: false, 4).Draw(logits, [], [], 0);
        DrawnToken filtered = new TokenSampler(SamplingPlans.Plain with { TopK = 1, RepetitionPenalty = 1.2 }, greedy: false, 4).Draw(logits, [3], [2], 0.9f);
        Assert.Equal(plain.Token, filtered.Token);
        Assert.Equal(plain.LogProb, filtered.LogProb);
        Assert.Equal(Math.Exp(plain.LogProb), filtered.KeptMass, 2e-2);
    }

    [Fact]
    public void A_row_with_NaN_draws_nothing()
        => Assert.Throws<NotFiniteException>(() => new TokenSampler(SamplingPlans.Plain, greedy: false, 3).Draw([1, float.NaN, 0], [], [], 0));

    private static double Number(JsonElement config, string name, double otherwise) => config.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : otherwise;

    private static double[] Row(JsonElement setting, string name, int row) => [.. setting.GetProperty(name)[row].EnumerateArray().Select(value => value.GetDouble())];
}
