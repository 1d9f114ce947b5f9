using System.Data;
using System.Data.Common;
using System.Runtime.CompilerServices;
using GrpoActors.Core;
using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace GrpoActors.Journal;

/// <param name="path">Of the database; its folder exists. The file belongs to one run.</param>
internal sealed class SqliteTables(string path, string runName, Digest identity) : JournalTables(runName)
{
    private const int Constraint = 19;
    private const long OldApplicationId = 0x4752504F; // "GRPO": the mark of release 0.1

    static SqliteTables() => SQLitePCL.Batteries_V2.Init();

    public override string Place => path;

    public override string Provider => "SQLite.MS";

    public override DbDataSource Appending { get; } = new DurableFile(path);

    public override void Release()
    {
        using var any = (SqliteConnection)Appending.CreateConnection();
        SqliteConnection.ClearPool(any);
    }

    public override DbConnection Connect()
    {
        SqliteConnection opened = Connect(path, SqliteOpenMode.ReadWriteCreate);
        try
        {
            RequireDurable(opened, path);
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public override DbConnection ConnectReadOnly() =>
        File.Exists(path) ? ConnectReadOnly(path) : throw new NoJournalException($"There is no journal at {path}: give the folder of a run that was started.");

    public override DbTransaction Begin(DbConnection connection) => ((SqliteConnection)connection).BeginTransaction(deferred: false);

    public override bool Exist(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, "SELECT count(*) FROM pragma_table_info('journal') WHERE name = 'persistence_id'") is 1L;

    public override void Create(DbConnection connection, DbTransaction transaction)
    {
        if (!Exist(connection, transaction) && Scalar(connection, transaction, "SELECT count(*) FROM sqlite_master") is not 0L)
        {
            throw new JournalDamagedException(
                $"{path} is a SQLite database, but no journal of this program: choose another run folder, or start over with --fresh.", -1);
        }

        Execute(connection, transaction, """
            CREATE TABLE IF NOT EXISTS journal(
                ordering INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, deleted Bit NOT NULL, persistence_id NVarChar(255) NOT NULL,
                sequence_number INTEGER NOT NULL, message VarBinary NOT NULL, manifest NVarChar(500) NULL, identifier INTEGER NULL,
                writer_uuid NVarChar(128) NULL);
            CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number);
            CREATE INDEX IF NOT EXISTS journal_created_idx ON journal (created);
            CREATE INDEX IF NOT EXISTS journal_sequence_number_idx ON journal (sequence_number);
            CREATE TABLE IF NOT EXISTS tags(
                ordering_id INTEGER NOT NULL, tag NVarChar(64) NOT NULL, sequence_nr INTEGER NOT NULL, persistence_id NVarChar(255) NOT NULL,
                CONSTRAINT PK_tags PRIMARY KEY (ordering_id, tag));
            CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr);
            CREATE INDEX IF NOT EXISTS tags_tag_idx ON tags (tag);
            CREATE TRIGGER IF NOT EXISTS grpo_next BEFORE INSERT ON journal
                WHEN NOT NEW.deleted AND NEW.sequence_number <> 1 + (
                    SELECT coalesce(max(sequence_number), 0) FROM journal WHERE persistence_id = NEW.persistence_id)
                BEGIN SELECT RAISE(ABORT, 'grpo: not directly behind the last record'); END;
            """);
    }

    public override bool HoldOldLayout(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, "PRAGMA application_id") is OldApplicationId;

    /// <remarks>The folder may be called otherwise now.</remarks>
    /// <exception cref="JournalDamagedException">Records of the run stand under two names, which no checksum covers.</exception>
    public override string? NameBegun(DbConnection connection, DbTransaction? transaction)
    {
        const string Ours = "SELECT persistence_id FROM journal WHERE persistence_id LIKE @ours";
        (string, object) ours = ("ours", "%-" + identity.ToString()[..16]);
        if (Scalar(connection, transaction, $"{Ours} LIMIT 1", ours) is not string name)
        {
            return null;
        }

        return Scalar(connection, transaction, $"{Ours} AND (persistence_id < @name OR persistence_id > @name) LIMIT 1", ours, ("name", name)) is { } other
            ? throw new JournalDamagedException(
                $"The journal {path} is damaged: records of one run stand under the names {name} and {other}; restore it from a copy, or start over with --fresh.",
                -1)
            : name;
    }

    /// <summary>Renames the file with its log to <c>name.1</c>, <c>name.2</c>, ... Nothing happens where there is none.</summary>
    public override void SetAside()
    {
        int number = 1;
        while (File.Exists($"{path}.{number}"))
        {
            number++;
        }

        try
        {
            foreach (string suffix in (string[])["-wal", "-shm", ""]) // the log first: alone it is nothing, beside another file it is damage
            {
                if (File.Exists(path + suffix))
                {
                    File.Move(path + suffix, $"{path}.{number}{suffix}");
                }
            }
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("set the old journal aside", path, e);
        }
    }

    public override bool IsCollision(Exception e) => e is SqliteException { SqliteErrorCode: Constraint };

    public override StorageException? Writing(Exception e) => e switch
    {
        StorageException known => known,
        SqliteException failed => SqliteFailure.IsDamage(failed) ? SqliteFailure.Damage(path, failed, -1) : SqliteFailure.Write(path, failed),
        _ => WrongType(e, -1),
    };

    public override StorageException? Reading(Exception e, long position = -1) => e switch
    {
        StorageException known => known,
        SqliteException failed => SqliteFailure.IsDamage(failed) ? SqliteFailure.Damage(path, failed, position) : SqliteFailure.Read(path, failed),
        _ => WrongType(e, position),
    };

    private static SqliteConnection Connect(string path, SqliteOpenMode mode) =>
        Opened(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false });

    /// <summary>A finished run on a disk that cannot be written has no log to share: there the file alone is read, as it is.</summary>
    private static SqliteConnection ConnectReadOnly(string path)
    {
        SqliteConnection? opened = null;
        try
        {
            opened = Connect(path, SqliteOpenMode.ReadOnly);
            _ = Scalar(opened, null, "PRAGMA schema_version");
            return opened;
        }
        catch (SqliteException e) when (SqliteFailure.CouldNotOpen(e) && !File.Exists(path + "-wal"))
        {
            opened?.Dispose();
            string uri = new Uri(path).AbsoluteUri + "?immutable=1";
            return Opened(new SqliteConnectionStringBuilder { DataSource = uri, Mode = SqliteOpenMode.ReadOnly, Pooling = false });
        }
    }

    /// <summary>Sets what durability rests on and asks again whether it took: a build of SQLite may ignore a pragma without a word.</summary>
    /// <exception cref="StorageException">It did not.</exception>
    internal static void RequireDurable(DbConnection connection, string path)
    {
        Execute(connection, null, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON;");
        foreach ((string pragma, string expected) in ((string, string)[])[("journal_mode", "wal"), ("synchronous", "2"), ("fullfsync", "1")])
        {
            object? found = Scalar(connection, null, $"PRAGMA {pragma}");
            if (!string.Equals(expected, Convert.ToString(found), StringComparison.OrdinalIgnoreCase))
            {
                throw new StorageException(
                    $"SQLite does not keep the journal {path} durable here: {pragma} is {found}, and {expected} was asked for; " +
                    "put the run folder on a local disk.");
            }
        }
    }

    private static SqliteConnection Opened(SqliteConnectionStringBuilder settings)
    {
        var opened = new SqliteConnection(settings.ConnectionString);
        try
        {
            opened.Open();
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private JournalDamagedException? WrongType(Exception e, long position) => e is InvalidCastException or FormatException or OverflowException
        ? new JournalDamagedException(
            $"A column of the journal {path} has another type than it was written with: restore the file from a copy, or start over with --fresh.", position, e)
        : null;

    private sealed class DurableFile(string path) : DbDataSource
    {
        private readonly ConditionalWeakTable<sqlite3, object> asserted = []; // connections of SQLite's own, which the pool lends again and again

        public override string ConnectionString { get; } =
            new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = true }.ConnectionString;

        protected override DbConnection CreateDbConnection()
        {
            var connection = new SqliteConnection(ConnectionString);
            connection.StateChange += (_, change) =>
            {
                if (change.CurrentState == ConnectionState.Open && connection.Handle is { } handle && !asserted.TryGetValue(handle, out object? _))
                {
                    RequireDurable(connection, path);
                    asserted.AddOrUpdate(handle, path);
                }
            };
            return connection;
        }
    }
}
