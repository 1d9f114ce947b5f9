using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The kill harness that users have. GRPO_KILLS=1000 runs the long form.</summary>
public sealed class ChaosTests
{
    private static readonly string[] Short =
    [
        "--set", "phases.sft.steps=3", "--set", "phases.grpo.steps=4", "--set", "phases.grpo.groups_per_step=4", "--set", "phases.sft.examples_per_step=8",
        "--set", "checkpoint_steps=2", "--set", "evaluation.every=0", "--set", "lag=1",
    ];

    [Fact]
    public void Killed_and_frozen_processes_end_with_the_hashes_of_the_undisturbed_run()
    {
        int kills = int.TryParse(Environment.GetEnvironmentVariable("GRPO_KILLS"), out int asked) ? asked : 10;
        Finished chaos = Grpo.Run(["chaos", Grpo.Recipe, "--kills", $"{kills}", "--freezes", "1", "--seed", "20260", "--json", .. Short]);
        Assert.True(chaos.ExitCode == 0, $"{chaos.Output}\n{chaos.Error}");
        JsonElement report = Grpo.LastObject(chaos.Output);
        Assert.Equal(kills + 1, report.GetProperty("planned").GetInt32());
        Assert.Equal(kills + 1, report.GetProperty("happened").GetInt32());
    }

    [Fact]
    public void A_run_that_cannot_end_is_nothing_to_compare_with()
    {
        Finished chaos = Grpo.Run(["chaos", Grpo.Recipe, "--kills", "1", "--set", "phases.grpo.mini_batches=5"]);
        Assert.Equal(1, chaos.ExitCode);
        Assert.Contains("undisturbed run ended with exit code 2", chaos.Error, StringComparison.Ordinal);
    }
}
