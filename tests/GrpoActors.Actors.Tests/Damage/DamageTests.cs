using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Workers;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace GrpoActors.Actors.Tests.Damage;

/// <summary>
/// Promise 6: any flipped or missing bit of a small run's checkpoint, journal and write-ahead log is detected with a sentence, or harmless: what is read is a beginning of
/// what was written. GRPO_DAMAGE=all tries every offset instead of a sample.
/// </summary>
public sealed class DamageTests(ITestOutputHelper output) : IDisposable
{
    private const int BytesMax = 64 * 1024;

    private readonly TinyRun tiny = new() { Overrides = { ("phases.sft.steps", "1"), ("phases.grpo.steps", "1"), ("phases.grpo.groups_per_step", "2"), ("phases.grpo.num_generations", "2") } };
    private readonly TemporaryFolder temporary = new();
    private readonly Tally tally = new();

    public void Dispose()
    {
        tiny.Dispose();
        temporary.Dispose();
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("optimizer.safetensors")]
    [InlineData("manifest.json")]
    [InlineData("reference")]
    public async Task A_damaged_checkpoint_is_detected_and_named(string name)
    {
        tiny.Overrides.Add(("phases.grpo.beta", "0.1")); // so that it has a reference
        await tiny.Train();
        string folder = Directory.GetDirectories(tiny.CheckpointFolder).Order(StringComparer.Ordinal).Last();
        CheckpointManifest manifest = Newest(PhysicalDisk.Instance) is FoundCheckpoint.Intact intact ? intact.Manifest : throw new InvalidOperationException("It is damaged already.");
        string path = Path.GetFullPath(Path.Combine(folder, name == "reference" ? manifest.Files.Single(file => file.Role == "reference").Name : name));
        name = Path.GetFileName(path);
        byte[] whole = await File.ReadAllBytesAsync(path);
        Assert.InRange(Directory.GetFiles(folder).Append(path).Distinct().Sum(file => new FileInfo(file).Length), 1, BytesMax);
        Try(Damage.Of(whole.Length, sample: 300), damage =>
        {
            var disk = new DamagedDisk(path, damage.Of(whole));
            string why = Newest(disk) is FoundCheckpoint.Damaged found ? found.Why : throw new InvalidOperationException("it is not found");
            if (name != "manifest.json")
            {
                why += Assert.Throws<StorageException>(() => new CheckpointStore(disk, tiny.CheckpointFolder).Load(manifest)).Message;
            }

            return why.StartsWith("The checkpoint ", StringComparison.Ordinal) && why.Contains(name, StringComparison.Ordinal) ? "detected" : throw new InvalidOperationException($"no sentence: {why}");
        });
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_damaged_journal_is_detected_or_read_as_a_beginning_of_what_was_written(bool hasLog, bool inLog)
    {
        await tiny.Train();
        byte[][] written = [.. tiny.Events().Select(EventRecord.Encode)];
        (byte[] file, byte[] log) = hasLog ? HalfInTheLog(tiny.Events()) : (InTheFile(tiny.Events()), []);
        Assert.InRange(file.Length, 1, BytesMax);
        Assert.InRange(log.Length, hasLog ? 1 : 0, BytesMax);
        Try(Damage.Of((inLog ? log : file).Length, sample: 300), damage =>
        {
            string copy = temporary.File($"copy-{Environment.CurrentManagedThreadId}.db");
            File.WriteAllBytes(copy, inLog ? file : damage.Of(file));
            File.WriteAllBytes(copy + "-wal", inLog ? damage.Of(log) : log);
            File.Delete(copy + "-shm");
            return Consequence(Journal(copy), written);
        });
    }

    private RunJournal Journal(string path) => RunJournal.Of(path, tiny.Folder, Digest.Of("tiny"));

    [Fact]
    public async Task A_run_on_a_damaged_journal_stops_with_a_sentence_or_ends_with_the_same_hashes()
    {
        string expected = (await tiny.Train()).Hashes, journal = Path.Combine(tiny.Folder, "journal.db"), kept = temporary.File("kept");
        Copy(tiny.Folder, kept);
        byte[] file = await File.ReadAllBytesAsync(journal);
        foreach (Damage damage in Damage.Of(file.Length, sample: 40))
        {
            Directory.Delete(tiny.Folder, recursive: true);
            Copy(kept, tiny.Folder);
            await File.WriteAllBytesAsync(journal, damage.Of(file));
            try
            {
                Assert.Equal(expected, (await tiny.Train()).Hashes);
                tally.Add("same hashes");
            }
            catch (Exception sentence) when (sentence is StorageException or RunFailedException)
            {
                Assert.EndsWith(".", sentence.Message, StringComparison.Ordinal);
                tally.Add("detected");
            }
        }

        output.WriteLine($"{tally}");

        static void Copy(string from, string to)
        {
            foreach (string source in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(to, Path.GetRelativePath(from, source));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(source, target);
            }
        }
    }

    /// <summary>As a start of the run would: prepares, folds, appends, and whoever comes next folds again.</summary>
    private string Consequence(RunJournal journal, byte[][] written)
    {
        try
        {
            RunEvent next = new RunEvent.RunEnded(0, RunEnd.TooManyRollbacks);
            int kept;
            using (var writer = new TableWriter(journal))
            {
                kept = writer.Position == 0 ? 0 : Beginning(journal, written);
                writer.Append(next);
            }

            Beginning(journal, [.. written[..kept], EventRecord.Encode(next)], exactly: true);
            return kept == written.Length ? "harmless" : "read as a beginning";
        }
        catch (StorageException sentence) when (sentence.Message.EndsWith('.') && sentence.Message.Contains("journal", StringComparison.Ordinal))
        {
            return "detected";
        }
        catch (Exception e) when (e is CannotFollowException or SqliteException) // of the latter the journal's actor makes a sentence
        {
            return "detected";
        }
    }

    /// <returns>How many records are left.</returns>
    private int Beginning(RunJournal journal, byte[][] written, bool exactly = false)
    {
        using IJournalReader reader = journal.OpenForReading();
        byte[][] read = [.. reader.Read().Select(entry => EventRecord.Encode(entry.Event))];
        if (reader.First > 0 && read.Length > 0)
        {
            Fold(reader);
        }

        bool beginning = read.Length <= written.Length && read.Index().All(at => at.Item.AsSpan().SequenceEqual(written[at.Index]));
        return beginning && (!exactly || read.Length == written.Length) ? read.Length : throw new InvalidOperationException($"{read.Length} records were read that are no beginning of the {written.Length} written");
    }

    /// <summary>Records that do not begin at 0 cannot be folded, and so say what they are.</summary>
    private void Fold(IJournalReader journal)
    {
        try
        {
            _ = journal.Read().Aggregate(RunState.Begin(tiny.Plan().Identity), (run, entry) => run.Apply(entry.Event));
        }
        catch (InvalidOperationException impossible)
        {
            throw new CannotFollowException(impossible.Message, impossible);
        }
    }

    private byte[] InTheFile(List<RunEvent> events)
    {
        using (var writer = new TableWriter(Journal(temporary.File("journal.db"))))
        {
            writer.Append([.. events]);
        }

        return Copied("journal.db");
    }

    /// <summary>A journal whose first records are in the file and whose last ones are in the log alone, as a killed process leaves it.</summary>
    private (byte[] File, byte[] Log) HalfInTheLog(List<RunEvent> events)
    {
        int half = events.Count / 2;
        InTheFile(events[..half]);
        using var second = new TableWriter(Journal(temporary.File("journal.db")));
        second.Append([.. events[half..^1]]);
        second.Append([.. events[^1..]]);
        return (Copied("journal.db"), Copied("journal.db-wal"));
    }

    private byte[] Copied(string name)
    {
        using Stream file = PhysicalDisk.Instance.OpenRead(temporary.File(name));
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    private FoundCheckpoint Newest(IDisk disk) => new CheckpointStore(disk, tiny.CheckpointFolder).Scan().First();

    private void Try(Damage[] all, Func<Damage, string> consequence)
    {
        Parallel.ForEach(all, new ParallelOptions { MaxDegreeOfParallelism = 2 }, damage =>
        {
            try
            {
                tally.Add(consequence(damage));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{damage}: {e.Message}", e);
            }
        });
        output.WriteLine($"{all.Length:N0} kinds of damage: {tally}");
    }

    private sealed class CannotFollowException(string message, Exception inner) : Exception(message, inner);
}
