using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.Journal.Tests;

public sealed class SqliteJournalTests : JournalConformance, IDisposable
{
    private readonly TemporaryFolder folder = new();

    protected override IJournalProvider Provider => new SqliteJournalProvider(Database);

    private string Database => folder.File("journal.db");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_file_that_is_no_database_is_refused_with_a_sentence()
    {
        File.WriteAllText(Database, new string('x', 5000));
        Assert.Contains("no whole SQLite database", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
        Assert.Contains("no whole SQLite database", Assert.Throws<JournalDamagedException>(Provider.OpenForReading).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_database_of_another_program_is_refused_and_left_as_it_is()
    {
        Run("CREATE TABLE events(x)", SqliteOpenMode.ReadWriteCreate);
        Assert.Contains("no journal of this program", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_journal_of_a_later_format_is_refused()
    {
        await Write(1);
        Run("PRAGMA user_version=2");
        Assert.Contains("has format 2", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_a_sentence_not_a_code()
    {
        var e = Assert.Throws<JournalWriteException>(new SqliteJournalProvider(folder.File("absent/journal.db")).OpenForWriting);
        Assert.Contains("cannot be opened", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lowered_fence_in_the_head_row_is_found()
    {
        await Write(1);
        await Write(1);
        Run("UPDATE journal SET fence = 1");
        Assert.Contains("head row", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_head_row_is_found()
    {
        await Write(1);
        Run("DELETE FROM journal");
        Assert.Contains("head row", Assert.Throws<JournalDamagedException>(Provider.OpenForWriting).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("payload", "5")]
    [InlineData("payload", "'text'")]
    [InlineData("crc", "'text'")]
    [InlineData("fence", "x'00'")]
    public async Task A_column_of_another_type_is_damage_at_that_record(string column, string value)
    {
        await Write(3);
        Run($"UPDATE events SET {column} = {value} WHERE position = 1");
        using IJournalReader reader = Provider.OpenForReading();
        Assert.Equal(1, Assert.Throws<JournalDamagedException>(() => reader.Read().Count()).Position);
    }

    [Fact]
    public async Task A_flipped_bit_anywhere_in_the_file_is_found_or_gives_a_beginning_of_what_was_written()
    {
        await Write(6);
        Run("PRAGMA wal_checkpoint(TRUNCATE)");
        byte[] whole = await File.ReadAllBytesAsync(Database);
        using (IJournalReader reader = Provider.OpenForReading())
        {
            Assert.Equal(6, reader.Read().Count());
        }

        string copy = folder.File("copy.db");
        for (int at = 0; at < whole.Length; at += 7)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= (byte)(1 << (at % 8));
            await File.WriteAllBytesAsync(copy, damaged);
            Assert.True(IsDamagedOrBeginning(copy, 6), $"byte {at}");
            File.Delete(copy + "-wal");
            File.Delete(copy + "-shm");
        }
    }

    [Fact]
    public async Task Every_truncation_of_the_log_gives_a_beginning_of_what_was_written()
    {
        await using IJournal journal = Provider.OpenForWriting();
        for (int i = 0; i < 3; i++)
        {
            await journal.AppendAsync(i, [i == 0 ? Started() : Opened(i - 1)], default);
        }

        byte[] file = Copied(Database), log = Copied(Database + "-wal");
        string copy = folder.File("copy.db");
        for (int length = 0; length <= log.Length; length += 61)
        {
            await File.WriteAllBytesAsync(copy, file);
            await File.WriteAllBytesAsync(copy + "-wal", log[..length]);
            Assert.True(IsDamagedOrBeginning(copy, 3), $"length {length}");
            File.Delete(copy + "-wal");
            File.Delete(copy + "-shm");
        }
    }

    protected override void Tamper(long position, Func<StoredRecord, StoredRecord?> change)
    {
        StoredRecord record;
        using (IJournalReader reader = Provider.OpenForReading())
        {
            record = reader.Stored(position).First();
        }

        using SqliteConnection connection = Open(SqliteOpenMode.ReadWrite);
        using SqliteCommand command = connection.CreateCommand();
        command.Parameters.AddWithValue("$position", position);
        if (change(record) is { } changed)
        {
            command.CommandText = "UPDATE events SET fence = $fence, crc = $crc, payload = $payload WHERE position = $position";
            command.Parameters.AddWithValue("$fence", changed.Fence);
            command.Parameters.AddWithValue("$crc", (long)changed.Crc);
            command.Parameters.AddWithValue("$payload", changed.Payload);
        }
        else
        {
            command.CommandText = "DELETE FROM events WHERE position = $position";
        }

        Assert.Equal(1, command.ExecuteNonQuery());
    }

    private static bool IsDamagedOrBeginning(string path, int records)
    {
        try
        {
            using IJournalReader reader = new SqliteJournalProvider(path).OpenForReading();
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

    private SqliteConnection Open(SqliteOpenMode mode)
    {
        SQLitePCL.Batteries_V2.Init();
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Mode = mode, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    private void Run(string sql, SqliteOpenMode mode = SqliteOpenMode.ReadWrite)
    {
        using SqliteConnection connection = Open(mode);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
