using System.Globalization;
using System.Text.Json;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.EndToEnd;

/// <summary>
/// The kill harness that users have, on a run of a second with lag, several updates a step, a reference, refill and evaluations. GRPO_KILLS=1000 runs the long form,
/// GRPO_CHAOS_SEED chooses other faults.
/// </summary>
public sealed class ChaosTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string[] Wide =
    [
        "--set", "phases.grpo.steps=16", "--set", "save_steps=3", "--set", "evaluation.eval_steps=6", "--set", "lag=1", "--set", "phases.grpo.beta=0.1",
        "--set", "phases.grpo.num_iterations=2", "--set", "phases.grpo.drop_zero_spread=true", "--set", "phases.grpo.refill=1",
    ];

    private readonly Scratch scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public void Killed_frozen_and_starved_processes_end_with_the_hashes_of_the_undisturbed_run()
    {
        int kills = Number("GRPO_KILLS", 10), others = 1 + (kills / 100);
        Finished chaos = Grpo.Run(
            [
                "chaos", RunFile(), "--kills", $"{kills}", "--freezes", $"{others}", "--torn", $"{2 * others}", "--quotas", $"{others}", "--read-only", $"{others}",
                "--seed", $"{Number("GRPO_CHAOS_SEED", 20260)}", "--jobs", "2", "--json", .. Wide,
            ],
            Grpo.Patience + TimeSpan.FromMinutes(kills / 10));
        Assert.True(chaos.ExitCode == 0, $"{chaos.Output}\n{chaos.Error}");
        JsonElement report = Grpo.LastObject(chaos.Output);
        int happened = 0;
        foreach (JsonElement point in report.GetProperty("points").EnumerateArray())
        {
            (string name, int planned, int times) = (point.GetProperty("name").GetString()!, point.GetProperty("planned").GetInt32(), point.GetProperty("happened").GetInt32());
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{times,5} of {planned,3} {name}, {point.GetProperty("withoutProgress").GetInt32()} more without progress"));
            Assert.True(times >= planned, $"{name}: {times} of {planned}");
            bool isPoint = point.GetProperty("reached").GetInt64() > 0;
            Assert.True(!isPoint || times >= kills / 100, $"{name}: {times} kills of {kills}");
            happened += isPoint || name == "random moment" ? times : 0;
        }

        Assert.True(happened >= kills, $"{happened} kills of {kills}");
        output.WriteLine($"{happened} kills, {report.GetProperty("starts")} processes, {report.GetProperty("runs")} runs; {report.GetProperty("hashes")}");
        output.WriteLine(string.Join('\n', report.GetProperty("skipped").EnumerateArray()));
    }

    [Fact]
    public void A_run_file_that_is_refused_is_the_users_mistake()
    {
        Finished chaos = Grpo.Run(["chaos", RunFile(), "--kills", "1", "--set", "phases.grpo.mini_batches=5"]);
        Assert.Equal(2, chaos.ExitCode);
        Assert.Contains("mini_batches", chaos.Error, StringComparison.Ordinal);
    }

    private string RunFile() => TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName);

    private static int Number(string variable, int usual) => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : usual;
}
