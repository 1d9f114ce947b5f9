using GrpoActors.Formats.Files;

namespace GrpoActors.Journal;

/// <summary>A journal in a PostgreSQL database, which many runs may share.</summary>
/// <param name="connection">A connection string of Npgsql's: <c>Host=db;Database=grpo;Username=grpo</c>. A password comes from PGPASSWORD or PGPASSFILE.</param>
/// <param name="run">The run's name there: one journal for each.</param>
public sealed class PostgresJournalProvider(string connection, string run) : IJournalProvider
{
    private readonly PostgresPlace place = PostgresPlace.Of(connection, run);

    internal PostgresPlace Place => place;

    /// <summary>How long a transaction of a writer that has stopped may keep the head row locked before the server ends it. Default 10 s.</summary>
    public TimeSpan IdleInTransactionMax { get; init; } = TimeSpan.FromSeconds(10);

    public IJournal OpenForWriting() => PostgresJournal.OpenForWriting(place with { IdleInTransactionMax = IdleInTransactionMax });

    public IJournalReader OpenForReading() => PostgresJournal.OpenForReading(place);

    /// <summary>Keeps an old journal of this name under another one, so that the next start begins anew.</summary>
    /// <exception cref="StorageException">The database cannot be reached or written.</exception>
    public void SetAside() => PostgresJournal.SetAside(place);
}
