using System.Data.Common;
using GrpoActors.Formats.Files;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Journal;

/// <param name="path">Of the database; its folder exists.</param>
internal sealed class AkkaSqliteTables(string path) : AkkaTables
{
    private const int Constraint = 19;

    public override string Place => path;

    /// <remarks>A transaction that writes holds the file's one lock from its beginning.</remarks>
    public override string Locking => "";

    public override DbConnection Connect()
    {
        SqliteConnection opened = SqliteJournal.Connect(path, SqliteOpenMode.ReadWriteCreate);
        try
        {
            SqliteJournal.Configure(opened, path);
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public override DbConnection ConnectReadOnly() =>
        File.Exists(path) ? SqliteJournal.ConnectReadOnly(path) : throw new NoJournalException($"There is no journal at {path}: give the folder of a run that was started.");

    public override DbTransaction Begin(DbConnection connection) => ((SqliteConnection)connection).BeginTransaction(deferred: false);

    public override bool Exist(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, "SELECT count(*) FROM pragma_table_info('journal') WHERE name = 'persistence_id'") is 1L;

    public override bool AreComplete(DbConnection connection, DbTransaction? transaction) =>
        Exist(connection, transaction) && Scalar(connection, transaction, "SELECT count(*) FROM sqlite_master WHERE name = 'grpo_writers'") is 1L;

    public override void Create(DbConnection connection, DbTransaction transaction)
    {
        if (AreComplete(connection, transaction))
        {
            return;
        }

        if (!Exist(connection, transaction) && Scalar(connection, transaction, "SELECT count(*) FROM sqlite_master") is not 0L)
        {
            throw new JournalDamagedException($"{path} is a SQLite database, but no journal of this program: choose another run folder, or start over with --fresh.", -1);
        }

        Execute(connection, transaction, """
            CREATE TABLE IF NOT EXISTS journal(
                ordering INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, deleted Bit NOT NULL, persistence_id NVarChar(255) NOT NULL,
                sequence_number INTEGER NOT NULL, message VarBinary NOT NULL, manifest NVarChar(500) NULL, identifier INTEGER NULL, writer_uuid NVarChar(128) NULL);
            CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number);
            CREATE INDEX IF NOT EXISTS journal_created_idx ON journal (created);
            CREATE INDEX IF NOT EXISTS journal_sequence_number_idx ON journal (sequence_number);
            CREATE TABLE IF NOT EXISTS tags(
                ordering_id INTEGER NOT NULL, tag NVarChar(64) NOT NULL, sequence_nr INTEGER NOT NULL, persistence_id NVarChar(255) NOT NULL, CONSTRAINT PK_tags PRIMARY KEY (ordering_id, tag));
            CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr);
            CREATE INDEX IF NOT EXISTS tags_tag_idx ON tags (tag);
            CREATE TRIGGER IF NOT EXISTS grpo_next BEFORE INSERT ON journal
                WHEN NOT NEW.deleted AND NEW.sequence_number <> 1 + (SELECT coalesce(max(sequence_number), 0) FROM journal WHERE persistence_id = NEW.persistence_id)
                BEGIN SELECT RAISE(ABORT, 'grpo: not directly behind the last record'); END;
            CREATE TABLE grpo_writers(persistence_id TEXT NOT NULL PRIMARY KEY, opened INTEGER NOT NULL);
            """);
    }

    public override void LockAll(DbConnection connection, DbTransaction transaction)
    {
        // the transaction's own lock is the file's
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

    private JournalDamagedException? WrongType(Exception e, long position) => e is InvalidCastException or FormatException or OverflowException
        ? new JournalDamagedException($"A column of the journal {path} has another type than it was written with: restore the file from a copy, or start over with --fresh.", position, e)
        : null;
}
