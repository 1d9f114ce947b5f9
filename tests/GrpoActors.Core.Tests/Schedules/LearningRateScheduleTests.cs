using System.Text.Json;
using GrpoActors.Core.Schedules;
using GrpoActors.Core.Tests.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Schedules;

public class LearningRateScheduleTests
{
    [Fact]
    public void Every_schedule_of_transformers_is_met_at_every_step()
    {
        using var fixture = JsonDocument.Parse(Fixture.Text("schedules.json"));
        int schedules = 0;
        foreach (var x in fixture.RootElement.EnumerateArray())
        {
            var settings = x.GetProperty("settings");
            double? Setting(string name) => settings.TryGetProperty(name, out var value) ? value.GetDouble() : null;
            var schedule = new LearningRateSchedule
            {
                Kind = x.GetProperty("name").GetString()!,
                LearningRate = x.GetProperty("lr").GetDouble(),
                WarmupSteps = x.GetProperty("warmup").GetInt32(),
                TotalSteps = x.GetProperty("total").GetInt32(),
                NumCycles = Setting("num_cycles"),
                MinLrRate = Setting("min_lr_rate") ?? Setting("min_lr_ratio"),
                Power = Setting("power") ?? 1,
                LrEnd = Setting("lr_end") ?? 1e-7,
                NumDecaySteps = (int?)Setting("num_decay_steps"),
            };
            int step = 0;
            foreach (var expected in x.GetProperty("values").EnumerateArray())
            {
                double rate = schedule.At(step);
                Assert.True(Math.Abs(rate - expected.GetDouble()) <= 4e-16 * schedule.LearningRate + 1e-15 * expected.GetDouble(),
                    $"{schedule.Kind} at step {step}: {rate:R}, expected {expected.GetDouble():R}");
                step++;
            }
            schedules++;
        }
        Assert.Equal(LearningRateSchedule.Names.Count, schedules);
    }

    [Fact]
    public void A_misspelt_name_is_answered_with_the_names_there_are()
    {
        var mistake = Assert.Throws<ArgumentException>(() => new LearningRateSchedule { Kind = "cosin", LearningRate = 1, TotalSteps = 2 }.At(1));
        Assert.Contains("cosine_with_min_lr", mistake.Message);
    }
}
