using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.Journal.Tests;

public sealed class SqliteRunJournalTests : RunJournalTests, IDisposable
{
    private readonly TemporaryFolder folder = new();

    protected override string? Setting => null;

    protected override string RunFolder => folder.Path;

    protected override RunJournal Aside => RunJournal.Of(Database + ".1", folder.Path, Identity);

    private string Database => folder.File("journal.db");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_whose_folder_was_renamed_is_found_under_the_name_it_began_with()
    {
        Write(2);
        string begunAs = Journal.Name, moved = Directory.CreateDirectory(folder.File("moved")).FullName;
        File.Move(Database, Path.Combine(moved, "journal.db"));
        var journal = RunJournal.Of(null, moved, Identity);
        Assert.Equal(begunAs, journal.Name);
        using IJournalReader reader = journal.OpenForReading();
        Assert.Equal(2, reader.Read().Count());
    }

    [Fact]
    public void A_record_whose_run_was_renamed_by_damage_is_not_left_out_silently()
    {
        Write(3);
        Run("UPDATE journal SET persistence_id = 'X' || substr(persistence_id, 2) WHERE sequence_number = 1");
        foreach (Action use in (Action[])[Journal.Prepare, () => Journal.OpenForReading()])
        {
            Assert.Contains("under the names X", Assert.Throws<JournalDamagedException>(use).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("message", "5")]
    [InlineData("message", "x''")]
    [InlineData("manifest", "'event/2'")]
    [InlineData("manifest", "NULL")]
    [InlineData("identifier", "7")]
    public void A_column_that_holds_something_else_is_damage_at_that_record(string column, string value)
    {
        Write(3);
        Run($"UPDATE journal SET {column} = {value} WHERE sequence_number = 2");
        DamagedAt(1, "");
    }

    [Fact]
    public void A_database_of_another_program_is_refused_and_left_as_it_is()
    {
        Run("CREATE TABLE events(x)");
        Assert.Contains("no journal of this program", Assert.Throws<JournalDamagedException>(Journal.Prepare).Message, StringComparison.Ordinal);
        Run("INSERT INTO events VALUES (1)");
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_with_a_sentence()
    {
        File.WriteAllText(Database, new string('x', 5000));
        Assert.Contains("no whole SQLite database", Assert.Throws<JournalDamagedException>(Journal.Prepare).Message, StringComparison.Ordinal);
        Assert.Contains("no whole SQLite database", Assert.Throws<JournalDamagedException>(Journal.OpenForReading).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_a_sentence_not_a_code()
    {
        var e = Assert.Throws<JournalWriteException>(RunJournal.Of(folder.File("absent/journal.db"), folder.Path, Identity).Prepare);
        Assert.Contains("cannot be opened", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_connection_that_keeps_no_log_is_refused()
    {
        using var memory = new SqliteConnection("Data Source=:memory:");
        memory.Open();
        var refused = Assert.Throws<StorageException>(() => SqliteTables.RequireDurable(memory, Database));
        Assert.Contains("journal_mode is memory", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_flipped_bit_anywhere_in_the_file_is_found_or_gives_a_beginning_of_what_was_written()
    {
        Write(6);
        Run("PRAGMA wal_checkpoint(TRUNCATE)");
        byte[] whole = File.ReadAllBytes(Database);
        string copy = folder.File("copy.db");
        for (int at = 0; at < whole.Length; at += 23)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(copy, damaged);
            Assert.True(IsDamagedOrBeginning(copy, 6), $"byte {at}");
            File.Delete(copy + "-wal");
            File.Delete(copy + "-shm");
        }
    }

    [Fact]
    public void Every_truncation_of_the_log_gives_a_beginning_of_what_was_written()
    {
        using var writer = new TableWriter(Journal);
        for (int i = 0; i < 3; i++)
        {
            writer.Append(i == 0 ? Started() : Opened(i - 1));
        }

        byte[] file = Copied(Database), log = Copied(Database + "-wal");
        string copy = folder.File("copy.db");
        for (int length = 0; length <= log.Length; length += 61)
        {
            File.WriteAllBytes(copy, file);
            File.WriteAllBytes(copy + "-wal", log[..length]);
            Assert.True(IsDamagedOrBeginning(copy, 3), $"length {length}");
            File.Delete(copy + "-wal");
            File.Delete(copy + "-shm");
        }
    }

    protected override void PutOldLayout() => File.Copy(Path.Combine(AppContext.BaseDirectory, "OldLayout", "journal.db"), Database);

    private bool IsDamagedOrBeginning(string path, int records)
    {
        try
        {
            using IJournalReader reader = RunJournal.Of(path, folder.Path, Identity).OpenForReading();
            long[] positions = [.. reader.Read().Select(entry => entry.Position)];
            return positions.Length <= records && positions.SequenceEqual(Enumerable.Range(0, positions.Length).Select(i => (long)i));
        }
        catch (StorageException)
        {
            return true;
        }
    }

    private static byte[] Copied(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }
}
