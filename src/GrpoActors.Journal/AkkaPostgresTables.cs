using System.Data;
using System.Data.Common;
using GrpoActors.Formats.Files;
using Npgsql;

namespace GrpoActors.Journal;

internal sealed class AkkaPostgresTables(PostgresPlace place) : AkkaTables
{
    public override string Place => place.ToString();

    public override string Locking => " FOR UPDATE";

    public override DbConnection Connect()
    {
        NpgsqlConnection opened = place.Connect();
        try
        {
            PostgresJournal.RequireDurable(opened, place);
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public override DbConnection ConnectReadOnly() => place.Connect();

    public override DbTransaction Begin(DbConnection connection) => connection.BeginTransaction(IsolationLevel.ReadCommitted);

    public override bool Exist(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('journal') AND attname = 'persistence_id'") is 1L;

    public override bool AreComplete(DbConnection connection, DbTransaction? transaction) =>
        Exist(connection, transaction) && Scalar(connection, transaction, "SELECT to_regclass('grpo_writers')::text") is string;

    public override void Create(DbConnection connection, DbTransaction transaction)
    {
        if (AreComplete(connection, transaction))
        {
            return;
        }

        Execute(connection, transaction, "SELECT pg_advisory_xact_lock(@lock)", ("lock", PostgresJournal.CreationLock));
        Execute(connection, transaction, """
            CREATE TABLE IF NOT EXISTS journal(
                ordering bigint GENERATED ALWAYS AS IDENTITY NOT NULL, created bigint NOT NULL, deleted boolean NOT NULL, persistence_id text NOT NULL,
                sequence_number bigint NOT NULL, message bytea NOT NULL, manifest text NULL, identifier int NULL, writer_uuid text NULL,
                CONSTRAINT "PK_journal" PRIMARY KEY (ordering), CONSTRAINT journal_uq UNIQUE (persistence_id, sequence_number));
            CREATE INDEX IF NOT EXISTS journal_created_idx ON journal (created);
            CREATE INDEX IF NOT EXISTS journal_sequence_number_idx ON journal (sequence_number);
            CREATE TABLE IF NOT EXISTS tags(
                ordering_id bigint NOT NULL, tag text NOT NULL, sequence_nr bigint NOT NULL, persistence_id text NOT NULL, CONSTRAINT "PK_tags" PRIMARY KEY (ordering_id, tag));
            CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr);
            CREATE INDEX IF NOT EXISTS tags_tag_idx ON tags (tag);
            CREATE OR REPLACE FUNCTION grpo_next() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
            BEGIN
                IF NEW.sequence_number <> 1 + (SELECT coalesce(max(sequence_number), 0) FROM journal WHERE persistence_id = NEW.persistence_id) THEN
                    RAISE EXCEPTION 'grpo: not directly behind the last record' USING ERRCODE = 'unique_violation';
                END IF;
                RETURN NEW;
            END $$;
            DROP TRIGGER IF EXISTS grpo_next ON journal;
            CREATE TRIGGER grpo_next BEFORE INSERT ON journal FOR EACH ROW WHEN (NOT NEW.deleted) EXECUTE FUNCTION grpo_next();
            CREATE TABLE IF NOT EXISTS grpo_writers(persistence_id text NOT NULL PRIMARY KEY, opened bigint NOT NULL);
            """);
    }

    public override void LockAll(DbConnection connection, DbTransaction transaction) => Execute(connection, transaction, "LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE");

    public override bool IsCollision(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    public override StorageException? Writing(Exception e) => PostgresFailure.Writing(place, e);

    public override StorageException? Reading(Exception e, long position = -1) => PostgresFailure.Reading(place, e, position);
}
