using System.Diagnostics;
using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.EndToEnd;

/// <summary>
/// A process that is stopped with SIGSTOP while another takes its run over: the other one ends with the right hashes or says why it cannot begin, and the frozen one, when it wakes,
/// says that it was overtaken and has changed nothing. GRPO_FREEZES=40 makes so many trials.
/// </summary>
public sealed class FrozenProcessTests(ITestOutputHelper output) : IDisposable
{
    private readonly Scratch scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_frozen_run_that_was_overtaken_stops_when_it_wakes_and_has_changed_nothing()
    {
        string runFile = TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName);
        int trials = int.TryParse(Environment.GetEnvironmentVariable("GRPO_FREEZES"), NumberStyles.None, CultureInfo.InvariantCulture, out int asked) ? asked : 2;
        var random = new Random(20260);
        int overtaken = 0, refused = 0;
        for (int trial = 0; trial < trials; trial++)
        {
            string folder = scratch[$"run-{trial}"];
            string[] train = ["train", runFile, "--run-dir", folder, "--json"];
            using Process frozen = Grpo.Start(train);
            Task<string> result = frozen.StandardOutput.ReadToEndAsync();
            int step = random.Next(1, 6);
            while (frozen.StandardError.ReadLine() is { } line && !line.Contains($"grpo {step}/6", StringComparison.Ordinal))
            {
            }

            Grpo.Send("STOP", frozen);
            Finished held = Grpo.Run(train);
            Assert.True(held.ExitCode == 0 || held.Error.Contains($"is in use by process {frozen.Id}", StringComparison.Ordinal), held.Error); // 0: it had let go of the folder already
            File.Delete(Path.Combine(folder, "run.lock")); // what keeps a second process out of the folder
            Finished second = Grpo.Run(train);
            Grpo.Send("CONT", frozen);
            Task<string> saying = frozen.StandardError.ReadToEndAsync();
            if (!frozen.WaitForExit(Grpo.Patience))
            {
                frozen.Kill();
                Assert.Fail("The process that was frozen hangs.");
            }

            string said = await saying;
            if (second.ExitCode == 0)
            {
                Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(second.Output)));
                overtaken++;
            }
            else // it was frozen in the middle of an append, and so keeps the journal's file locked
            {
                Assert.Contains("another process keeps it locked", second.Error, StringComparison.Ordinal);
                refused++;
            }

            if (frozen.ExitCode == 0) // it had come to its end before, or nobody could overtake it
            {
                Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(await result)));
            }
            else
            {
                Assert.Equal(1, frozen.ExitCode);
                Assert.Contains("Another process has ", said, StringComparison.Ordinal);
            }

            Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(Grpo.Run(train).Output)));
            Assert.Equal(0, Grpo.Run(["audit", folder]).ExitCode);
        }

        output.WriteLine($"{trials} trials: {overtaken} overtaken, {refused} refused while the journal was locked; no hang");
    }
}
