using System.ComponentModel;
using System.Diagnostics;
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
        Chaos(kills, "--freezes", $"{others}", "--torn", $"{2 * others}", "--quotas", $"{others}", "--read-only", "0");
    }

    [ReadOnlyFact]
    public void Processes_that_find_their_folder_read_only_stop_with_a_sentence_and_their_run_ends_with_the_same_hashes()
    {
        int others = 1 + (Number("GRPO_KILLS", 10) / 100);
        JsonElement report = Chaos(0, "--freezes", "0", "--torn", "0", "--quotas", "0", "--read-only", $"{others}");
        Assert.Equal(others, report.GetProperty("happened").GetInt32());
    }

    [Fact]
    public void A_journal_elsewhere_is_torn_like_one_in_the_run_folder()
    {
        JsonElement report = Chaos(0, "--freezes", "0", "--torn", "2", "--quotas", "0", "--read-only", "0", "--set", $"journal={scratch["elsewhere.db"]}");
        Assert.Contains(report.GetProperty("points").EnumerateArray(), point => point.GetProperty("name").GetString() == "torn journal" && point.GetProperty("happened").GetInt32() == 1);
    }

    /// <summary>Every planned fault has happened, and nothing was left out.</summary>
    private JsonElement Chaos(int kills, params string[] others)
    {
        Finished chaos = Grpo.Run(
            [
                "chaos", RunFile(), "--kills", $"{kills}", .. others,
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
        Assert.Empty(report.GetProperty("skipped").EnumerateArray());
        return report;
    }

    [Fact]
    public void A_run_file_that_is_refused_is_the_users_mistake()
    {
        Finished chaos = Grpo.Run(["chaos", RunFile(), "--kills", "1", "--set", "phases.grpo.mini_batches=5"]);
        Assert.Equal(2, chaos.ExitCode);
        Assert.Contains("mini_batches", chaos.Error, StringComparison.Ordinal);
    }

    /// <summary>Skipped with the reason where no folder can be made read-only for one process.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class ReadOnlyFactAttribute : FactAttribute
    {
        private static readonly Lazy<string?> Missing = new(() =>
        {
            try
            {
                using Process probe = Process.Start(new ProcessStartInfo("unshare", ["-m", "mount", "--bind", "/", "/"]) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
                probe.WaitForExit();
                return probe.ExitCode == 0 ? null : "Only root in a mount namespace of its own can make a folder read-only for one process.";
            }
            catch (Win32Exception)
            {
                return "There is no unshare (util-linux) here.";
            }
        });

        public ReadOnlyFactAttribute() => Skip = Missing.Value;
    }

    private string RunFile() => TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName);

    private static int Number(string variable, int usual) => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : usual;
}
