using System.Data;
using System.Data.Common;
using GrpoActors.Formats.Files;
using Npgsql;

namespace GrpoActors.Journal;

/// <param name="place">Of a database that runs share.</param>
internal sealed class PostgresTables(PostgresPlace place) : JournalTables(place.Run)
{
    private const long CreationLock = 0x4752504F; // "GRPO": two first starts must not create the tables at once
    private const string OldExists = "SELECT to_regclass('grpo_journals')::text";
    private static readonly TimeSpan IdleInTransactionMax = TimeSpan.FromSeconds(10);

    private NpgsqlDataSource? appending;

    public override string Place => place.ToString();

    public override string Provider => "PostgreSQL.15";

    public override DbDataSource Appending => appending ??= Durable(place);

    public override void Release() => appending?.Clear();

    public override DbConnection Connect()
    {
        NpgsqlConnection opened = new(DurableSettings(place, pooling: false));
        try
        {
            opened.Open();
            RequireDurable(opened, place);
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

    public override void Create(DbConnection connection, DbTransaction transaction)
    {
        if (Scalar(connection, transaction, "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('journal') AND tgname = 'grpo_next'") is 1L)
        {
            return;
        }

        Execute(connection, transaction, "SELECT pg_advisory_xact_lock(@lock)", ("lock", CreationLock));
        Execute(connection, transaction, """
            CREATE TABLE IF NOT EXISTS journal(
                ordering bigint GENERATED ALWAYS AS IDENTITY NOT NULL, created bigint NOT NULL, deleted boolean NOT NULL, persistence_id text NOT NULL,
                sequence_number bigint NOT NULL, message bytea NOT NULL, manifest text NULL, identifier int NULL, writer_uuid text NULL,
                CONSTRAINT "PK_journal" PRIMARY KEY (ordering), CONSTRAINT journal_uq UNIQUE (persistence_id, sequence_number));
            CREATE INDEX IF NOT EXISTS journal_created_idx ON journal (created);
            CREATE INDEX IF NOT EXISTS journal_sequence_number_idx ON journal (sequence_number);
            CREATE TABLE IF NOT EXISTS tags(
                ordering_id bigint NOT NULL, tag text NOT NULL, sequence_nr bigint NOT NULL, persistence_id text NOT NULL,
                CONSTRAINT "PK_tags" PRIMARY KEY (ordering_id, tag));
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
            """);
    }

    public override bool HoldOldLayout(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, OldExists) is string
        && Scalar(connection, transaction, "SELECT 1 FROM grpo_journals WHERE run = @run", ("run", RunName)) is not null;

    public override string? NameBegun(DbConnection connection, DbTransaction? transaction) =>
        Scalar(connection, transaction, "SELECT persistence_id FROM journal WHERE persistence_id = @run LIMIT 1", ("run", RunName)) as string;

    /// <summary>Renames the run to <c>run.1</c>, <c>run.2</c>, ..., in whichever layout it has begun. Nothing happens where there is none.</summary>
    public override void SetAside()
    {
        using DbConnection connection = Connect();
        using DbTransaction transaction = Begin(connection);
        List<(string Table, string Column)> named = [];
        if (Exist(connection, transaction))
        {
            Execute(connection, transaction, "LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE"); // keeps everybody's appends out until the end
            named = [("journal", "persistence_id"), ("tags", "persistence_id")];
        }

        if (Scalar(connection, transaction, OldExists) is string)
        {
            named.Add(("grpo_journals", "run"));
        }

        int number = 1;
        while (named.Any(names => IsTaken(names.Table, names.Column, $"{RunName}.{number}")))
        {
            number++;
        }

        foreach ((string table, string column) in named)
        {
            Execute(connection, transaction, $"UPDATE {table} SET {column} = @aside WHERE {column} = @run", ("aside", $"{RunName}.{number}"), ("run", RunName));
        }

        transaction.Commit();

        bool IsTaken(string table, string column, string name) =>
            Scalar(connection, transaction, $"SELECT 1 FROM {table} WHERE {column} = @name LIMIT 1", ("name", name)) is not null;
    }

    public override bool IsCollision(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    public override StorageException? Writing(Exception e) => PostgresFailure.Writing(place, e);

    public override StorageException? Reading(Exception e, long position = -1) => PostgresFailure.Reading(place, e, position);

    private static NpgsqlDataSource Durable(PostgresPlace place)
    {
        var settings = new NpgsqlDataSourceBuilder(DurableSettings(place, pooling: true));
        settings.UsePhysicalConnectionInitializer(
            opened => RequireDurable(opened, place),
            opened =>
            {
                RequireDurable(opened, place);
                return Task.CompletedTask;
            });
        return settings.Build();
    }

    /// <summary>A commit that is answered is on disk, and the server ends a frozen writer's transaction.</summary>
    /// <remarks>Settings of the session, so that they outlive its return to the pool.</remarks>
    private static string DurableSettings(PostgresPlace place, bool pooling)
    {
        var settings = new NpgsqlConnectionStringBuilder(place.Settings) { Pooling = pooling };
        settings.Options = $"{settings.Options} -c synchronous_commit=on -c idle_in_transaction_session_timeout={IdleInTransactionMax.TotalSeconds}s".TrimStart();
        return settings.ConnectionString;
    }

    private static void RequireDurable(NpgsqlConnection connection, PostgresPlace place)
    {
        foreach (string setting in (string[])["synchronous_commit", "fsync"])
        {
            if (Scalar(connection, null, $"SHOW {setting}") is var found and not "on")
            {
                throw new StorageException(
                    $"PostgreSQL does not keep the journal of {place} durable: its setting {setting} is {found}; turn it on, or choose another server.");
            }
        }
    }
}
