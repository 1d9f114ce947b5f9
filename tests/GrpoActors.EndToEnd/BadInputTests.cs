using System.Text.Json;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Recorded;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>Promise 7: bad input gets a sentence, an exit code, and never a stack trace. The real program on a run of a second.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly string[] Keys =
    [
        "run", "steps", "seconds", "accuracyBefore", "accuracyAfter", "rewardFirst", "rewardLast", "tokensSampled", "tokensTrained", "outcomesByTiming", "rewards", "exact",
        "exactOn", "vectorBits", "fma", "weightsSha256", "optimizerSha256", "ledgerSha256",
    ];

    private readonly Scratch scratch = new();
    private readonly string files;
    private readonly string runFile;

    public BadInputTests()
    {
        files = Directory.CreateDirectory(scratch["files"]).FullName;
        runFile = TinyRunFile.Write(files);
    }

    private string Folder => scratch["run"];

    public void Dispose() => scratch.Dispose();

    [Fact]
    public void The_result_for_scripts_has_the_documented_keys_and_a_finished_run_gives_it_again()
    {
        JsonElement first = Grpo.LastObject(Ended(0, Train()).Output);
        Assert.Equal(Keys, first.EnumerateObject().Select(property => property.Name));
        JsonElement again = Grpo.LastObject(Ended(0, Train()).Output);
        Assert.All(Keys.Except(["seconds"]), key => Assert.Equal(first.GetProperty(key).ToString(), again.GetProperty(key).ToString()));

        JsonElement fresh = Grpo.LastObject(Ended(0, Train("--fresh")).Output);
        Assert.Equal(Grpo.Hashes(first), Grpo.Hashes(fresh));
        Assert.True(File.Exists(Path.Combine(Folder + ".1", "plan.json")));
    }

    [Theory]
    [InlineData("absent.json", "absent.json\", which cannot be read")]
    [InlineData("", "which cannot be read")] // a folder
    public void A_run_file_that_cannot_be_read_is_named(string name, string sentence) =>
        Assert.Contains(sentence, Ended(2, Grpo.Run(["train", Path.Combine(files, name)])).Error, StringComparison.Ordinal);

    [Theory]
    [InlineData("audit")]
    [InlineData("inspect")]
    [InlineData("eval")]
    [InlineData("replay", "--step", "1")]
    public void A_folder_without_a_run_is_a_mistake(string command, params string[] options)
    {
        Assert.Equal($"grpo: There is no run in {Folder}: it holds no plan.json.", Ended(2, Grpo.Run([command, Folder, .. options])).Error.TrimEnd());
        Assert.False(Directory.Exists(Folder));
    }

    [Fact]
    public void A_folder_without_its_journal_is_a_mistake()
    {
        Ended(0, Train());
        File.Delete(Path.Combine(Folder, "journal.db"));
        Assert.StartsWith("grpo: There is no journal at ", Ended(2, Grpo.Run(["audit", Folder])).Error, StringComparison.Ordinal);
        Assert.StartsWith("grpo: There is no journal at ", Ended(2, Grpo.Run(["audit", Folder, "--journal", scratch["nowhere.db"]])).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Broken_json_is_named_with_its_line()
    {
        File.WriteAllText(runFile, TinyRunFile.Text.Replace("\"threads\": 1", "\"threads\" 1", StringComparison.Ordinal));
        int line = 1 + TinyRunFile.Text[..TinyRunFile.Text.IndexOf("\"threads\"", StringComparison.Ordinal)].Count(c => c == '\n');
        Assert.Contains($"tiny.json: is no valid JSON at line {line}, byte ", Ended(2, Train()).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        string error = Ended(2, Train(
            "--set", "phases.grpo.steps=many", "--set", "phases.grpo.mini_batches=2", "--set", "phases.grpo.learning_rte=1", "--set", "phases.sft.data=absent.jsonl", "--set", "lag=-1")).Error;
        Assert.Contains("phases.grpo.steps", error, StringComparison.Ordinal);
        Assert.Contains("mini_batches: is 2, which does not divide groups_per_step (3).", error, StringComparison.Ordinal);
        Assert.Contains("Did you mean learning_rate", error, StringComparison.Ordinal);
        Assert.Contains("absent.jsonl", error, StringComparison.Ordinal);
        Assert.Contains("lag", error, StringComparison.Ordinal);
        Assert.Contains("5 mistakes; nothing was started.", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Folder));
    }

    [Fact]
    public void A_folder_of_another_run_is_refused_with_the_keys_that_differ()
    {
        Ended(137, Killed("appended StepCommitted#1"));
        string error = Ended(2, Train("--seed", "2", "--set", "phases.grpo.learning_rate=0.5")).Error;
        Assert.Contains("seed: was 42 when the run in", error, StringComparison.Ordinal);
        Assert.Contains("phases.grpo.learning_rate: was 0.01", error, StringComparison.Ordinal);
        Assert.Contains("--fresh", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_in_use_is_refused_and_left_alone()
    {
        Directory.CreateDirectory(Folder);
        using var held = new FileStream(Path.Combine(Folder, "run.lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        Assert.Contains("is in use by another process", Ended(1, Train()).Error, StringComparison.Ordinal);
    }

    [SmallDiskFact]
    public void A_full_disk_is_named_and_the_run_goes_on_once_there_is_room()
    {
        using var disk = new SmallDisk(scratch["small"], kibibytes: 44);
        string[] command = ["train", runFile, "--run-dir", Path.Combine(scratch["small"], "run"), "--json", "--set", "worker_restarts_max=0"];
        foreach (int kibibytes in new[] { 44, 72, 88, 100, 140 }) // a finished run has 140, and needs its log besides; with 44 there is no room for the log's index
        {
            disk.Grow(kibibytes);
            string error = Ended(1, Grpo.Run(command)).Error;
            Assert.Contains("the disk is full; free some space and start the same command again", error, StringComparison.Ordinal);
        }

        disk.Grow(kibibytes: 8192);
        Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(Ended(0, Grpo.Run(command)).Output)));
    }

    [Fact]
    public void A_damaged_checkpoint_is_one_sentence_and_an_older_one_gives_the_same_hashes()
    {
        Ended(137, Killed("appended StepCommitted#7"));
        string newest = Directory.GetDirectories(Path.Combine(Folder, "checkpoints"), "step-??????").Order(StringComparer.Ordinal).Last();
        Flip(Path.Combine(newest, "weights.safetensors"), fromEnd: 7);
        Finished finished = Ended(0, Train());
        Assert.Single(finished.Error.Split('\n'), line => line.StartsWith("warning: The checkpoint of step", StringComparison.Ordinal));
        Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(finished.Output)));
    }

    [Fact]
    public void A_damaged_journal_stops_the_run_and_names_the_place()
    {
        Ended(0, Train());
        string journal = Path.Combine(Folder, "journal.db");
        byte[] file = File.ReadAllBytes(journal), record;
        using (IJournalReader reader = Recorded().OpenForReading())
        {
            record = reader.Stored().Last(stored => stored.Payload.Length < 500).Payload; // it lies in one piece
        }

        Flip(journal, fromEnd: file.Length - file.AsSpan().LastIndexOf(record));
        Assert.Contains("journal", Ended(1, Train()).Error, StringComparison.OrdinalIgnoreCase);
        Ended(1, Grpo.Run(["audit", Folder, "--json"]));
    }

    [Fact]
    public void A_shortened_journal_is_named_and_the_lost_steps_are_computed_again_to_the_same_hashes()
    {
        Ended(0, Train());
        RunJournal journal = Recorded();
        RunEvent[] kept;
        using (IJournalReader reader = journal.OpenForReading())
        {
            kept = [.. reader.Read().Select(entry => entry.Event).TakeWhile(e => e is not RunEvent.StepCommitted { Inputs.Step: 5 })];
        }

        foreach (string file in Directory.GetFiles(Folder, "journal.db*"))
        {
            File.Delete(file);
        }

        using (var rewritten = new TableWriter(journal))
        {
            rewritten.Append(kept);
        }

        Finished finished = Ended(0, Train());
        Assert.Contains("The journal ends at step 5, but a checkpoint of step 8 exists: the journal has lost its tail.", finished.Error, StringComparison.Ordinal);
        Assert.Equal(TinyRunFile.Hashes, Grpo.Hashes(Grpo.LastObject(finished.Output)));
    }

    private RunJournal Recorded() => RunJournal.Of(null, Path.GetFullPath(Folder), RecordedRun.Open(Folder).Identity);

    private Finished Train(params string[] options) => Grpo.Run(["train", runFile, "--run-dir", Folder, "--json", .. options]);

    private Finished Killed(string at) => Grpo.Run(["train", runFile, "--run-dir", Folder, "--json"], ("GRPO_CRASH_AT", at));

    private static Finished Ended(int exitCode, Finished finished)
    {
        Assert.True(finished.ExitCode == exitCode, $"grpo ended with {finished.ExitCode}, not {exitCode}:\n{finished.Error}");
        Assert.DoesNotContain("   at ", finished.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("unexpected", finished.Error, StringComparison.Ordinal);
        return finished;
    }

    private static void Flip(string file, int fromEnd)
    {
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^fromEnd] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
