using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The first SIGINT or SIGTERM stops cleanly, the second leaves at once; the same command goes on from either.</summary>
public sealed class SignalTests : IDisposable
{
    /// <summary>So many that the signal, sent at the first of them, arrives before the last.</summary>
    private const int LongerSteps = 120;

    private static readonly string[] Longer = ["--set", $"phases.grpo.steps={LongerSteps}", "--set", "save_steps=40"];

    /// <summary>The hashes of the longer run that nobody stops.</summary>
    private static readonly Lazy<string> Undisturbed = new(() =>
    {
        using var scratch = new Scratch();
        return Grpo.Hashes(Grpo.LastObject(Grpo.Run(["train", TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName), "--run-dir", scratch["run"], "--json", .. Longer]).Output));
    });

    private readonly Scratch scratch = new();
    private readonly string runFile;

    public SignalTests() => runFile = TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName);

    private string Folder => scratch["run"];

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task A_signal_stops_cleanly_with_an_exit_code_of_its_own(string signal, int exitCode)
    {
        using Process process = Grpo.Start(["train", runFile, "--run-dir", Folder, "--set", "phases.grpo.steps=1500", "--set", "save_steps=1000"]);
        ReadUntil("sft 2/2", process);
        Grpo.Send(signal, process);

        string rest = await process.StandardError.ReadToEndAsync().WaitAsync(Grpo.Patience);
        await process.WaitForExitAsync();
        Assert.Equal(exitCode, process.ExitCode);
        Assert.DoesNotContain("   at ", rest, StringComparison.Ordinal);

        // What was committed is kept, and nothing else.
        string audit = Grpo.Run(["audit", Folder, "--json"]).Output;
        long committed = Grpo.LastObject(audit).GetProperty("steps").GetInt64();
        Assert.InRange(committed, 2, 1501);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void A_run_that_was_stopped_by_a_signal_resumes_to_the_same_hashes(string signal, int exitCode)
    {
        using (Process process = Grpo.Start(["train", runFile, "--run-dir", Folder, .. Longer]))
        {
            ReadUntil($"grpo {1,3}/{LongerSteps}", process);
            Grpo.Send(signal, process);
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.Equal(exitCode, process.ExitCode);
        }

        long committed = Grpo.LastObject(Grpo.Run(["audit", Folder, "--json"]).Output).GetProperty("steps").GetInt64();
        Assert.InRange(committed, 3, 2 + LongerSteps - 1);
        Assert.Equal(Undisturbed.Value, Resumed(Longer));
    }

    /// <summary>The start waits for a journal that somebody else keeps locked, which no clean stop can hurry; unanswered, that wait ends after half a minute with exit code 1.</summary>
    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void A_second_signal_leaves_at_once_whatever_the_first_one_waits_for(string signal, int exitCode)
    {
        Assert.Equal(137, Grpo.Run(["train", runFile, "--run-dir", Folder], ("GRPO_CRASH_AT", "appended StepCommitted#3")).ExitCode);
        using (var locking = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path.Combine(Folder, "journal.db"), Pooling = false }.ConnectionString))
        {
            locking.Open();
            using SqliteTransaction held = locking.BeginTransaction(deferred: false);
            using Process process = Grpo.Start(["train", runFile, "--run-dir", Folder]);
            ReadUntil("run folder", process);
            Grpo.Send(signal, process);
            ReadUntil("once more to leave at once", process);
            Assert.False(process.HasExited);
            Grpo.Send(signal, process);
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.Equal(exitCode, process.ExitCode);
        }

        Assert.Equal(TinyRunFile.Hashes, Resumed());
    }

    private string Resumed(params string[] options) => Grpo.Hashes(Grpo.LastObject(Grpo.Run(["train", runFile, "--run-dir", Folder, "--json", .. options]).Output));

    private static void ReadUntil(string words, Process process)
    {
        string? line;
        do
        {
            line = process.StandardError.ReadLine();
        }
        while (line?.Contains(words, StringComparison.Ordinal) == false);
        Assert.True(line is not null, $"The process ended before it said \"{words}\".");
    }
}
